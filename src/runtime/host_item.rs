//! [`HostItem`]: a host function's definition, with the type of the data that
//! it expects in a store.
//!
//! Invariant: the function's shim assumes that a store's data is a `T`.

use super::func::Func;
use super::store::StoreContextMut;
use crate::artifact::FuncType;
use crate::engine::Engine;
use crate::engine::shared::Shared;
use crate::error::Result;
use crate::vm::host_def::{Closure, HostCall, HostDef};
use core::marker::PhantomData;

/// A host function for stores whose data is a `T`.
pub(super) struct HostItem<T: 'static> {
    def: Shared<HostDef>,
    _data: PhantomData<fn(T) -> T>,
}

impl<T: 'static> HostItem<T> {
    /// # Errors
    /// [`crate::Error::OutOfMemory`], [`crate::Error::Limit`].
    ///
    /// # Safety
    /// `call` is a shim for closures of the type that `closure` has, for
    /// functions of type `ty`, and for stores whose data is a `T`.
    #[inline(never)]
    pub(super) unsafe fn new(
        engine: &Engine,
        ty: &FuncType,
        call: HostCall,
        closure: Closure,
    ) -> Result<Self> {
        // SAFETY: passed on to the caller.
        Ok(Self { def: unsafe { HostDef::new(engine, ty, call, closure) }?, _data: PhantomData })
    }

    /// The definition without the type.
    pub(super) fn into_def(self) -> Shared<HostDef> {
        self.def
    }

    /// Puts the function into a store.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`], [`crate::Misuse::WrongEngine`].
    pub(super) fn add_to(self, store: &mut StoreContextMut<'_, T>) -> Result<Func> {
        Ok(Func { pinned: store.opaque_mut().add_host_func(self.def)? })
    }
}
