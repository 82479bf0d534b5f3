//! The barriers, where Rust reads and writes counted places: the counterpart
//! of `compile/barrier.rs`, which emits them as code. Both work on the counts
//! and flags of [`crate::abi::Slot`] and must agree on them. Except
//! for null: compiled barriers count it as they count any slot, these do not.
//! The count of slot 0 means nothing.
//!
//! Invariant: a reference is counted where it goes before it is uncounted where
//! it was, so that no count is ever lower than the number of its places (G8).

use super::heap::RefHeap;
use crate::abi::{DeferralPolicy, NULL_SLOT, SlotFlags};

impl RefHeap {
    /// Writes `new` to a counted place: counts it, then uncounts what was
    /// there. The new one first, in case both are the same.
    #[inline]
    pub fn replace(&mut self, place: &mut u32, new: u32) {
        self.increment(new);
        let old = core::mem::replace(place, new);
        self.decrement(old);
    }

    /// Counts a slot that was stored in a counted place. Null is ignored.
    #[inline]
    pub fn increment(&mut self, slot: u32) {
        self.note_change();
        if slot != NULL_SLOT
            && let Some(slot) = self.arena.live_mut(slot)
        {
            slot.count = slot.count.saturating_add(1);
        }
    }

    /// Uncounts a slot that left a counted place. Runs no destructor.
    #[inline]
    pub fn decrement(&mut self, slot: u32) {
        if slot == NULL_SLOT {
            return;
        }
        self.note_change();
        let Some(header) = self.arena.live_mut(slot) else { return };
        debug_assert!(header.count > 0, "a place that was not counted is uncounted");
        header.count = header.count.saturating_sub(1);
        if header.count == 0 {
            self.decremented_to_zero(slot);
        }
    }

    /// The rest of a write barrier that has taken a count to zero.
    pub fn decremented_to_zero(&mut self, slot: u32) {
        let sweeping = self.sweep.is_active();
        let Some(header) = self.arena.live_mut(slot) else { return };
        if header.count != 0 {
            return;
        }
        if header.flags & SlotFlags::IN_TABLE.bits() != 0 {
            if sweeping {
                // A frame may have read it since the walk (G7).
                header.flags |= SlotFlags::MARK.bits();
            }
            return;
        }
        match self.config.policy {
            DeferralPolicy::CloneOnRead => self.queue.push(&mut self.arena, slot),
            DeferralPolicy::ZeroCount => self.table.enter(&mut self.arena, slot),
        }
    }

    /// The read barrier, where the runtime reads a counted place for Wasm.
    #[inline]
    pub fn note_read(&mut self, slot: u32) {
        if self.config.policy == DeferralPolicy::CloneOnRead && slot != NULL_SLOT {
            self.table.enter(&mut self.arena, slot);
        }
    }
}
