//! What becomes of a heap when a compiled barrier was cut: when generated code was
//! ended from outside, between two instructions of it.
//!
//! Then one count may be higher than the number of its places, or a slot may have
//! no count, no entry and no place in the queue, because what was to give it one
//! was not called; nothing is too low (G8). Only a recount shows which slot. Until
//! then counts are upper bounds: whatever is released with them is dead, and what
//! is not, is later.
//!
//! A recount finds each slot as often as it is in a counted place, and notes that
//! beside its flags. Counts change only at the end, slot by slot, to what was found;
//! so it can be given up at any time. It is, if references were counted or uncounted
//! since it began. Who drives it knows the places (`vm/recount.rs`).

use super::counts::Counts;
use super::heap::RefHeap;
use crate::abi::{DeferralPolicy, SlotFlags};

/// One find.
const FOUND_ONE: u32 = 1 << SlotFlags::FOUND.bits().trailing_zeros();

impl RefHeap {
    /// Generated code was ended between two instructions. `may_count`: it has
    /// places to count.
    pub fn cut_short(&mut self, may_count: bool) {
        // The barrier that marks what a frame above may have read has not.
        self.abandon_sweep();
        if may_count {
            self.counts = Counts::UPPER_BOUNDS;
        }
        if self.config.policy == DeferralPolicy::CloneOnRead {
            self.complete_entry();
        }
    }

    /// Makes an entry that was written and flagged part of the table.
    fn complete_entry(&mut self) {
        let Some(slot) = self.table.next_entry() else { return };
        let is_flagged = self
            .arena
            .live_mut(slot)
            .is_some_and(|header| header.flags & SlotFlags::IN_TABLE.bits() != 0);
        // What lies there may also be stale, and in the table elsewhere.
        if is_flagged && !self.table.entries_mut().contains(&slot) {
            self.table.push(slot);
        }
    }

    /// Whether counts are the numbers of places.
    #[inline]
    pub fn counts_are_exact(&self) -> bool {
        self.counts.are_exact
    }

    /// Whether what a recount has found so far is valid.
    pub(crate) fn is_recounting(&self) -> bool {
        !self.counts.are_exact && self.counts.are_unchanged
    }

    /// Begins a recount: nothing changes the counts from here on, or it is given up.
    pub(crate) fn begin_recount(&mut self) {
        self.counts.are_unchanged = true;
    }

    /// A count changes.
    #[inline]
    pub(super) fn note_change(&mut self) {
        self.counts.are_unchanged = false;
    }

    /// Slots that were ever used, the null slot included.
    pub(crate) fn slots_to_recount(&self) -> u32 {
        self.arena.initialised_len()
    }

    /// First, for each slot: it has not been found anywhere.
    pub(crate) fn forget_found(&mut self, slot: u32) {
        if let Some(header) = self.arena.live_mut(slot) {
            header.flags &= !SlotFlags::FOUND.bits();
        }
    }

    /// Then, for each counted place: it holds this slot.
    #[inline]
    pub(crate) fn found(&mut self, slot: u32) {
        if let Some(header) = self.arena.live_mut(slot) {
            // At the most it stays.
            header.flags = header
                .flags
                .checked_add(FOUND_ONE)
                .unwrap_or(header.flags | SlotFlags::FOUND.bits());
        }
    }

    /// Then, for each slot: its count is as often as it was found. If nothing else
    /// remembers it, it enters the table, where a collection or the outermost
    /// return finds it; a frame may hold it.
    pub(crate) fn apply_found(&mut self, slot: u32) {
        let Some(header) = self.arena.live_mut(slot) else { return };
        let found = header.flags & SlotFlags::FOUND.bits();
        header.flags &= !SlotFlags::FOUND.bits();
        if found != SlotFlags::FOUND.bits() {
            header.count = found / FOUND_ONE;
        }
        if header.count == 0 {
            self.table.enter(&mut self.arena, slot);
        }
    }

    /// At last.
    pub(crate) fn end_recount(&mut self) {
        self.counts = Counts::EXACT;
    }
}
