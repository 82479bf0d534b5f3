//! Which file is to blame when a run of scripts ends badly. Read from the lines
//! that the run printed: `wast-script/src/report.rs` describes them.

use crate::qemu::End;

/// The outcome of one run that began at some file.
#[derive(Default)]
pub struct Progress {
    /// Directives that passed, in files that are done.
    pub passed: u64,
    /// Directives that failed, in files that are done.
    pub failed: u64,
    /// Files that are done.
    pub done: usize,
    /// Whether another file was begun.
    begun: bool,
}

impl Progress {
    /// Notes a line of output. Only the file that is due counts.
    pub fn line(&mut self, text: &str, from: usize) {
        let due = format!("file {} ", from + self.done);
        let Some((_, outcome)) = text.strip_prefix(&due).and_then(|rest| rest.split_once(" ... "))
        else {
            return;
        };
        match counts(outcome) {
            Some((passed, failed)) => {
                self.passed += passed;
                self.failed += failed;
                self.done += 1;
            }
            None => self.begun = true,
        }
    }

    /// Which file the `end` of a run of `from..to` counts against, where `from`
    /// is past the files that are done. `None`: no file; go on.
    pub fn blame(&self, end: End, from: usize, to: usize) -> Option<Blame> {
        match (end, self.done) {
            (End::Verdict(0), _) if from == to => None,
            // It may have been late only because of the files before it.
            (End::Deadline, 1..) if from < to => None,
            _ if from < to && self.begun => Some(Blame::Within(from)),
            (_, 0) => Some(Blame::Before(from)),
            _ => Some(Blame::After(from - 1)),
        }
    }
}

/// The file that a run's bad end counts against.
#[derive(Debug, PartialEq, Eq)]
pub enum Blame {
    /// It was running.
    Within(usize),
    /// It was to come first, and no file was done.
    Before(usize),
    /// It was done, and what it left behind ended the run.
    After(usize),
}

/// What passed and failed in the file that a line is about, if it is one of a
/// file that is done.
pub fn outcome(line: &str) -> Option<(u64, u64)> {
    counts(line.strip_prefix("file ")?.split_once(" ... ")?.1)
}

/// `P passed, F failed`.
fn counts(text: &str) -> Option<(u64, u64)> {
    let (passed, failed) = text.strip_suffix(" failed")?.split_once(" passed, ")?;
    Some((passed.parse().ok()?, failed.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_file_that_is_due_counts() {
        let mut progress = Progress::default();
        progress.line("file 4 a.wast ... 9 passed, 9 failed", 5);
        progress.line("file 5 a.wast ... 3 passed, 1 failed", 5);
        progress.line("  a.wast:3: file 6 x ... 1 passed, 0 failed", 5);
        assert_eq!((progress.passed, progress.failed, progress.done), (3, 1, 1));
        assert!(!progress.begun);
        progress.line("file 6 b.wast ... kernel panic: no", 5);
        assert!(progress.begun && progress.done == 1);
    }

    #[test]
    fn a_bad_end_counts_against_the_file_that_caused_it() {
        let blame = |end, done, begun, to| {
            Progress { done, begun, ..Progress::default() }.blame(end, 5 + done, to)
        };
        let crash = End::Verdict(3);
        assert_eq!(blame(End::Verdict(0), 3, false, 8), None);
        assert_eq!(blame(crash, 2, true, 8), Some(Blame::Within(7)));
        assert_eq!(blame(crash, 0, false, 8), Some(Blame::Before(5)));
        // Not file 8, which is in the next batch, and not file 7.
        assert_eq!(blame(crash, 3, false, 8), Some(Blame::After(7)));
        assert_eq!(blame(crash, 2, false, 8), Some(Blame::After(6)));
        assert_eq!(blame(End::Verdict(0), 2, false, 8), Some(Blame::After(6)));
        assert_eq!(blame(End::Deadline, 2, true, 8), None);
        assert_eq!(blame(End::Deadline, 0, false, 8), Some(Blame::Before(5)));
        assert_eq!(blame(End::Deadline, 3, false, 8), Some(Blame::After(7)));
    }
}
