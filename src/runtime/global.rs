//! [`Global`]: the handle to a global, made by the host or by an instance.

use super::store::{AsContext, AsContextMut};
use super::value::Val;
use crate::abi::{ValRaw, VmGlobal};
use crate::artifact::GlobalType;
use crate::error::{Error, Misuse, Result};
use crate::vm::global;
use crate::vm::raw_box::RawBox;
use crate::vm::store::{StoreId, StoreOpaque};
use core::ptr::NonNull;

/// A global of a store. A handle: copying it costs nothing, and using it with
/// another store is an error.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Global {
    pub(super) store: StoreId,
    /// Alive as long as the store with that id.
    place: NonNull<VmGlobal>,
    ty: GlobalType,
}

// SAFETY: without its store it is a number: the pointer is followed only by
// whoever has borrowed the store (V6).
unsafe impl Send for Global {}
// SAFETY: as above.
unsafe impl Sync for Global {}

impl Global {
    /// A global that the host makes.
    ///
    /// # Errors
    /// [`Misuse::WrongType`], [`Error::OutOfMemory`]; a trap when the
    /// reference arena is full.
    pub fn new(mut store: impl AsContextMut, ty: GlobalType, value: Val) -> Result<Self> {
        let mut store = store.as_context_mut();
        let store = store.opaque_mut();
        value.check(ty.content, store)?;
        let places = u64::from(ty.content.is_counted());
        let mut claim = store.claim_counted_places(places)?;
        let cell = RawBox::new(VmGlobal(ValRaw::default()))?;
        // Before the cell counts anything.
        claim
            .global_cells
            .try_reserve(1)
            .map_err(|_| Error::OutOfMemory { bytes: size_of::<RawBox<VmGlobal>>() })?;
        let global = Self { store: claim.id, place: cell.as_non_null(), ty };
        global.write(&mut claim, value)?;
        claim.global_cells.push(cell);
        claim.keep();
        store.call_returned();
        Ok(global)
    }

    /// The global at `place`, which is of the store with this id.
    pub(super) fn from_place(store: StoreId, place: NonNull<VmGlobal>, ty: GlobalType) -> Self {
        Self { store, place, ty }
    }

    pub(super) fn ty_in(&self, store: &StoreOpaque) -> Result<GlobalType> {
        self.store.check(store)?;
        Ok(self.ty)
    }

    /// Where the value lies, checked to be of this store and thus alive.
    pub(super) fn place(&self, store: &StoreOpaque) -> Result<NonNull<VmGlobal>> {
        self.store.check(store)?;
        Ok(self.place)
    }

    /// The global's type.
    ///
    /// # Errors
    /// [`Misuse::WrongStore`].
    pub fn ty(&self, store: impl AsContext) -> Result<GlobalType> {
        self.ty_in(store.as_context().opaque())
    }

    /// The value; a host reference is cloned.
    ///
    /// # Errors
    /// [`Misuse::WrongStore`].
    pub fn get(&self, store: impl AsContext) -> Result<Val> {
        let context = store.as_context();
        let store = context.opaque();
        let place = self.place(store)?;
        // SAFETY: alive (V6), and generated code does not run (V4).
        Val::lift(unsafe { (*place.as_ptr()).0 }, self.ty.content, store)
    }

    /// Sets the value.
    ///
    /// # Errors
    /// [`Misuse::ImmutableGlobal`], [`Misuse::WrongType`],
    /// [`Misuse::WrongStore`]; a trap when the reference arena is full.
    pub fn set(&self, mut store: impl AsContextMut, value: Val) -> Result<()> {
        let mut store = store.as_context_mut();
        let store = store.opaque_mut();
        self.store.check(store)?;
        if !self.ty.mutable {
            return Err(Misuse::ImmutableGlobal.into());
        }
        value.check(self.ty.content, store)?;
        self.write(store, value)?;
        store.call_returned();
        Ok(())
    }

    /// Writes a checked value.
    fn write(&self, store: &mut StoreOpaque, value: Val) -> Result<()> {
        if value.takes_slot() {
            store.reserve_references(1)?;
        }
        let cell = value.lower(store)?;
        // SAFETY: alive and of this store (V6); generated code does not run (V4).
        unsafe { global::write(&mut store.heap, self.place, self.ty.content, cell) };
        Ok(())
    }
}

impl core::fmt::Debug for Global {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Global").field("place", &self.place).field("ty", &self.ty).finish()
    }
}
