//! What a store's guest has: counted places (elements and globals that can hold
//! externrefs, and roots), and bytes of memory.
//!
//! Invariants: there are never more counted places than the limit, so that the
//! count of a slot cannot overflow. Both are counted before they are made, and
//! given back if they are not made. The embedder's limiter is asked about bytes.

use super::store::StoreOpaque;
use crate::engine::limits;
use crate::error::{Error, LimitError, Result};
use core::ops::{Deref, DerefMut};

impl StoreOpaque {
    /// Counts `places` and `bytes` more, for something that is about to be made.
    ///
    /// # Errors
    /// [`Error::Limit`]; nothing is counted then.
    pub(crate) fn claim(&mut self, places: u64, bytes: usize) -> Result<Claim<'_>> {
        let wanted = self.counted_places.saturating_add(places);
        limits::COUNTED_PLACES_PER_STORE.check(wanted)?;
        self.ask_for_bytes(bytes)?;
        self.counted_places = wanted;
        self.guest_bytes = self.guest_bytes.saturating_add(bytes);
        Ok(Claim { store: self, places, bytes })
    }

    /// Asks whether the guest may have so many bytes more.
    ///
    /// # Errors
    /// [`Error::Limit`].
    pub(crate) fn ask_for_bytes(&mut self, bytes: usize) -> Result<()> {
        let (current, desired) = (self.guest_bytes, self.guest_bytes.saturating_add(bytes));
        if bytes == 0 || self.limiter_allows(|limiter| limiter.store_growing(current, desired)) {
            return Ok(());
        }
        Err(Error::Limit(LimitError {
            what: "bytes of a store (its limiter keeps it at what it has)",
            requested: desired as u64,
            limit: current as u64,
        }))
    }
}

/// The store while something is made in it. When this is dropped without
/// [`Claim::keep`], what was counted for it is given back.
pub(crate) struct Claim<'s> {
    store: &'s mut StoreOpaque,
    places: u64,
    bytes: usize,
}

impl Claim<'_> {
    /// Counts `bytes` more, for the same.
    ///
    /// # Errors
    /// [`Error::Limit`]; they are not counted then.
    pub(crate) fn extend(&mut self, bytes: usize) -> Result<()> {
        self.store.claim(0, bytes)?.keep();
        self.bytes = self.bytes.saturating_add(bytes);
        Ok(())
    }

    /// What the claim was for has been made.
    pub(crate) fn keep(mut self) {
        (self.places, self.bytes) = (0, 0);
    }
}

impl Deref for Claim<'_> {
    type Target = StoreOpaque;

    fn deref(&self) -> &StoreOpaque {
        self.store
    }
}

impl DerefMut for Claim<'_> {
    fn deref_mut(&mut self) -> &mut StoreOpaque {
        self.store
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.store.counted_places = self.store.counted_places.saturating_sub(self.places);
        self.store.guest_bytes = self.store.guest_bytes.saturating_sub(self.bytes);
    }
}
