//! [`Pinned`]: where a store keeps what a handle names by its address.
//!
//! Invariant: it lives as long as the store with its id (V6). Without that
//! store at hand it is only a number, and may be sent anywhere.

use super::host_def::{self, HostDef, StoreHostFunc};
use super::instance::InstanceData;
use super::raw_box::RawBox;
use super::store::{StoreId, StoreOpaque};
use super::{const_expr, global};
use crate::abi::{FuncIndex, GlobalIndex, ValRaw, VmFuncRef, VmGlobal};
use crate::artifact::{GlobalType, ValType};
use crate::engine::shared::Shared;
use crate::error::{Error, Result};
use core::ptr::NonNull;

/// The address of a `V` of a store.
pub(crate) struct Pinned<V> {
    store: StoreId,
    pointer: NonNull<V>,
}

// SAFETY: without the store it is a number; the pointer is followed only by
// whoever has borrowed the store.
unsafe impl<V> Send for Pinned<V> {}
// SAFETY: as above.
unsafe impl<V> Sync for Pinned<V> {}

impl<V> Clone for Pinned<V> {
    #[inline]
    fn clone(&self) -> Self {
        *self
    }
}

impl<V> Copy for Pinned<V> {}

impl<V> PartialEq for Pinned<V> {
    fn eq(&self, other: &Self) -> bool {
        (self.store, self.pointer) == (other.store, other.pointer)
    }
}

impl<V> Eq for Pinned<V> {}

impl<V> core::fmt::Debug for Pinned<V> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.pointer.fmt(f)
    }
}

impl<V> Pinned<V> {
    /// # Safety
    /// A `V` lies there for as long as the store with this id lives.
    #[inline]
    pub(crate) unsafe fn new(store: StoreId, pointer: NonNull<V>) -> Self {
        Self { store, pointer }
    }

    /// The store it belongs to.
    #[inline]
    pub(crate) fn store(self) -> StoreId {
        self.store
    }

    /// Where it lies, for uses that do not follow the pointer.
    #[inline]
    pub(crate) fn as_ptr(self) -> *mut V {
        self.pointer.as_ptr()
    }

    /// Where it lies, checked to be of this store and thus alive.
    ///
    /// # Errors
    /// [`crate::Misuse::WrongStore`].
    #[inline]
    pub(crate) fn in_store(self, store: &StoreOpaque) -> Result<NonNull<V>> {
        self.store.check(store)?;
        Ok(self.pointer)
    }
}

impl Pinned<VmFuncRef> {
    /// The function in a cell; `None` is null.
    ///
    /// # Safety
    /// The cell holds null or a function of this store.
    #[inline]
    pub(crate) unsafe fn from_cell(store: &StoreOpaque, cell: ValRaw) -> Option<Self> {
        Some(Self { store: store.id, pointer: NonNull::new(cell.func_ref())? })
    }

    /// The engine's number for the function's type.
    ///
    /// # Errors
    /// [`crate::Misuse::WrongStore`].
    pub(crate) fn type_id(self, store: &StoreOpaque) -> Result<u32> {
        let func_ref = self.in_store(store)?;
        // SAFETY: alive (V6); the field never changes.
        Ok(unsafe { (*func_ref.as_ptr()).type_id })
    }

    /// Where the definition lies if it is a host function. It lives as long as the
    /// store.
    ///
    /// # Errors
    /// [`crate::Misuse::WrongStore`].
    pub(crate) fn host_def(self, store: &StoreOpaque) -> Result<Option<NonNull<Shared<HostDef>>>> {
        let func_ref = self.in_store(store)?;
        // SAFETY: alive, and so is a context that belongs to it (V6).
        unsafe {
            let context = host_def::host_context(func_ref.as_ptr());
            Ok(context.map(|context| NonNull::from((*context).def())))
        }
    }
}

impl Pinned<VmGlobal> {
    /// The global's value.
    ///
    /// # Errors
    /// [`crate::Misuse::WrongStore`].
    pub(crate) fn get(self, store: &StoreOpaque) -> Result<ValRaw> {
        let place = self.in_store(store)?;
        // SAFETY: alive (V6); generated code is not running (V4).
        Ok(unsafe { (*place.as_ptr()).0 })
    }

    /// Sets the value.
    ///
    /// # Errors
    /// [`crate::Misuse::WrongStore`].
    ///
    /// # Safety
    /// The global is of type `ty`, and the cell holds a value of that type which
    /// belongs to `store`.
    pub(crate) unsafe fn set(
        self,
        store: &mut StoreOpaque,
        ty: ValType,
        cell: ValRaw,
    ) -> Result<()> {
        let place = self.in_store(store)?;
        // SAFETY: alive, and of this store (V6); generated code is not running
        // (V4). The type is right by this function's contract.
        unsafe { global::write(&mut store.heap, place, ty, cell) };
        Ok(())
    }
}

impl StoreOpaque {
    /// An instance of the store.
    pub(crate) fn instance(&self, index: u32) -> Result<&InstanceData> {
        let instance = self.instances.get(index as usize);
        instance.ok_or(Error::Bug("instance index without an instance"))
    }

    /// A function of an instance.
    pub(crate) fn pinned_func(&self, instance: u32, func: FuncIndex) -> Result<Pinned<VmFuncRef>> {
        let instance = self.instance(instance)?;
        let func_ref = const_expr::func_ref(func, &instance.module, instance.view())?;
        // SAFETY: in the instance's context, which lives as long as the store (V1).
        Ok(unsafe { Pinned::new(self.id, func_ref) })
    }

    /// A global of an instance, defined or imported, and its type.
    pub(crate) fn pinned_global(
        &self,
        instance: u32,
        global: GlobalIndex,
    ) -> Result<(Pinned<VmGlobal>, GlobalType)> {
        let instance = self.instance(instance)?;
        let declared = instance.module.info().globals.get(global.index());
        let ty = declared.ok_or(Error::Bug("global outside an instance's index space"))?.ty;
        let place = instance.view().global(global)?;
        // SAFETY: in a context or a cell, which live as long as the store (V1).
        Ok((unsafe { Pinned::new(self.id, place) }, ty))
    }

    /// Puts a host function into the store whose data it expects.
    ///
    /// # Errors
    /// [`crate::Misuse::WrongEngine`], [`Error::Limit`], [`Error::OutOfMemory`].
    pub(crate) fn add_host_func(&mut self, def: Shared<HostDef>) -> Result<Pinned<VmFuncRef>> {
        self.engine.check_same(def.engine())?;
        let code = self.exit_stubs.get(def.type_id()).unwrap_or(core::ptr::null());
        let index = self.host_funcs.len() as u32;
        let mut claim = self.claim(0, size_of::<StoreHostFunc>())?;
        let func = StoreHostFunc::new(def, index, claim.vm(), code)?;
        let func_ref = func.as_non_null().cast();
        Self::push(&mut claim.host_funcs, func)?;
        claim.keep();
        // SAFETY: a host function starts with its func ref; the store keeps it (V1).
        Ok(unsafe { Pinned::new(self.id, func_ref) })
    }

    /// Puts the cell of a global into the store.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub(crate) fn add_global(&mut self, cell: RawBox<VmGlobal>) -> Result<Pinned<VmGlobal>> {
        let place = cell.as_non_null();
        Self::push(&mut self.global_cells, cell)?;
        // SAFETY: the store keeps the cell (V1).
        Ok(unsafe { Pinned::new(self.id, place) })
    }
}
