//! [`Rooted`] and [`OwnedRooted`]: references that are in the store already,
//! named in place.
//!
//! Invariant: while the host frame or the root with its serial number exists,
//! the collector keeps the slot; after that, every use fails. Using one costs
//! no atomic operation and no slot.

use super::store::{AsContext, AsContextMut};
use crate::error::{Error, Misuse, Result};
use crate::gc::ExternRef;
use crate::vm::roots::NO_ROOT;
use crate::vm::store::{StoreId, StoreOpaque};

/// A reference that a store holds for the host: an argument that Wasm passed to
/// the running host call, good for the duration of that call; or what an
/// [`OwnedRooted`] keeps, good until that is unrooted. `Copy`, and free of
/// counting: passing one to Wasm, or returning it, moves a number.
#[derive(Clone, Copy, Debug)]
pub struct Rooted {
    pub(super) slot: u32,
    /// Entry among the store's roots, or [`NO_ROOT`] for an argument.
    pub(super) root: u32,
    /// Serial number of the root or of the host frame.
    pub(super) serial: u64,
    pub(super) store: StoreId,
}

impl Rooted {
    /// The reference.
    ///
    /// # Errors
    /// [`Misuse::StaleReference`] when the call that it was an argument of has
    /// ended or it was unrooted, [`Misuse::WrongStore`] in another store.
    #[inline]
    pub fn get<'c>(&self, store: &'c impl AsContext) -> Result<&'c ExternRef> {
        let store = store.as_context().opaque();
        self.check(store)?;
        store.heap.borrow(self.slot).ok_or(Error::Bug("rooted slot is not in use"))
    }

    /// Keeps the reference beyond the call or root that it is good for. Takes
    /// no slot, because it has one.
    ///
    /// # Errors
    /// As for [`Self::get`]; [`Error::OutOfMemory`] and [`Error::Limit`] when
    /// there is no room for one more root.
    pub fn to_owned_rooted(&self, mut store: impl AsContextMut) -> Result<OwnedRooted> {
        let mut store = store.as_context_mut();
        let store = store.opaque_mut();
        self.check(store)?;
        store.reserve_root()?;
        store.heap.increment(self.slot);
        OwnedRooted::add(store, self.slot)
    }

    /// Whether what keeps the slot is still there.
    #[inline]
    pub(super) fn check(&self, store: &StoreOpaque) -> Result<()> {
        if self.store == store.id && store.roots.holds(self.root, self.serial) {
            return Ok(());
        }
        self.check_frames(store)
    }

    /// The same for an argument: whether its frame is linked. Out of line, so
    /// that what returns a root need not save registers for it.
    #[inline(never)]
    fn check_frames(&self, store: &StoreOpaque) -> Result<()> {
        self.store.check(store)?;
        // Roots and frames share no serial number, so a root that is gone is
        // not found here.
        match store.has_host_frame(self.serial) {
            true => Ok(()),
            false => Err(Misuse::StaleReference.into()),
        }
    }
}

/// A reference that the host keeps in a store, for as long as it wants: counted
/// there like an element of a table. Passing it to Wasm again and again costs
/// less than passing a clone of an [`ExternRef`] each time.
///
/// It takes a slot of the reference arena until it is unrooted. One that is
/// never unrooted is released with its store.
#[derive(Debug)]
#[must_use = "it stays in its store until it is unrooted"]
pub struct OwnedRooted {
    rooted: Rooted,
}

impl OwnedRooted {
    /// Moves a reference into a store. May collect to find a slot.
    ///
    /// # Errors
    /// [`crate::Trap::ReferenceArenaFull`] or, for the quota, [`Error::Limit`]
    /// when no slot is left; [`Error::OutOfMemory`] and [`Error::Limit`] when
    /// there is no room for one more root. The reference is dropped.
    pub fn new(mut store: impl AsContextMut, reference: ExternRef) -> Result<Self> {
        let mut store = store.as_context_mut();
        let store = store.opaque_mut();
        store.reserve_root()?;
        store.reserve_references(1)?;
        let slot = store.heap.intern_counted(reference)?;
        Self::add(store, slot)
    }

    /// A root that takes over one count of the slot.
    fn add(store: &mut StoreOpaque, slot: u32) -> Result<Self> {
        let (root, serial) = store.add_root(slot)?;
        Ok(Self { rooted: Rooted { slot, root, serial, store: store.id } })
    }

    /// The handle that Wasm is passed, and that host functions return.
    #[inline]
    pub fn to_rooted(&self) -> Rooted {
        self.rooted
    }

    /// The reference.
    ///
    /// # Errors
    /// [`Misuse::WrongStore`] in another store.
    #[inline]
    pub fn get<'c>(&self, store: &'c impl AsContext) -> Result<&'c ExternRef> {
        self.rooted.get(store)
    }

    /// Lets go of the reference. It is released once nothing else in the store
    /// holds it, at once if no call is in progress; clone what [`Self::get`]
    /// returns to keep the object.
    ///
    /// # Errors
    /// [`Misuse::WrongStore`] in another store: it then stays where it is until
    /// its own store is dropped.
    pub fn unroot(self, mut store: impl AsContextMut) -> Result<()> {
        let mut store = store.as_context_mut();
        let store = store.opaque_mut();
        self.rooted.check(store)?;
        store.end_root(self.rooted.root, self.rooted.serial)
    }
}

// `NO_ROOT` is never the entry of a root.
const _: () = assert!(NO_ROOT as u64 > crate::engine::limits::COUNTED_PLACES_PER_STORE.most);
