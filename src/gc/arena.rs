//! The slots: which are free, and what the others own.
//!
//! Slots that were never used are not touched, so creating a large arena costs
//! nothing: `fresh` is the first of them. Neither are the table's entries from there
//! on; those before are initialised.

use super::externref::ExternRef;
use crate::abi::{NULL_SLOT, Slot, SlotFlags};
use core::ptr::NonNull;

/// Payload of a freed slot under zeal: odd, so no box can be there.
pub(super) const POISON: *mut () = core::ptr::without_provenance_mut(0xdead_beef_dead_bee1);

/// The slots of a heap.
pub(super) struct Arena {
    slots: NonNull<Slot>,
    /// Slots, the null slot included.
    len: u32,
    /// First slot that was never used.
    fresh: u32,
    /// First slot of the free list, or null.
    free: u32,
    used: u32,
}

impl Arena {
    /// # Safety
    /// `slots` points to room for `len >= 2` slots, and behind them as many entries
    /// of the activations table, that are the heap's (G5).
    pub(super) unsafe fn new(slots: NonNull<Slot>, len: u32) -> Self {
        let null = Slot {
            count: 1 << 31,
            flags: SlotFlags::IN_TABLE.bits(),
            payload: core::ptr::null_mut(),
        };
        // SAFETY: room for at least two slots and their entries.
        unsafe {
            slots.write(null);
            slots.add(len as usize).cast::<u32>().write(0);
        }
        Self { slots, len, fresh: 1, free: NULL_SLOT, used: 0 }
    }

    /// Usable slots.
    pub(super) fn capacity(&self) -> u32 {
        self.len - 1
    }

    /// Slots that own a reference, queued ones included.
    pub(super) fn used(&self) -> u32 {
        self.used
    }

    /// A slot that has been used before. The null slot counts as one.
    #[inline]
    fn initialised(&self, slot: u32) -> Option<NonNull<Slot>> {
        // SAFETY: below `fresh`, which is at most `len` (G4).
        (slot < self.fresh).then(|| unsafe { self.slots.add(slot as usize) })
    }

    /// A slot's header, if the slot is live and not queued.
    #[inline]
    pub(super) fn live_mut(&mut self, slot: u32) -> Option<&mut Slot> {
        // SAFETY: initialised since it was first used; exclusive by `&mut self` (G5).
        let slot = unsafe { self.initialised(slot)?.as_mut() };
        let state = slot.flags & (SlotFlags::EXTERN | SlotFlags::QUEUED).bits();
        (state == SlotFlags::EXTERN.bits()).then_some(slot)
    }

    /// A slot's header whatever its state, if it was ever used.
    #[inline]
    pub(super) fn header_mut(&mut self, slot: u32) -> Option<&mut Slot> {
        // SAFETY: as in `live_mut`.
        self.initialised(slot).map(|mut slot| unsafe { slot.as_mut() })
    }

    #[inline]
    pub(super) fn borrow(&self, slot: u32) -> Option<&ExternRef> {
        // SAFETY: initialised; nobody writes while `self` is borrowed (G5).
        let slot = unsafe { self.initialised(slot)?.as_ref() };
        let state = slot.flags & (SlotFlags::EXTERN | SlotFlags::QUEUED).bits();
        if state != SlotFlags::EXTERN.bits() {
            return None;
        }
        // SAFETY: the payload of such a slot is a raw `ExternRef`, which is one
        // non-null pointer, so the cell can be borrowed as one (G2).
        Some(unsafe { &*(&raw const slot.payload).cast::<ExternRef>() })
    }

    /// Gives `reference` a slot with this count, and with these flags in addition
    /// to `EXTERN`.
    #[inline]
    pub(super) fn allocate(
        &mut self,
        reference: ExternRef,
        flags: SlotFlags,
        count: u32,
    ) -> Option<u32> {
        let slot = match self.free {
            NULL_SLOT if self.fresh < self.len => {
                let slot = self.fresh;
                self.fresh += 1;
                // SAFETY: the table has an entry for each slot, behind all slots (G3).
                unsafe {
                    self.slots.add(self.len as usize).cast::<u32>().add(slot as usize).write(0)
                };
                slot
            }
            NULL_SLOT => return None,
            slot => {
                // SAFETY: slots of the free list have been used (G4).
                self.free = unsafe { self.slots.add(slot as usize).as_ref().count };
                slot
            }
        };
        self.used += 1;
        let flags = (flags | SlotFlags::EXTERN).bits();
        let value = Slot { count, flags, payload: reference.into_raw() };
        // SAFETY: below `len` (G4), and ours (G5).
        unsafe { self.slots.add(slot as usize).write(value) };
        Some(slot)
    }

    /// Frees a slot, and returns what it owned and its count. `None` if it owned
    /// nothing.
    #[inline]
    pub(super) fn take(&mut self, slot: u32) -> Option<(ExternRef, u32)> {
        let free = self.free;
        let header = self.header_mut(slot)?;
        if header.flags & SlotFlags::EXTERN.bits() == 0 {
            return None;
        }
        let (payload, count) = (header.payload, header.count);
        *header = Slot { count: free, flags: 0, payload: POISON };
        self.free = slot;
        self.used = self.used.saturating_sub(1);
        // SAFETY: the slot owned it (G2) and has just given it up.
        unsafe { ExternRef::from_raw(payload) }.map(|reference| (reference, count))
    }

    /// Slots that were ever used, the null slot included.
    pub(super) fn initialised_len(&self) -> u32 {
        self.fresh
    }

    /// First slot of the free list, for checking.
    pub(super) fn free_head(&self) -> u32 {
        self.free
    }
}
