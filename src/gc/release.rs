//! The release queue: slots that are dead and whose destructors have not run.
//! Linked through the slots' counts, first in first out.

use super::arena::Arena;
use super::externref::ExternRef;
use super::heap::RefHeap;
use crate::abi::{NULL_SLOT, SlotFlags};

/// The queue of a heap.
#[derive(Default)]
pub(super) struct ReleaseQueue {
    head: u32,
    tail: u32,
    len: u32,
}

impl ReleaseQueue {
    pub(super) fn len(&self) -> u32 {
        self.len
    }

    pub(super) fn head(&self) -> u32 {
        self.head
    }

    /// Queues a live slot without counts.
    #[inline]
    pub(super) fn push(&mut self, arena: &mut Arena, slot: u32) {
        let Some(header) = arena.header_mut(slot) else { return };
        header.flags = (SlotFlags::EXTERN | SlotFlags::QUEUED).bits();
        header.count = NULL_SLOT;
        if self.len == 0 {
            self.head = slot;
        } else if let Some(tail) = arena.header_mut(self.tail) {
            tail.count = slot;
        }
        self.tail = slot;
        self.len += 1;
    }

    /// Frees the first slot and returns what it owned.
    #[inline]
    fn pop(&mut self, arena: &mut Arena) -> Option<ExternRef> {
        if self.len == 0 {
            return None;
        }
        let (reference, next) = arena.take(self.head)?;
        self.head = next;
        self.len -= 1;
        Some(reference)
    }
}

impl RefHeap {
    /// Whether destructors wait.
    #[inline]
    pub fn has_released(&self) -> bool {
        self.queue.len != 0
    }

    /// Runs up to `budget` waiting destructors; returns how many. The slot is
    /// free before its destructor runs (G6). A destructor cannot reach this
    /// heap, but may drop and create any other `ExternRef`. On a host it may
    /// panic: the rest stays queued.
    pub fn drain(&mut self, budget: usize) -> usize {
        let mut drained = 0;
        while drained < budget {
            let Some(reference) = self.queue.pop(&mut self.arena) else { break };
            self.totals.released += 1;
            drained += 1;
            drop(reference);
        }
        self.totals.most_drained = self.totals.most_drained.max(drained as u64);
        drained
    }
}
