//! [`Roots`]: which slots the host keeps counted, and how handles name them.
//! What else a store does when one is added or removed is in `rooting.rs`.
//!
//! Invariants: an entry in use counts its slot once, as a table element does.
//! Its serial number is that of no other entry and of no host frame that the
//! store ever had (a 64-bit counter does not wrap around), so a handle fits
//! only the root it was made for and nothing after it. Collecting leaves the
//! entries alone.

use crate::alloc;
use crate::error::Result;
#[cfg(not(kernref_panic_check))]
use crate::gc::RefHeap;
use std_alloc::vec::Vec;

/// Stands for no entry: there are never that many.
pub(crate) const NO_ROOT: u32 = u32::MAX;
/// The serial number of a free entry.
const FREE: u64 = 0;

struct Root {
    serial: u64,
    /// The slot; in a free entry, the next free one, or [`NO_ROOT`].
    slot: u32,
}

/// The roots of a store.
pub(crate) struct Roots {
    entries: Vec<Root>,
    free: u32,
}

impl Roots {
    /// What an entry takes.
    pub(crate) const ENTRY_BYTES: usize = size_of::<Root>();

    pub(crate) const fn new() -> Self {
        Self { entries: Vec::new(), free: NO_ROOT }
    }

    /// Whether entry `at` is the root with this serial number.
    #[inline]
    pub(crate) fn holds(&self, at: u32, serial: u64) -> bool {
        self.entries.get(at as usize).is_some_and(|root| root.serial == serial)
    }

    /// Entries, free ones included.
    pub(crate) fn capacity(&self) -> u64 {
        self.entries.len() as u64
    }

    /// The slot of entry `at`, if that is in use.
    pub(crate) fn slot_at(&self, at: usize) -> Option<u32> {
        self.entries.get(at).filter(|root| root.serial != FREE).map(|root| root.slot)
    }

    /// Whether there is an entry for one more root.
    pub(crate) fn has_room(&self) -> bool {
        self.free != NO_ROOT
    }

    /// Makes an entry for one more root, when there is none.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`].
    pub(crate) fn grow(&mut self) -> Result<()> {
        let at = self.entries.len() as u32;
        alloc::try_push(&mut self.entries, Root { serial: FREE, slot: self.free })?;
        self.free = at;
        Ok(())
    }

    /// Enters a slot whose count the root takes over, under a new serial
    /// number. `None` if there is no room.
    pub(crate) fn add(&mut self, slot: u32, serial: u64) -> Option<u32> {
        let at = self.free;
        let root = self.entries.get_mut(at as usize)?;
        self.free = root.slot;
        *root = Root { serial, slot };
        Some(at)
    }

    /// Frees entry `at` if it is the root with this serial number, and returns
    /// its slot, which is still counted.
    pub(crate) fn remove(&mut self, at: u32, serial: u64) -> Option<u32> {
        let root = self.entries.get_mut(at as usize).filter(|root| root.serial == serial)?;
        let slot = root.slot;
        *root = Root { serial: FREE, slot: self.free };
        self.free = at;
        Some(slot)
    }

    /// Zeal: every root's slot is live and counted.
    ///
    /// # Panics
    /// If one is not.
    #[cfg(not(kernref_panic_check))]
    pub(crate) fn verify(&self, heap: &mut RefHeap) {
        for root in self.entries.iter().filter(|root| root.serial != FREE) {
            assert!(heap.is_counted(root.slot), "G1: a root's slot is not counted");
        }
    }
}
