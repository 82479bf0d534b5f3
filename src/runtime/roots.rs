//! [`Roots`]: which slots the host keeps counted, and what handles name them.
//!
//! Invariants: an entry in use counts its slot once, as a table element does.
//! Its serial number is that of no other entry and of no host frame that the
//! store ever had (a counter of 64 bits does not come round), so a handle fits
//! the very root it was made for and nothing after it. Collecting leaves the
//! entries alone.

use super::store::StoreOpaque;
use crate::error::{Misuse, Result};
use std_alloc::vec::Vec;

/// Stands for no entry: there are never so many.
pub(super) const NO_ROOT: u32 = u32::MAX;
/// Of an entry that is free.
const FREE: u64 = 0;

struct Root {
    serial: u64,
    /// The slot; of a free entry: the next one, or [`NO_ROOT`].
    slot: u32,
}

/// The roots of a store.
pub(crate) struct Roots {
    entries: Vec<Root>,
    free: u32,
}

impl Roots {
    pub(super) const fn new() -> Self {
        Self { entries: Vec::new(), free: NO_ROOT }
    }

    /// Whether entry `at` is the root with this serial number.
    #[inline]
    pub(super) fn holds(&self, at: u32, serial: u64) -> bool {
        self.entries.get(at as usize).is_some_and(|root| root.serial == serial)
    }

    /// Frees an entry that is in use.
    fn remove(&mut self, at: u32) {
        if let Some(root) = self.entries.get_mut(at as usize) {
            *root = Root { serial: FREE, slot: self.free };
            self.free = at;
        }
    }
}

impl StoreOpaque {
    /// Makes room for one more root, so that [`Self::add_root`] cannot fail.
    pub(super) fn reserve_root(&mut self) -> Result<()> {
        if self.roots.free != NO_ROOT {
            return Ok(());
        }
        let at = Self::push(&mut self.roots.entries, Root { serial: FREE, slot: NO_ROOT })?;
        // Entries are reused: there are never more places than entries.
        let outcome = self.add_counted_places(1);
        match outcome {
            Ok(()) => self.roots.free = at,
            Err(_) => drop(self.roots.entries.pop()),
        }
        outcome
    }

    /// Enters a slot whose count the root takes over. Gives the entry and its
    /// serial number.
    pub(super) fn add_root(&mut self, slot: u32) -> Result<(u32, u64)> {
        let at = self.roots.free;
        let Some(root) = self.roots.entries.get_mut(at as usize) else {
            return Err(crate::Error::Bug("no room was made for a root"));
        };
        self.serial += 1;
        self.roots.free = root.slot;
        *root = Root { serial: self.serial, slot };
        Ok((at, self.serial))
    }

    /// Ends a root: its slot is counted once less.
    pub(super) fn end_root(&mut self, at: u32, serial: u64) -> Result<()> {
        let slot = match self.roots.entries.get(at as usize) {
            Some(root) if root.serial == serial => root.slot,
            _ => return Err(Misuse::StaleReference.into()),
        };
        self.roots.remove(at);
        self.heap.decrement(slot);
        // Gone at once if there is no frame that could hold it.
        self.call_returned();
        Ok(())
    }

    /// Zeal: every root's slot is live and counted.
    #[cfg(not(kernref_panic_check))]
    pub(super) fn verify_roots(&mut self) {
        for root in self.roots.entries.iter().filter(|root| root.serial != FREE) {
            let is_counted = self.heap.is_counted(root.slot);
            assert!(is_counted, "G1: a root's slot is not counted");
        }
    }
}
