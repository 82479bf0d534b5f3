//! How many counted places a store has: elements and globals that can hold
//! externrefs, and roots.
//!
//! Invariant: there are never more than the limit, so that the count of a slot
//! cannot overflow. Places are counted before they are made, and given back if
//! they are not made.

use super::store::StoreOpaque;
use crate::engine::limits;
use crate::error::Result;
use core::ops::{Deref, DerefMut};

impl StoreOpaque {
    /// Counts `places` more, for something that is about to be made.
    ///
    /// # Errors
    /// [`crate::Error::Limit`].
    pub(crate) fn claim_counted_places(&mut self, places: u64) -> Result<Claim<'_>> {
        let wanted = self.counted_places.saturating_add(places);
        limits::COUNTED_PLACES_PER_STORE.check(wanted)?;
        self.counted_places = wanted;
        Ok(Claim { store: self, places })
    }
}

/// The store while something with counted places is made in it. When this is
/// dropped without [`Claim::keep`], the places are given back.
pub(crate) struct Claim<'s> {
    store: &'s mut StoreOpaque,
    places: u64,
}

impl Claim<'_> {
    /// The places have been made.
    pub(crate) fn keep(mut self) {
        self.places = 0;
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
    }
}
