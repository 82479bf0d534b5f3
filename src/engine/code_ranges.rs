//! [`CodeRanges`]: where published code lies, for a reader that never waits and
//! takes logarithmic time.
//!
//! The list exists twice. Readers use the current one; a writer changes the
//! other, makes that current, waits until nobody reads the first any more, and
//! changes it in the same way (Ramalhete and Correia, "Left-Right").
//!
//! Invariants: writers take turns. Outside of their turns both lists are alike,
//! sorted, and without overlaps. A list that a writer changes has no reader:
//! readers that came before it ceased to be current have left. A reader never
//! waits, not even for a writer that it has interrupted.

use crate::alloc;
use crate::arch::{self, EntryFacts};
use crate::error::Result;
use core::cell::UnsafeCell;
use core::ops::Range;
use core::sync::atomic::{AtomicUsize, Ordering};
use spin::mutex::SpinMutex;
use std_alloc::vec::Vec;

/// The ranges, and how to recognise the entry into them.
pub(crate) struct CodeRanges {
    lists: [UnsafeCell<Vec<CodeRange>>; 2],
    /// The list that readers use.
    current: AtomicUsize,
    /// The counter that readers who arrive use.
    counter: AtomicUsize,
    readers: [AtomicUsize; 2],
    writer: SpinMutex<()>,
    entry_return: AtomicUsize,
    record_below_fp: AtomicUsize,
}

// SAFETY: the lists are shared by readers, and changed by one writer while nobody
// reads them, by this file's invariants.
unsafe impl Sync for CodeRanges {}

/// A range and its owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CodeRange {
    pub(crate) code: Range<usize>,
    /// `Engine::id`.
    pub(crate) owner: usize,
    /// Whether its accesses to linear memories may fault.
    pub(crate) may_fault: bool,
}

/// Reads the list while it lives.
pub(crate) struct Reader<'r> {
    ranges: &'r CodeRanges,
    counter: usize,
    list: usize,
}

impl Reader<'_> {
    /// The range that contains `address`.
    pub(crate) fn find(&self, address: usize) -> Option<CodeRange> {
        // SAFETY: this reader is counted, so nobody changes the list.
        let list = unsafe { &*self.ranges.lists[self.list].get() };
        let after = list.partition_point(|range| range.code.start <= address);
        let range = list.get(after.checked_sub(1)?)?;
        range.code.contains(&address).then(|| range.clone())
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        self.ranges.readers[self.counter].fetch_sub(1, Ordering::SeqCst);
    }
}

impl CodeRanges {
    pub(crate) const fn new() -> Self {
        Self {
            lists: [const { UnsafeCell::new(Vec::new()) }; 2],
            current: AtomicUsize::new(0),
            counter: AtomicUsize::new(0),
            readers: [const { AtomicUsize::new(0) }; 2],
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

    /// Begins to read. Never waits.
    pub(crate) fn read(&self) -> Reader<'_> {
        let counter = self.counter.load(Ordering::SeqCst) & 1;
        self.readers[counter].fetch_add(1, Ordering::SeqCst);
        // Only now: a writer that has made the other list current waits for whoever
        // is counted and may have seen this one.
        let list = self.current.load(Ordering::SeqCst) & 1;
        Reader { ranges: self, counter, list }
    }

    /// Adds a range. It overlaps none of those that are there.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`].
    pub(crate) fn insert(&self, range: CodeRange) -> Result<()> {
        let _turn = self.writer.lock();
        let (old, new) = self.lists_of_writer();
        // SAFETY: this is the writer; `new` has no reader, and `old` is only read.
        let (old, spare) = unsafe {
            let len = (*new).len();
            if len == (*new).capacity() {
                move_to(&mut *new, alloc::try_vec_with_capacity(2 * len + 4)?);
            }
            let is_full = len == (*old).capacity();
            (old, is_full.then(|| alloc::try_vec_with_capacity(2 * len + 4)).transpose()?)
        };
        let add = |list: &mut Vec<CodeRange>| {
            let at = list.partition_point(|known| known.code.start < range.code.start);
            list.insert(at, range.clone());
        };
        // SAFETY: as above; then nobody reads `old` any more.
        unsafe {
            add(&mut *new);
            self.make_current(new);
            if let Some(spare) = spare {
                move_to(&mut *old, spare);
            }
            add(&mut *old);
        }
        Ok(())
    }

    /// Takes a range out.
    pub(crate) fn remove(&self, range: &CodeRange) {
        let _turn = self.writer.lock();
        let (old, new) = self.lists_of_writer();
        let take_out = |list: &mut Vec<CodeRange>| {
            let at = list.partition_point(|known| known.code.start < range.code.start);
            if list.get(at) == Some(range) {
                list.remove(at);
            }
        };
        // SAFETY: this is the writer; `new` has no reader, and then `old` has none.
        unsafe {
            take_out(&mut *new);
            self.make_current(new);
            take_out(&mut *old);
        }
    }

    /// The current list and the other, for the writer whose turn it is.
    fn lists_of_writer(&self) -> (*mut Vec<CodeRange>, *mut Vec<CodeRange>) {
        let current = self.current.load(Ordering::SeqCst) & 1;
        (self.lists[current].get(), self.lists[1 - current].get())
    }

    /// Has readers use `list`, and waits until none uses the other.
    fn make_current(&self, list: *mut Vec<CodeRange>) {
        let index = usize::from(self.lists[1].get() == list);
        self.current.store(index, Ordering::SeqCst);
        let counter = self.counter.load(Ordering::SeqCst) & 1;
        // Whoever still has the other counter may have seen either list.
        self.wait_for(1 - counter);
        self.counter.store(1 - counter, Ordering::SeqCst);
        self.wait_for(counter);
    }

    fn wait_for(&self, counter: usize) {
        while self.readers[counter].load(Ordering::SeqCst) != 0 {
            core::hint::spin_loop();
        }
    }
}

/// Moves a list to memory that has room for it.
fn move_to(list: &mut Vec<CodeRange>, mut spare: Vec<CodeRange>) {
    spare.append(list);
    *list = spare;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(start: usize, owner: usize) -> CodeRange {
        CodeRange { code: start..start + 16, owner, may_fault: true }
    }

    fn owner_of(ranges: &CodeRanges, address: usize) -> Option<usize> {
        ranges.read().find(address).map(|range| range.owner)
    }

    #[test]
    fn ranges_come_and_go_in_any_order() {
        let ranges = CodeRanges::new();
        for at in [5, 1, 9, 3, 7, 2, 8] {
            ranges.insert(range(at * 16, at)).unwrap();
        }
        for (address, owner) in
            [(0, None), (31, Some(1)), (16, Some(1)), (64, None), (159, Some(9))]
        {
            assert_eq!(owner_of(&ranges, address), owner, "{address}");
        }
        assert_eq!(owner_of(&ranges, 160), None);
        // One of the same place, but of another owner.
        ranges.remove(&range(48, 9));
        assert_eq!(owner_of(&ranges, 48), Some(3));
        for at in [9, 3, 5] {
            ranges.remove(&range(at * 16, at));
            assert_eq!(owner_of(&ranges, at * 16), None);
        }
        ranges.insert(range(48, 4)).unwrap();
        assert_eq!(owner_of(&ranges, 63), Some(4));
        assert_eq!(owner_of(&ranges, 16), Some(1));
    }

    #[test]
    fn ten_thousand_ranges() {
        let ranges = CodeRanges::new();
        let count = if cfg!(miri) { 100 } else { 10_000 };
        let started = std::time::Instant::now();
        // In an order that puts each somewhere else.
        for at in 0..count {
            ranges.insert(range((at * 7919 % count + 1) * 16, at)).unwrap();
        }
        let inserted = started.elapsed() / count as u32;
        let started = std::time::Instant::now();
        for at in 0..count {
            assert_eq!(owner_of(&ranges, (at * 7919 % count + 1) * 16 + 5), Some(at));
        }
        let found = started.elapsed() / count as u32;
        std::println!("{count} ranges: {inserted:?} to add one, {found:?} to find one");
    }

    #[test]
    fn a_reader_keeps_its_list_and_stops_no_other() {
        let ranges = CodeRanges::new();
        ranges.insert(range(16, 1)).unwrap();
        std::thread::scope(|scope| {
            let reader = ranges.read();
            let writer = scope.spawn(|| ranges.insert(range(64, 2)).unwrap());
            // The writer waits for the first reader, and new ones do not.
            while owner_of(&ranges, 64).is_none() {
                std::thread::yield_now();
            }
            assert!(!writer.is_finished());
            assert_eq!(reader.find(16).map(|range| range.owner), Some(1));
            assert_eq!(reader.find(64), None);
            drop(reader);
        });
        assert_eq!(owner_of(&ranges, 64), Some(2));
    }

    #[test]
    fn readers_find_what_is_always_there() {
        let ranges = CodeRanges::new();
        for at in (0..64).step_by(2) {
            ranges.insert(range(at * 16, at)).unwrap();
        }
        let done = core::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for round in 0..500 {
                    let at = (round * 7 % 32) * 2 + 1;
                    ranges.insert(range(at * 16, at)).unwrap();
                    ranges.remove(&range(at * 16, at));
                }
                done.store(true, Ordering::Relaxed);
            });
            while !done.load(Ordering::Relaxed) {
                for at in (0..64).step_by(2) {
                    assert_eq!(owner_of(&ranges, at * 16 + 3), Some(at));
                }
            }
        });
    }
}
