//! [`RefHeap`]: a store's slots, activations table and release queue, and what
//! the runtime asks of them.

use super::arena::Arena;
use super::collect::Sweep;
use super::externref::ExternRef;
use super::release::ReleaseQueue;
use super::stats::{GcStats, Totals};
use super::table::ActivationsTable;
use crate::abi::{DeferralPolicy, Slot, SlotFlags, StackMapLookup, Trap, VmStoreContext};
use crate::error::{Error, LimitError, Misuse, Result};
use core::num::NonZeroU32;
use core::ptr::NonNull;

/// How a heap behaves.
#[derive(Clone, Copy, Debug, Default)]
pub struct HeapConfig {
    /// The deferral policy; must be what the modules were compiled for.
    pub policy: DeferralPolicy,
    /// Table entries at which a collection is wanted; default: half the slots.
    pub threshold: Option<u32>,
    /// Most live references; default: the number of slots.
    pub quota: Option<u32>,
    /// Zeal: collect at every n-th safepoint, poison freed slots, check all
    /// invariants at each collection.
    pub zeal: Option<NonZeroU32>,
}

/// A store's references.
pub struct RefHeap {
    pub(super) vm: NonNull<VmStoreContext>,
    pub(super) arena: Arena,
    pub(super) table: ActivationsTable,
    pub(super) queue: ReleaseQueue,
    pub(super) sweep: Sweep,
    pub(super) totals: Totals,
    pub(super) config: HeapConfig,
    quota: u32,
    safepoints: u32,
    /// How many requests are refused before a collection is tried again, because
    /// the last one cost too much for the room that it made.
    pub(super) debt: u64,
}

/// The most work of collecting, in frames and table entries, that a reference may
/// cost when there is no room for it. A collection that makes less room than that
/// is paid for by requests that are refused.
const WORK_PER_REFERENCE: u64 = 256;

// SAFETY: the region and context are the heap's (G5), and the objects it owns
// are `Send + Sync`.
unsafe impl Send for RefHeap {}

impl RefHeap {
    /// Bytes of region for `slots` usable slots: 20 each, and the null slot.
    /// `None` if that overflows.
    pub const fn region_bytes(slots: u32) -> Option<usize> {
        let Some(all) = (slots as usize).checked_add(1) else { return None };
        match (all.checked_mul(size_of::<Slot>()), all.checked_mul(size_of::<u32>())) {
            (Some(arena), Some(table)) => arena.checked_add(table),
            _ => None,
        }
    }

    /// A heap in `region`, with as many slots as fit. Fills in the slot and
    /// table pointers of `vm`.
    ///
    /// # Errors
    /// [`Misuse::InvalidConfig`] if the region is misaligned (16) or has no
    /// room for a single slot.
    ///
    /// # Safety
    /// Until the heap is dropped, the region belongs to it alone and `vm` is
    /// valid; apart from it, only barriers compiled for the same policy touch
    /// them.
    pub unsafe fn new(
        region: NonNull<[u8]>,
        vm: NonNull<VmStoreContext>,
        config: HeapConfig,
    ) -> Result<Self> {
        let per_slot = size_of::<Slot>() + size_of::<u32>();
        let slots = u32::try_from(region.len() / per_slot).unwrap_or(u32::MAX >> 1);
        let slots = slots.min(u32::MAX >> 1);
        let base = region.cast::<u8>();
        if slots < 2 || !base.addr().get().is_multiple_of(align_of::<Slot>()) {
            return Err(Misuse::InvalidConfig("reference region too small or misaligned").into());
        }
        // SAFETY: the region holds `slots` slots and, behind them, as many
        // table entries; it is the heap's (G5).
        let (arena, table) = unsafe {
            let entries = base.add(slots as usize * size_of::<Slot>()).cast::<u32>();
            (Arena::new(base.cast(), slots), ActivationsTable::new(entries, slots, vm))
        };
        let quota = config.quota.unwrap_or(u32::MAX).min(slots - 1);
        let mut heap = Self {
            vm,
            arena,
            table,
            queue: ReleaseQueue::default(),
            sweep: Sweep::Idle,
            totals: Totals::default(),
            config,
            quota,
            safepoints: 0,
            debt: 0,
        };
        heap.table.set_threshold(heap.base_threshold());
        Ok(heap)
    }

    /// The threshold before any adaptation.
    pub(super) fn base_threshold(&self) -> u32 {
        let usable = self.arena.capacity();
        // Not `clamp`, which can panic.
        self.config.threshold.unwrap_or(usable / 2).min(usable).max(1)
    }

    /// Makes sure that `additional` references can be interned without a
    /// collection in between (see `docs/gc.md`). Collects and runs destructors
    /// if necessary.
    ///
    /// # Errors
    /// [`Trap::ReferenceArenaFull`]; [`Error::Limit`] for the quota; the trap of
    /// a failed walk.
    #[inline]
    pub fn reserve<L: StackMapLookup + ?Sized>(&mut self, additional: u32, maps: &L) -> Result<()> {
        if additional <= self.room()
            && self.table.stays_below_threshold(additional)
            && self.config.zeal.is_none()
        {
            return Ok(());
        }
        self.reserve_slow(additional, maps)
    }

    #[cold]
    fn reserve_slow<L: StackMapLookup + ?Sized>(
        &mut self,
        additional: u32,
        maps: &L,
    ) -> Result<()> {
        let lacks_room = additional > self.room();
        let may_collect = !lacks_room || self.debt == 0 || self.config.zeal.is_some();
        if may_collect
            && (lacks_room || !self.table.stays_below_threshold(additional) || self.zeal_is_due())
        {
            self.collect_for_room(lacks_room, maps)?;
        }
        let room = self.room();
        if additional > room {
            // Freed slots may still wait for their destructors.
            self.drain((additional - room) as usize);
        }
        if additional <= self.room() {
            return Ok(());
        }
        self.debt = self.debt.saturating_sub(1);
        if self.arena.used().saturating_add(additional) > self.quota
            && self.quota < self.arena.capacity()
        {
            return Err(Error::Limit(LimitError {
                what: "live references per store",
                requested: u64::from(self.arena.used()) + u64::from(additional),
                limit: u64::from(self.quota),
            }));
        }
        Err(Trap::ReferenceArenaFull.into())
    }

    /// Collects, and notes what that cost for the room that it made.
    fn collect_for_room<L: StackMapLookup + ?Sized>(
        &mut self,
        lacks_room: bool,
        maps: &L,
    ) -> Result<()> {
        let (frames, entries) = (self.totals.frames_walked, self.table.len());
        self.collect(maps)?;
        if lacks_room {
            let frames = self.totals.frames_walked.saturating_sub(frames);
            let work = frames.saturating_add(entries.into());
            let made = u64::from(self.room()) + u64::from(self.queue.len());
            self.debt = (work / WORK_PER_REFERENCE).saturating_sub(made);
        }
        Ok(())
    }

    /// References that can be interned right now.
    fn room(&self) -> u32 {
        self.quota.saturating_sub(self.arena.used())
    }

    /// Moves a reference in: gives it a slot with a table entry and no counts.
    /// Never collects.
    ///
    /// # Errors
    /// [`Trap::ReferenceArenaFull`] if no slot was reserved; the reference is
    /// dropped.
    #[inline]
    pub fn intern_reserved(&mut self, reference: ExternRef) -> Result<u32> {
        let slot = self.give_slot(reference, SlotFlags::IN_TABLE, 0)?;
        self.table.push(slot);
        Ok(slot)
    }

    /// Moves a reference into a counted place: gives it a slot that is counted
    /// once and not in the table. Never collects.
    ///
    /// # Errors
    /// As [`Self::intern_reserved`].
    pub fn intern_counted(&mut self, reference: ExternRef) -> Result<u32> {
        self.give_slot(reference, SlotFlags::empty(), 1)
    }

    #[inline]
    fn give_slot(&mut self, reference: ExternRef, flags: SlotFlags, count: u32) -> Result<u32> {
        if self.room() == 0 {
            return Err(Trap::ReferenceArenaFull.into());
        }
        self.arena.allocate(reference, flags, count).ok_or(Trap::ReferenceArenaFull.into())
    }

    /// The reference behind a slot number. `None` for null, and for numbers
    /// that name no live slot.
    #[inline]
    pub fn borrow(&self, slot: u32) -> Option<&ExternRef> {
        self.arena.borrow(slot)
    }

    /// Whether the table has reached its threshold.
    #[inline]
    pub fn wants_collection(&self) -> bool {
        self.table.len() >= self.table.threshold()
    }

    /// Counts a safepoint under zeal; true if it is time to collect.
    pub fn zeal_is_due(&mut self) -> bool {
        let Some(period) = self.config.zeal else { return false };
        self.safepoints = self.safepoints.wrapping_add(1);
        self.safepoints % period == 0
    }

    /// How many places count a live slot.
    #[cfg(test)]
    pub(crate) fn count_of(&mut self, slot: u32) -> u32 {
        self.arena.header_mut(slot).map_or(0, |header| header.count)
    }

    /// What the heap holds and has done.
    pub fn stats(&self) -> GcStats {
        GcStats {
            table_len: self.table.len(),
            table_threshold: self.table.threshold(),
            slots_used: self.arena.used(),
            slots_capacity: self.arena.capacity(),
            queued: self.queue.len(),
            collections: self.totals.collections,
            frames_walked: self.totals.frames_walked,
            activations_walked: self.totals.activations_walked,
            released: self.totals.released,
            longest_piece: self.totals.longest_piece,
            most_drained: self.totals.most_drained,
        }
    }
}

impl Drop for RefHeap {
    fn drop(&mut self) {
        // Whatever is live, counted or queued.
        Rest { arena: &mut self.arena, next: 1 }.release();
    }
}

/// Slots that must still be looked at, even if a destructor panics.
struct Rest<'a> {
    arena: &'a mut Arena,
    next: u32,
}

impl Rest<'_> {
    fn release(&mut self) {
        while self.next < self.arena.initialised_len() {
            let slot = self.next;
            self.next += 1;
            // Each slot's reference once (G2).
            drop(self.arena.take(slot));
        }
    }
}

impl Drop for Rest<'_> {
    fn drop(&mut self) {
        self.release();
    }
}

impl core::fmt::Debug for RefHeap {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.stats().fmt(f)
    }
}
