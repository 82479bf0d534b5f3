//! [`Func`]: the handle to a function, Wasm or host.

use crate::abi::VmFuncRef;
use crate::artifact::FuncType;
use crate::engine::shared::Shared;
use crate::error::Result;
use crate::vm::pinned::Pinned;
use crate::vm::store::StoreOpaque;

/// A function of a store. A handle: copying it costs nothing, and using it
/// with another store is an error.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Func {
    pub(super) pinned: Pinned<VmFuncRef>,
}

impl Func {
    #[inline]
    pub(super) fn to_raw(func: Option<Self>) -> *mut VmFuncRef {
        func.map_or(core::ptr::null_mut(), |func| func.pinned.as_ptr())
    }

    pub(super) fn ty_in(&self, store: &StoreOpaque) -> Result<FuncType> {
        self.shared_ty(store)?.try_clone()
    }

    pub(super) fn shared_ty(&self, store: &StoreOpaque) -> Result<Shared<FuncType>> {
        store.engine.func_type(self.pinned.type_id(store)?)
    }
}

impl core::fmt::Debug for Func {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_tuple("Func").field(&self.pinned).finish()
    }
}
