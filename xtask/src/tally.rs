//! Counting what passed, failed and was skipped, and how long each part took.

use std::process::ExitCode;
use std::time::{Duration, Instant};

/// The count of a run.
pub struct Tally {
    started: Instant,
    outcomes: Vec<Outcome>,
    skipped: Vec<String>,
}

impl Tally {
    /// Nothing has run yet.
    pub fn start() -> Self {
        Self { started: Instant::now(), outcomes: Vec::new(), skipped: Vec::new() }
    }

    /// Runs one check; what it returns is how many passed and failed.
    pub fn check(&mut self, name: &str, body: impl FnOnce() -> Result<(u64, u64), String>) {
        self.add(Outcome::of(name, body));
    }

    /// Counts a check that was run elsewhere.
    pub fn add(&mut self, outcome: Outcome) {
        self.outcomes.push(outcome);
    }

    /// A check that passes or fails as one.
    pub fn one(&mut self, name: &str, body: impl FnOnce() -> Result<(), String>) {
        self.check(name, || body().map(|()| (1, 0)));
    }

    /// A check that is left out, and why.
    pub fn skip(&mut self, name: &str, why: &str) {
        println!("==> {name}: skipped: {why}");
        self.skipped.push(format!("{name}: {why}"));
    }

    /// Prints the outcome; the status is a failure if something failed.
    pub fn finish(self) -> ExitCode {
        println!("\n{}", table(&self.outcomes, self.started.elapsed()));
        for skipped in &self.skipped {
            println!("skipped: {skipped}");
        }
        let failures = self.outcomes.iter().filter(|outcome| outcome.failed > 0);
        failures.for_each(|outcome| println!("failed: {}", outcome.name));
        let passed: u64 = self.outcomes.iter().map(|outcome| outcome.passed).sum();
        let failed: u64 = self.outcomes.iter().map(|outcome| outcome.failed).sum();
        println!("{passed} passed, {failed} failed");
        ExitCode::from(u8::from(failed > 0))
    }
}

/// A line for each part. What runs in the two kernels overlaps, so that the
/// parts can take longer than the whole.
fn table(outcomes: &[Outcome], whole: Duration) -> String {
    let row = |name: &str, passed: u64, failed: u64, took: Duration| {
        format!("{name:<64}{passed:>8}{failed:>8}{:>9.1}\n", took.as_secs_f32())
    };
    let mut text = format!("{:<64}{:>8}{:>8}{:>9}\n", "part", "passed", "failed", "seconds");
    let (mut passed, mut failed) = (0, 0);
    for outcome in outcomes {
        text += &row(&outcome.name, outcome.passed, outcome.failed, outcome.took);
        passed += outcome.passed;
        failed += outcome.failed;
    }
    text + &row("the whole", passed, failed, whole)
}

/// The outcome of one check.
pub struct Outcome {
    name: String,
    passed: u64,
    failed: u64,
    took: Duration,
}

impl Outcome {
    /// Runs a check and times it.
    pub fn of(name: &str, body: impl FnOnce() -> Result<(u64, u64), String>) -> Self {
        println!("==> {name}");
        let started = Instant::now();
        let (passed, failed) = body().unwrap_or_else(|message| {
            println!("{name}: {message}");
            (0, 1)
        });
        let took = started.elapsed();
        println!("<== {name}: {passed} passed, {failed} failed ({:.1} s)", took.as_secs_f32());
        Self { name: name.to_string(), passed, failed, took }
    }
}

/// Adds up the `N passed` and `M failed` of a test run's output.
pub fn count(output: &str) -> (u64, u64) {
    let summaries = output.lines().filter(|line| {
        line.starts_with("test result:")
            || line.split_once(" passed, ").is_some_and(|(n, _)| n.parse::<u64>().is_ok())
    });
    summaries.fold((0, 0), |(passed, failed), line| {
        let number_before = |word: &str| -> u64 {
            let words: Vec<_> = line.split([' ', ',', ';']).filter(|w| !w.is_empty()).collect();
            let at = words.iter().position(|candidate| *candidate == word);
            at.and_then(|at| words.get(at.checked_sub(1)?)?.parse().ok()).unwrap_or(0)
        };
        (passed + number_before("passed"), failed + number_before("failed"))
    })
}

#[cfg(test)]
mod tests {
    use super::{Outcome, count, table};
    use std::time::Duration;

    #[test]
    fn counts_both_kinds_of_summary() {
        let output = "test result: FAILED. 3 passed; 1 failed; 0 ignored; 0 measured; 7 filtered out\n\
                      kernel: 9 passed\n12 passed, 2 failed\n";
        assert_eq!(count(output), (15, 3));
    }

    #[test]
    fn the_table_adds_up_and_is_no_summary() {
        let outcome = |name: &str, passed, failed| Outcome {
            name: name.into(),
            passed,
            failed,
            took: Duration::from_millis(1500),
        };
        let text = table(&[outcome("a", 3, 1), outcome("b", 4, 0)], Duration::from_secs(2));
        let lines: Vec<Vec<&str>> =
            text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines[1], ["a", "3", "1", "1.5"]);
        assert_eq!(lines[3], ["the", "whole", "7", "1", "2.0"]);
        assert_eq!(count(&text), (0, 0));
    }
}
