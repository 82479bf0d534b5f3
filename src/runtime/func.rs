//! [`Func`]: the handle to a function, Wasm or host.

use crate::abi::VmFuncRef;
use crate::artifact::FuncType;
use crate::engine::shared::Shared;
use crate::error::Result;
use crate::vm::host_def::{self, HostDef};
use crate::vm::store::{StoreId, StoreOpaque};
use core::ptr::NonNull;

/// A function of a store. A handle: copying it costs nothing, and using it
/// with another store is an error.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Func {
    pub(super) store: StoreId,
    /// Alive as long as the store with that id.
    func_ref: NonNull<VmFuncRef>,
}

// SAFETY: without its store it is a number: the pointer is followed only by
// whoever has borrowed the store (V6).
unsafe impl Send for Func {}
// SAFETY: as above.
unsafe impl Sync for Func {}

impl Func {
    /// The function at `func_ref`, which is of the store with this id.
    #[inline]
    pub(super) fn at(store: StoreId, func_ref: NonNull<VmFuncRef>) -> Self {
        Self { store, func_ref }
    }

    /// The function behind a func ref of the store with this id.
    #[inline]
    pub(super) fn from_raw(store: StoreId, func_ref: *mut VmFuncRef) -> Option<Self> {
        Some(Self::at(store, NonNull::new(func_ref)?))
    }

    #[inline]
    pub(super) fn to_raw(func: Option<Self>) -> *mut VmFuncRef {
        func.map_or(core::ptr::null_mut(), |func| func.func_ref.as_ptr())
    }

    /// The func ref, checked to be of this store and thus alive.
    #[inline]
    pub(super) fn func_ref(&self, store: &StoreOpaque) -> Result<NonNull<VmFuncRef>> {
        self.store.check(store)?;
        Ok(self.func_ref)
    }

    pub(super) fn ty_in(&self, store: &StoreOpaque) -> Result<FuncType> {
        self.shared_ty(store)?.try_clone()
    }

    pub(super) fn shared_ty(&self, store: &StoreOpaque) -> Result<Shared<FuncType>> {
        store.engine.func_type(self.type_id(store)?)
    }

    /// The engine's number for the function's type.
    pub(super) fn type_id(&self, store: &StoreOpaque) -> Result<u32> {
        let func_ref = self.func_ref(store)?;
        // SAFETY: alive (V6); the field never changes.
        Ok(unsafe { (*func_ref.as_ptr()).type_id })
    }

    /// The definition, if it is a host function.
    pub(super) fn host_def(&self, store: &StoreOpaque) -> Result<Option<Shared<HostDef>>> {
        let func_ref = self.func_ref(store)?;
        // SAFETY: alive (V6), and so is a context that belongs to it.
        unsafe {
            let context = host_def::host_context(func_ref.as_ptr());
            Ok(context.map(|context| (*context).def().clone()))
        }
    }
}

impl core::fmt::Debug for Func {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_tuple("Func").field(&self.func_ref).finish()
    }
}
