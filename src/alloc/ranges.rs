//! [`Ranges`]: which parts of a range are in use.
//!
//! Invariant: the parts in use are sorted, disjoint and within the whole.

use crate::error::{Error, Result};
use core::ops::Range;
use std_alloc::vec::Vec;

/// Parts of a range: of addresses, or of offsets into a region.
pub(super) struct Ranges {
    whole: Range<usize>,
    used: Vec<Range<usize>>,
}

impl Ranges {
    /// None of `whole` is in use.
    pub(super) const fn new(whole: Range<usize>) -> Self {
        Self { whole, used: Vec::new() }
    }

    /// Takes the lowest free part of this length whose start is a multiple of
    /// `align`, a power of two.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]: there is none, or no room to note it.
    pub(super) fn take(&mut self, bytes: usize, align: usize) -> Result<usize> {
        let refused = Error::OutOfMemory { bytes };
        let fits = |from: usize, end: usize| {
            let start = from.checked_next_multiple_of(align)?;
            (start.checked_add(bytes)? <= end).then_some(start)
        };
        let mut from = self.whole.start;
        let found = self.used.iter().enumerate().find_map(|(at, used)| {
            let start = fits(from, used.start);
            from = used.end;
            Some((at, start?))
        });
        let last = || Some((self.used.len(), fits(from, self.whole.end)?));
        let Some((at, start)) = found.or_else(last) else { return Err(refused) };
        self.used.try_reserve(1).map_err(|_| refused)?;
        self.used.insert(at, start..start + bytes);
        Ok(start)
    }

    /// Gives back the part that begins at `start`.
    pub(super) fn give_back(&mut self, start: usize) {
        if let Ok(at) = self.used.binary_search_by_key(&start, |used| used.start) {
            self.used.remove(at);
        }
    }

    /// Whether nothing is in use.
    #[cfg(test)]
    pub(super) fn is_unused(&self) -> bool {
        self.used.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_gap_that_is_large_enough_is_taken() {
        let mut ranges = Ranges::new(10..100);
        assert_eq!(ranges.take(20, 1).unwrap(), 10);
        assert_eq!(ranges.take(20, 16).unwrap(), 32);
        assert_eq!(ranges.take(2, 1).unwrap(), 30);
        assert_eq!(ranges.take(48, 1).unwrap(), 52);
        assert!(ranges.take(1, 1).is_err());
        ranges.give_back(32);
        assert!(ranges.take(21, 1).is_err());
        assert_eq!(ranges.take(4, 8).unwrap(), 32);
        assert_eq!(ranges.take(16, 1).unwrap(), 36);
        for start in [10, 30, 32, 36, 52] {
            ranges.give_back(start);
        }
        assert!(ranges.is_unused());
        assert!(ranges.take(usize::MAX, 4096).is_err());
        assert_eq!(ranges.take(90, 1).unwrap(), 10);
    }
}
