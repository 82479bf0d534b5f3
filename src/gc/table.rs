//! The activations table: a bump table of slot numbers. Its end and threshold
//! live in the store context, where compiled barriers bump and compare them.

use super::arena::Arena;
use crate::abi::{SlotFlags, VmStoreContext};
use core::ptr::NonNull;

/// The table of a heap.
pub(super) struct ActivationsTable {
    entries: NonNull<u32>,
    capacity: u32,
    vm: NonNull<VmStoreContext>,
}

impl ActivationsTable {
    /// # Safety
    /// `entries` points to room for `capacity` entries, one per slot (G3); the
    /// slots lie right before them; `vm` is valid while the table lives (G5).
    pub(super) unsafe fn new(
        entries: NonNull<u32>,
        capacity: u32,
        vm: NonNull<VmStoreContext>,
    ) -> Self {
        // SAFETY: by this function's contract.
        unsafe {
            let slots = entries.cast::<crate::abi::Slot>().sub(capacity as usize);
            (*vm.as_ptr()).slots = slots.as_ptr();
            (*vm.as_ptr()).table_next = entries.as_ptr();
            (*vm.as_ptr()).table_threshold = entries.add(capacity as usize).as_ptr();
        }
        Self { entries, capacity, vm }
    }

    /// Number of entries.
    #[inline]
    pub(super) fn len(&self) -> u32 {
        // SAFETY: the context is valid (G5).
        let next = unsafe { (*self.vm.as_ptr()).table_next };
        (next.addr().wrapping_sub(self.entries.addr().get()) / size_of::<u32>()) as u32
    }

    /// Entries at which a collection is wanted.
    #[inline]
    pub(super) fn threshold(&self) -> u32 {
        // SAFETY: as above.
        let threshold = unsafe { (*self.vm.as_ptr()).table_threshold };
        (threshold.addr().wrapping_sub(self.entries.addr().get()) / size_of::<u32>()) as u32
    }

    pub(super) fn set_threshold(&mut self, threshold: u32) {
        let threshold = threshold.min(self.capacity) as usize;
        // SAFETY: within the table or right behind it; the context is valid (G5).
        unsafe { (*self.vm.as_ptr()).table_threshold = self.entries.add(threshold).as_ptr() };
    }

    fn set_len(&mut self, len: u32) {
        // SAFETY: as above.
        unsafe { (*self.vm.as_ptr()).table_next = self.entries.add(len as usize).as_ptr() };
    }

    /// All entries.
    #[inline]
    pub(super) fn entries_mut(&mut self) -> &mut [u32] {
        // SAFETY: entries below the length are initialised; the region is the
        // heap's, and no compiled code runs while this one does (G5).
        unsafe { core::slice::from_raw_parts_mut(self.entries.as_ptr(), self.len() as usize) }
    }

    /// Keeps the first `len` entries; no effect if there are fewer.
    pub(super) fn truncate(&mut self, len: u32) {
        if len < self.len() {
            self.set_len(len);
        }
    }

    /// What lies behind the last entry, if there is room for one: stale, or what a
    /// barrier that was cut has written there. It is initialised: no more slots are in
    /// the table than have ever been used.
    pub(super) fn next_entry(&self) -> Option<u32> {
        let len = self.len();
        // SAFETY: below the capacity, and initialised with the slot of that number.
        (len < self.capacity).then(|| unsafe { self.entries.add(len as usize).read() })
    }

    /// Whether `additional` further entries leave it below the threshold.
    #[inline]
    pub(super) fn stays_below_threshold(&self, additional: u32) -> bool {
        self.len().saturating_add(additional) < self.threshold()
    }

    /// Adds an entry for a slot that has the flag but is not yet in the table.
    #[inline]
    pub(super) fn push(&mut self, slot: u32) {
        let len = self.len();
        debug_assert!(len < self.capacity, "one entry per slot (G3)");
        if len < self.capacity {
            // SAFETY: below the capacity.
            unsafe { self.entries.add(len as usize).write(slot) };
            self.set_len(len + 1);
        }
    }

    /// Enters a live slot unless it is in the table.
    #[inline]
    pub(super) fn enter(&mut self, arena: &mut Arena, slot: u32) {
        let Some(header) = arena.live_mut(slot) else { return };
        if header.flags & SlotFlags::IN_TABLE.bits() == 0 {
            header.flags |= SlotFlags::IN_TABLE.bits();
            self.push(slot);
        }
    }
}
