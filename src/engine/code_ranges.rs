//! [`CodeRanges`]: where code lies that may fault on an access to a linear
//! memory, for a reader that never waits and takes logarithmic time.
//!
//! The list exists twice. Readers use the current one; a writer changes the
//! other, makes that current, waits until nobody reads the first any more, and
//! changes it in the same way (Ramalhete and Correia, "Left-Right").
//! `proofs/code_ranges` runs this file under loom.
//!
//! Invariants: writers take turns. Outside of their turns both lists are alike,
//! sorted, and without overlaps. A list that a writer changes has no reader:
//! readers that came before it ceased to be current have left. A reader never
//! waits, not even for a writer that it has interrupted. Memory is neither taken
//! nor given back during a turn, which takes no longer than moving each list once
//! and what readers take who have begun.

use super::sync::{AtomicUsize, ListCell, Ordering, TurnLock, has_left, new_fn, pause};
use crate::alloc;
use crate::arch::{self, EntryFacts};
use crate::error::Result;
use core::ops::Range;
use std_alloc::vec::Vec;

/// The ranges, and how to recognise the entry into them.
pub(crate) struct CodeRanges {
    lists: [ListCell<Vec<CodeRange>>; 2],
    /// The list that readers use.
    current: AtomicUsize,
    /// The counter that readers who arrive use.
    counter: AtomicUsize,
    readers: [AtomicUsize; 2],
    writer: TurnLock,
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
        self.ranges.lists[self.list].with(|list| {
            // SAFETY: this reader is counted, so nobody changes the list.
            let list = unsafe { &*list };
            let after = list.partition_point(|range| range.code.start <= address);
            let range = list.get(after.checked_sub(1)?)?;
            range.code.contains(&address).then(|| range.clone())
        })
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        self.ranges.readers[self.counter].fetch_sub(1, Ordering::SeqCst);
    }
}

impl CodeRanges {
    new_fn! {
        Self {
            lists: [ListCell::new(Vec::new()), ListCell::new(Vec::new())],
            current: AtomicUsize::new(0),
            counter: AtomicUsize::new(0),
            readers: [AtomicUsize::new(0), AtomicUsize::new(0)],
            writer: TurnLock::new(()),
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
        // Memory for the lists, if they are full; afterwards what they had before.
        let mut spare = [Vec::new(), Vec::new()];
        loop {
            let turn = self.writer.lock();
            let (old, new) = self.lists_of_writer();
            let wanted = [old, new].map(|list| self.room_lacking(list));
            let lacks = |at: usize| wanted[at] > 0 && spare[at].capacity() < wanted[at];
            if !lacks(0) && !lacks(1) {
                let [for_old, for_new] = &mut spare;
                self.add(new, &range, for_new);
                self.make_current(new);
                self.add(old, &range, for_old);
                return Ok(());
            }
            drop(turn);
            for (list, wanted) in spare.iter_mut().zip(wanted) {
                if list.capacity() < wanted {
                    *list = alloc::try_vec_with_capacity(wanted)?;
                }
            }
        }
    }

    /// For how many ranges a list of the writer should have room; 0: it has enough.
    fn room_lacking(&self, list: usize) -> usize {
        self.lists[list].with(|list| {
            // SAFETY: this is the writer, and only it changes lists.
            let list = unsafe { &*list };
            if list.len() == list.capacity() { 2 * list.len() + 4 } else { 0 }
        })
    }

    /// Adds a range to a list that has no reader, moving it to `spare` if it is full.
    fn add(&self, list: usize, range: &CodeRange, spare: &mut Vec<CodeRange>) {
        self.lists[list].with_mut(|list| {
            // SAFETY: this is the writer, and the list has no reader.
            let list = unsafe { &mut *list };
            if list.len() == list.capacity() {
                spare.append(list);
                core::mem::swap(list, spare);
            }
            let at = list.partition_point(|known| known.code.start < range.code.start);
            list.insert(at, range.clone());
        });
    }

    /// Takes a range out.
    pub(crate) fn remove(&self, range: &CodeRange) {
        let _turn = self.writer.lock();
        let (old, new) = self.lists_of_writer();
        self.take_out(new, range);
        self.make_current(new);
        self.take_out(old, range);
    }

    /// Takes a range out of a list that has no reader.
    fn take_out(&self, list: usize, range: &CodeRange) {
        self.lists[list].with_mut(|list| {
            // SAFETY: this is the writer, and the list has no reader.
            let list = unsafe { &mut *list };
            let at = list.partition_point(|known| known.code.start < range.code.start);
            if list.get(at) == Some(range) {
                list.remove(at);
            }
        });
    }

    /// The current list and the other, for the writer whose turn it is.
    fn lists_of_writer(&self) -> (usize, usize) {
        let current = self.current.load(Ordering::SeqCst) & 1;
        (current, 1 - current)
    }

    /// Has readers use `list`, and waits until none uses the other.
    fn make_current(&self, list: usize) {
        self.current.store(list, Ordering::SeqCst);
        let counter = self.counter.load(Ordering::SeqCst) & 1;
        // Whoever still has the other counter may have seen either list.
        self.wait_for(1 - counter);
        self.counter.store(1 - counter, Ordering::SeqCst);
        self.wait_for(counter);
    }

    fn wait_for(&self, counter: usize) {
        while !has_left(&self.readers[counter]) {
            pause();
        }
    }
}
