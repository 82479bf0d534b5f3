//! Collecting: mark the precise set, sweep the activations table.
//!
//! The mark is O(frames); the sweep is O(table) and can be done in steps. An
//! entry that has not been swept yet stays in the table, so Wasm may run
//! between steps: a slot whose count goes to zero meanwhile is marked (G7), and
//! under `CloneOnRead` a counted slot keeps its entry until no step is under
//! way, because a frame may have read it without a new entry.

use super::heap::RefHeap;
use crate::abi::{DeferralPolicy, NULL_SLOT, SlotFlags, StackMapLookup};
use crate::error::Result;
use crate::stack::{self, WalkError};

/// Where a sweep stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sweep {
    /// None is under way.
    Idle,
    /// Entries below `unswept` have not been looked at.
    Active { unswept: u32 },
}

impl Sweep {
    pub(super) fn is_active(self) -> bool {
        self != Sweep::Idle
    }
}

/// What a step did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StepProgress {
    /// Table entries looked at.
    pub examined: u32,
    /// The collection that this step belongs to is complete.
    pub finished: bool,
    /// Destructors that wait now.
    pub queued: u32,
}

impl RefHeap {
    /// Collects. Afterwards the table holds exactly the slots that frames hold
    /// (under `ZeroCount`, without those that are counted), and dead slots are
    /// queued for release.
    ///
    /// # Errors
    /// A trap if the walk fails; nothing is released then, and the table is
    /// unchanged.
    pub fn collect<L: StackMapLookup + ?Sized>(&mut self, maps: &L) -> Result<()> {
        // What is left of a stepwise collection is decided anew.
        self.abandon_sweep();
        let frames = self.mark(maps)?;
        let len = self.table.len();
        self.sweep_entries(len, len);
        self.totals.note_piece(frames.saturating_add(len.into()));
        self.finish_collection();
        Ok(())
    }

    /// Does a bounded part of a collection: starts one with a walk (O(frames))
    /// if none is under way, and looks at up to `budget` table entries. Wasm
    /// may run between steps.
    ///
    /// # Errors
    /// As [`RefHeap::collect`].
    pub fn step<L: StackMapLookup + ?Sized>(
        &mut self,
        budget: u32,
        maps: &L,
    ) -> Result<StepProgress> {
        let (unswept, frames) = match self.sweep {
            Sweep::Active { unswept } => (unswept.min(self.table.len()), 0),
            Sweep::Idle => {
                let frames = self.mark(maps)?;
                (self.table.len(), frames)
            }
        };
        let examined = budget.min(unswept);
        self.sweep = Sweep::Active { unswept };
        self.sweep_entries(unswept, examined);
        self.totals.note_piece(frames.saturating_add(examined.into()));
        let unswept = unswept - examined;
        self.sweep = Sweep::Active { unswept };
        if unswept == 0 {
            self.finish_collection();
        }
        Ok(StepProgress { examined, finished: unswept == 0, queued: self.queue.len() })
    }

    /// The outermost activation has ended: no frame holds anything, so the
    /// table is emptied without a walk.
    #[inline]
    pub fn outermost_returned(&mut self) {
        if self.table.len() != 0 {
            self.empty_table();
        }
    }

    fn empty_table(&mut self) {
        self.sweep = Sweep::Idle;
        self.debt = 0;
        self.totals.note_piece(self.table.len().into());
        for slot in self.table.entries_mut() {
            let Some(header) = self.arena.live_mut(*slot) else { continue };
            header.flags &= !(SlotFlags::IN_TABLE | SlotFlags::MARK).bits();
            if header.count == 0 {
                self.queue.push(&mut self.arena, *slot);
            }
        }
        self.table.truncate(0);
        self.table.set_threshold(self.base_threshold());
    }

    /// Walks and marks. Only entries of the table are marked, so a failed walk
    /// can be undone by going through the table. Returns how many frames there are.
    fn mark<L: StackMapLookup + ?Sized>(&mut self, maps: &L) -> Result<u64> {
        let arena = &mut self.arena;
        let mut mark = |slot: u32| {
            if slot == NULL_SLOT {
                return Ok(());
            }
            let header = arena.live_mut(slot).ok_or(WalkError::BadReference)?;
            if header.flags & SlotFlags::IN_TABLE.bits() != 0 {
                header.flags |= SlotFlags::MARK.bits();
            }
            Ok(())
        };
        // SAFETY: `vm` collects from host functions and builtins only, or when
        // no Wasm runs, so the frames stand still (S1); it links host frames
        // for as long as they live.
        match unsafe { stack::walk(self.vm.as_ptr(), maps, &mut mark) } {
            Ok(stats) => {
                self.totals.frames_walked += stats.frames;
                self.totals.activations_walked += stats.activations;
                Ok(stats.frames)
            }
            Err(error) => {
                self.clear_marks();
                Err(walk_failed(error))
            }
        }
    }

    /// Looks at `count` entries below `end`, from the top down. An entry that is
    /// moved into a hole has been looked at already, or was added after the walk.
    fn sweep_entries(&mut self, end: u32, count: u32) {
        let (policy, incremental) = (self.config.policy, self.sweep.is_active());
        let stays = |marked: bool, counted: bool| match policy {
            // When its count falls to zero, it enters the table again.
            DeferralPolicy::ZeroCount => marked && !counted,
            DeferralPolicy::CloneOnRead => marked || counted && incremental,
        };
        let entries = self.table.entries_mut();
        let mut len = entries.len();
        for index in (end.saturating_sub(count) as usize..end as usize).rev() {
            let Some(&slot) = entries.get(index) else { continue };
            let mut dead = false;
            if let Some(header) = self.arena.live_mut(slot) {
                let marked = header.flags & SlotFlags::MARK.bits() != 0;
                let counted = header.count != 0;
                header.flags &= !SlotFlags::MARK.bits();
                if stays(marked, counted) {
                    continue;
                }
                header.flags &= !SlotFlags::IN_TABLE.bits();
                dead = !counted;
            }
            len -= 1;
            if let Some(&moved) = entries.get(len) {
                entries[index] = moved;
            }
            if dead {
                self.queue.push(&mut self.arena, slot);
            }
        }
        self.table.truncate(len as u32);
    }

    fn finish_collection(&mut self) {
        self.sweep = Sweep::Idle;
        self.debt = 0;
        self.totals.collections += 1;
        // Twice the survivors, so that collecting does not become quadratic.
        let adapted = self.table.len().saturating_mul(2).saturating_add(1);
        self.table.set_threshold(self.base_threshold().max(adapted));
        if self.config.zeal.is_some() {
            self.clear_marks();
            // Its assertions are the only panics here, and intended.
            #[cfg(not(kernref_panic_check))]
            self.verify();
        }
    }

    fn abandon_sweep(&mut self) {
        if self.sweep.is_active() {
            self.sweep = Sweep::Idle;
            self.clear_marks();
        }
    }

    fn clear_marks(&mut self) {
        for slot in self.table.entries_mut() {
            if let Some(header) = self.arena.live_mut(*slot) {
                header.flags &= !SlotFlags::MARK.bits();
            }
        }
    }
}

fn walk_failed(_error: WalkError) -> crate::error::Error {
    #[cfg(feature = "log")]
    log::error!("kernref: stack walk failed: {_error:?}; nothing was released");
    crate::abi::Trap::StackWalkFailed.into()
}
