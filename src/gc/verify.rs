//! Zeal: checks every invariant that can be checked after a collection. If one
//! is broken, that is a bug in Kernref, and the program stops close to its cause.

use super::arena::POISON;
use super::heap::RefHeap;
use crate::abi::{NULL_SLOT, SlotFlags};

impl RefHeap {
    /// Whether a slot is live and counted.
    pub(crate) fn is_counted(&mut self, slot: u32) -> bool {
        self.arena.live_mut(slot).is_some_and(|header| header.count > 0)
    }

    /// Whether invariants are to be checked after collections.
    pub(crate) fn is_zealous(&self) -> bool {
        self.config.zeal.is_some()
    }

    /// Checks slots, table, free list and queue against each other.
    ///
    /// # Panics
    /// If an invariant is broken. Only called under zeal.
    pub(super) fn verify(&mut self) {
        let is_exact = self.counts_are_exact();
        let len = self.arena.initialised_len();
        let (mut in_table, mut queued, mut owning) = (0, 0, 0);
        for slot in 1..len {
            let Some(header) = self.arena.header_mut(slot) else { continue };
            let flags = SlotFlags::from_bits_retain(header.flags);
            if !flags.contains(SlotFlags::EXTERN) {
                assert!(flags.is_empty(), "G2: a free slot has flags");
                assert!(header.payload == POISON, "G2: a free slot was written to");
                continue;
            }
            owning += 1;
            in_table += u32::from(flags.contains(SlotFlags::IN_TABLE));
            queued += u32::from(flags.contains(SlotFlags::QUEUED));
            assert!(!flags.contains(SlotFlags::MARK), "G7: a mark is left");
            assert!(
                !is_exact
                    || header.count > 0
                    || flags.intersects(SlotFlags::IN_TABLE | SlotFlags::QUEUED),
                "G1: a slot is lost: not counted, not in the table, not queued"
            );
        }
        assert!(owning == self.arena.used(), "G2: owners are miscounted");
        assert!(queued == self.queue.len(), "G6: the release queue is miscounted");
        assert!(in_table == self.table.len(), "G3: flags and table disagree");
        for slot in self.table.entries_mut() {
            let header = self.arena.live_mut(*slot);
            assert!(
                header.is_some_and(|header| header.flags & SlotFlags::IN_TABLE.bits() != 0),
                "G3: an entry names a slot that is not in the table"
            );
        }
        let (mut free, mut length) = (self.arena.free_head(), 0);
        while free != NULL_SLOT && length <= len {
            free = self.arena.header_mut(free).map_or(NULL_SLOT, |header| header.count);
            length += 1;
        }
        assert!(length + owning + 1 == len, "G2: the free list is broken");
        assert!(self.queue.len() == 0 || self.queue.head() != NULL_SLOT, "G6: the queue is broken");
    }
}
