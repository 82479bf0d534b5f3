//! The library's file under test, and what tests use of it.

#[allow(dead_code, reason = "the entry's facts are not modelled")]
#[path = "../../../../src/engine/code_ranges.rs"]
mod code_ranges;
mod sync;

use code_ranges::{CodeRange, CodeRanges};
pub use sync::plant_no_waiting;

/// The list, for tests.
pub struct List(CodeRanges);

impl List {
    /// An empty list.
    #[allow(clippy::new_without_default, reason = "there is no default in the library")]
    pub fn new() -> Self {
        Self(CodeRanges::new())
    }

    fn range(at: usize) -> CodeRange {
        CodeRange { code: at * 16..at * 16 + 16, owner: at }
    }

    /// Publishes the code with this number.
    pub fn insert(&self, at: usize) {
        self.0.insert(Self::range(at)).expect("memory");
    }

    /// Removes it.
    pub fn remove(&self, at: usize) {
        self.0.remove(&Self::range(at));
    }

    /// Looks for it, and uses it while the list is read.
    pub fn find(&self, at: usize, with: impl FnOnce(Option<usize>)) {
        let reader = self.0.read();
        with(reader.find(at * 16 + 3).map(|range| range.owner));
    }
}
