//! [`CodeRanges`]: where code lies that may fault on an access to a linear
//! memory, for a reader that never waits.
//!
//! Invariants: nodes are added in front and never taken out, only emptied and
//! reused; they are freed with the list. Writers take turns. A reader skips a
//! node that is being written, even by the code that the reader interrupted:
//! such a node never describes running code.

use crate::alloc;
use crate::arch::{self, EntryFacts};
use crate::error::Result;
use core::ops::Range;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicPtr, AtomicUsize, Ordering, fence};
use spin::mutex::SpinMutex;
use std_alloc::boxed::Box;

/// The ranges, and how to recognise the entry into them.
pub(crate) struct CodeRanges {
    head: AtomicPtr<Node>,
    writer: SpinMutex<()>,
    entry_return: AtomicUsize,
    record_below_fp: AtomicUsize,
}

/// A range and its owner.
#[derive(Clone)]
pub(crate) struct CodeRange {
    pub(crate) code: Range<usize>,
    /// `Engine::id`.
    pub(crate) owner: usize,
}

struct Node {
    /// The node added before; never changes.
    next: *mut Node,
    /// Odd while the rest is being written.
    sequence: AtomicUsize,
    start: AtomicUsize,
    /// 0: the node is free.
    end: AtomicUsize,
    owner: AtomicUsize,
}

/// Where a list keeps a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place(NonNull<Node>);

// SAFETY: a node consists of atomic numbers and a pointer that never changes;
// only the list follows the place.
unsafe impl Send for Place {}
// SAFETY: as above.
unsafe impl Sync for Place {}

impl Node {
    fn read(&self) -> Option<CodeRange> {
        let before = self.sequence.load(Ordering::Acquire);
        let start = self.start.load(Ordering::Relaxed);
        let end = self.end.load(Ordering::Relaxed);
        let owner = self.owner.load(Ordering::Relaxed);
        fence(Ordering::Acquire);
        let after = self.sequence.load(Ordering::Relaxed);
        (before == after && before.is_multiple_of(2))
            .then_some(CodeRange { code: start..end, owner })
    }

    /// Called only by the writer whose turn it is.
    fn write(&self, range: CodeRange) {
        let sequence = self.sequence.load(Ordering::Relaxed);
        self.sequence.store(sequence.wrapping_add(1), Ordering::Relaxed);
        fence(Ordering::Release);
        self.start.store(range.code.start, Ordering::Relaxed);
        self.end.store(range.code.end, Ordering::Relaxed);
        self.owner.store(range.owner, Ordering::Relaxed);
        self.sequence.store(sequence.wrapping_add(2), Ordering::Release);
    }
}

impl CodeRanges {
    pub(crate) const fn new() -> Self {
        Self {
            head: AtomicPtr::new(core::ptr::null_mut()),
            writer: SpinMutex::new(()),
            entry_return: AtomicUsize::new(0),
            record_below_fp: AtomicUsize::new(0),
        }
    }

    /// Determines what [`Self::entry`] returns. May be called any number of
    /// times.
    pub(crate) fn prepare(&self) {
        let facts = arch::entry_facts();
        self.record_below_fp.store(facts.record_below_fp, Ordering::Relaxed);
        self.entry_return.store(facts.return_address, Ordering::Release);
    }

    pub(crate) fn entry(&self) -> EntryFacts {
        EntryFacts {
            return_address: self.entry_return.load(Ordering::Acquire),
            record_below_fp: self.record_below_fp.load(Ordering::Relaxed),
        }
    }

    fn nodes(&self) -> impl Iterator<Item = &Node> {
        let mut next = self.head.load(Ordering::Acquire);
        core::iter::from_fn(move || {
            // SAFETY: a node was complete when it entered the list, and lives
            // as long as the list.
            let node = unsafe { next.as_ref() }?;
            next = node.next;
            Some(node)
        })
    }

    /// The range that contains `address`.
    pub(crate) fn find(&self, address: usize) -> Option<CodeRange> {
        self.nodes().filter_map(Node::read).find(|range| range.code.contains(&address))
    }

    /// Adds a range.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`].
    pub(crate) fn insert(&self, range: CodeRange) -> Result<Place> {
        let _turn = self.writer.lock();
        let free = self.nodes().find(|node| node.end.load(Ordering::Relaxed) == 0);
        if let Some(node) = free {
            node.write(range);
            return Ok(Place(NonNull::from(node)));
        }
        let node = alloc::try_box(Node {
            next: self.head.load(Ordering::Relaxed),
            sequence: AtomicUsize::new(0),
            start: AtomicUsize::new(range.code.start),
            end: AtomicUsize::new(range.code.end),
            owner: AtomicUsize::new(range.owner),
        })?;
        let node = NonNull::from(Box::leak(node));
        self.head.store(node.as_ptr(), Ordering::Release);
        Ok(Place(node))
    }

    /// Takes a range out.
    ///
    /// # Safety
    /// [`Self::insert`] of this list returned the place, and nobody has removed
    /// it since.
    pub(crate) unsafe fn remove(&self, place: Place) {
        let _turn = self.writer.lock();
        // SAFETY: a node of this list, which lives as long as the list.
        unsafe { place.0.as_ref() }.write(CodeRange { code: 0..0, owner: 0 });
    }
}

impl Drop for CodeRanges {
    fn drop(&mut self) {
        let mut next = *self.head.get_mut();
        while let Some(node) = NonNull::new(next) {
            // SAFETY: leaked by `insert`; nobody else has the list any more.
            next = unsafe { Box::from_raw(node.as_ptr()) }.next;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(start: usize, owner: usize) -> CodeRange {
        CodeRange { code: start..start + 16, owner }
    }

    #[test]
    fn nodes_are_used_again() {
        let ranges = CodeRanges::new();
        let first = ranges.insert(range(16, 1)).unwrap();
        let second = ranges.insert(range(64, 2)).unwrap();
        assert_eq!(ranges.find(31).unwrap().owner, 1);
        assert!(ranges.find(32).is_none() && ranges.find(0).is_none());
        // SAFETY: its place.
        unsafe { ranges.remove(first) };
        assert!(ranges.find(16).is_none());
        assert_eq!(ranges.insert(range(128, 3)).unwrap(), first);
        assert_eq!(ranges.find(143).unwrap().owner, 3);
        assert_eq!(ranges.find(64).unwrap().owner, 2);
        // SAFETY: its place.
        unsafe { ranges.remove(second) };
        assert_eq!(ranges.nodes().count(), 2);
    }

    #[test]
    fn a_node_that_is_being_written_is_skipped() {
        let ranges = CodeRanges::new();
        let node = ranges.insert(range(16, 1)).unwrap();
        // SAFETY: a node of the list.
        let sequence = &unsafe { node.0.as_ref() }.sequence;
        sequence.store(1, Ordering::Relaxed);
        assert!(ranges.find(16).is_none());
        sequence.store(2, Ordering::Relaxed);
        assert!(ranges.find(16).is_some());
    }

    #[test]
    fn readers_never_see_halves_of_two_ranges() {
        let ranges = CodeRanges::new();
        let node = ranges.insert(range(16, 16)).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for at in 1..20_000 {
                    // SAFETY: a node of the list; only this thread writes.
                    let node = unsafe { ranges.head.load(Ordering::Acquire).as_ref() }.unwrap();
                    node.write(range(at * 16, at * 16));
                }
            });
            for _ in 0..20_000 {
                // SAFETY: a node of the list.
                let node = unsafe { ranges.head.load(Ordering::Acquire).as_ref() }.unwrap();
                if let Some(range) = node.read() {
                    assert_eq!((range.code.start, range.code.len()), (range.owner, 16));
                }
            }
        });
        // SAFETY: its place.
        unsafe { ranges.remove(node) };
    }
}
