//! [`Global`]: the handle to a global, made by the host or by an instance.
//!
//! Invariant: the type in a handle is that of the global which it names.

use super::store::{AsContext, AsContextMut};
use super::value::Val;
use crate::abi::{ValRaw, VmGlobal};
use crate::artifact::GlobalType;
use crate::error::{Misuse, Result};
use crate::vm::pinned::Pinned;
use crate::vm::raw_box::RawBox;
use crate::vm::store::StoreOpaque;

/// A global of a store. A handle: copying it costs nothing, and using it with
/// another store is an error.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Global {
    pub(super) pinned: Pinned<VmGlobal>,
    /// The global's type.
    pub(super) ty: GlobalType,
}

impl Global {
    /// A global that the host makes.
    ///
    /// # Errors
    /// [`Misuse::WrongType`], [`crate::Error::Limit`], [`crate::Error::OutOfMemory`]; a
    /// trap when the reference arena is full.
    pub fn new(mut store: impl AsContextMut, ty: GlobalType, value: Val) -> Result<Self> {
        let mut store = store.as_context_mut();
        let store = store.opaque_mut();
        value.check(ty.content, store)?;
        let created = Self::create(store, ty, value);
        // A value that found no place is released.
        store.call_returned();
        created
    }

    fn create(store: &mut StoreOpaque, ty: GlobalType, value: Val) -> Result<Self> {
        let cell = lower(store, value)?;
        let places = u64::from(ty.content.is_counted());
        let mut claim = store.claim(places, size_of::<VmGlobal>())?;
        let pinned = claim.add_global(RawBox::new(VmGlobal(ValRaw::default()))?)?;
        // SAFETY: the new global is of this type, of which the value was found to
        // be, and of this store.
        unsafe { pinned.set(&mut claim, ty.content, cell)? };
        claim.keep();
        Ok(Self { pinned, ty })
    }

    pub(super) fn ty_in(&self, store: &StoreOpaque) -> Result<GlobalType> {
        self.pinned.store().check(store)?;
        Ok(self.ty)
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
        Val::lift(self.pinned.get(store)?, self.ty.content, store)
    }

    /// Sets the value.
    ///
    /// # Errors
    /// [`Misuse::ImmutableGlobal`], [`Misuse::WrongType`],
    /// [`Misuse::WrongStore`]; a trap when the reference arena is full.
    pub fn set(&self, mut store: impl AsContextMut, value: Val) -> Result<()> {
        let mut store = store.as_context_mut();
        let store = store.opaque_mut();
        self.pinned.store().check(store)?;
        if !self.ty.mutable {
            return Err(Misuse::ImmutableGlobal.into());
        }
        value.check(self.ty.content, store)?;
        let cell = lower(store, value)?;
        // SAFETY: the type is the global's, by this file's invariant. The value
        // was found to be of it, and of this store.
        unsafe { self.pinned.set(store, self.ty.content, cell)? };
        store.call_returned();
        Ok(())
    }
}

/// The cell of a value; a host reference gets a slot.
fn lower(store: &mut StoreOpaque, value: Val) -> Result<ValRaw> {
    if value.takes_slot() {
        store.reserve_references(1)?;
    }
    value.lower(store)
}

impl core::fmt::Debug for Global {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Global").field("place", &self.pinned).field("ty", &self.ty).finish()
    }
}
