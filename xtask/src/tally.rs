//! Counting what passed, failed and was skipped.

use std::time::Instant;

/// The count of a run.
#[derive(Default)]
pub struct Tally {
    passed: u64,
    failed: u64,
    failures: Vec<String>,
    skipped: Vec<String>,
}

impl Tally {
    /// Runs one check; what it returns counts as that many passed and failed.
    pub fn check(&mut self, name: &str, body: impl FnOnce() -> Result<(u64, u64), String>) {
        self.add(Outcome::of(name, body));
    }

    /// Counts a check that was run elsewhere.
    pub fn add(&mut self, outcome: Outcome) {
        self.passed += outcome.passed;
        self.failed += outcome.failed;
        if outcome.failed > 0 {
            self.failures.push(outcome.name);
        }
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

    /// Prints the outcome; true if nothing failed.
    pub fn finish(self) -> bool {
        for skipped in &self.skipped {
            println!("skipped: {skipped}");
        }
        for failure in &self.failures {
            println!("failed: {failure}");
        }
        println!("{} passed, {} failed", self.passed, self.failed);
        self.failed == 0
    }
}

/// What one check came to.
pub struct Outcome {
    name: String,
    passed: u64,
    failed: u64,
}

impl Outcome {
    /// Runs a check and tells how it went.
    pub fn of(name: &str, body: impl FnOnce() -> Result<(u64, u64), String>) -> Self {
        println!("==> {name}");
        let started = Instant::now();
        let (passed, failed) = body().unwrap_or_else(|message| {
            println!("{name}: {message}");
            (0, 1)
        });
        let seconds = started.elapsed().as_secs_f32();
        println!("<== {name}: {passed} passed, {failed} failed ({seconds:.1} s)");
        Self { name: name.to_string(), passed, failed }
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
    #[test]
    fn counts_both_kinds_of_summary() {
        let output = "test result: FAILED. 3 passed; 1 failed; 0 ignored; 0 measured; 7 filtered out\n\
                      kernel: 9 passed\n12 passed, 2 failed\n";
        assert_eq!(super::count(output), (15, 3));
    }
}
