//! [`Func`] and [`TypedFunc`]: functions, Wasm or host, and calling them.

use super::call::{self, Cells, InlineCells};
use super::caller::Caller;
use super::convert::{OpaqueStore, WasmParams, WasmResults};
use super::host_func::{self, HostContext, HostDef, StoreHostFunc};
use super::into_func::IntoFunc;
use super::limits::INLINE_CELLS;
use super::shared::Shared;
use super::store::{AsContext, AsContextMut, StoreId, StoreOpaque, StorePtr};
use super::value::Val;
use super::vmctx::RawBox;
use crate::abi::{ValRaw, VmFuncRef};
use crate::alloc;
use crate::artifact::{FuncType, ValType};
use crate::error::{Misuse, Result};
use core::marker::PhantomData;
use core::mem::MaybeUninit;
use core::ptr::NonNull;
use std_alloc::vec::Vec;

/// A function of a store. A handle: copying it costs nothing, and using it
/// with another store is an error.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Func {
    store: StoreId,
    /// Alive as long as the store with that id.
    func_ref: NonNull<VmFuncRef>,
}

// SAFETY: without the store it is a number; the pointer is followed only by
// whoever has borrowed the store.
unsafe impl Send for Func {}
// SAFETY: as above.
unsafe impl Sync for Func {}

impl Func {
    /// A host function whose type is only known when the program runs.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`], [`crate::Error::Limit`].
    pub fn new<C: AsContextMut>(
        mut store: C,
        ty: FuncType,
        func: impl Fn(Caller<'_, C::Data>, &[Val], &mut [Val]) -> Result<()> + Send + Sync + 'static,
    ) -> Result<Self> {
        let mut store = store.as_context_mut();
        let def = dynamic_def(store.engine(), &ty, func)?;
        Self::from_def(store.opaque_mut(), def)
    }

    /// A host function with the types of a closure. Parameters may be `i32`,
    /// `u32`, `i64`, `u64`, `f32`, `f64`, `u128` (v128), [`crate::ExternRef`],
    /// [`super::Rooted`] (an externref that is borrowed for the call), [`Func`],
    /// or an `Option` of the last three; a leading [`Caller`] is optional.
    /// Results likewise: none, one, a tuple, or a [`Result`] of these.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`].
    pub fn wrap<C: AsContextMut, Params, Results>(
        mut store: C,
        func: impl IntoFunc<C::Data, Params, Results>,
    ) -> Result<Self> {
        let mut store = store.as_context_mut();
        let def = wrapped_def(store.engine(), func)?;
        Self::from_def(store.opaque_mut(), def)
    }

    /// Puts a host function into a store whose data is of the right type.
    pub(super) fn from_def(store: &mut StoreOpaque, def: Shared<HostDef>) -> Result<Self> {
        store.engine.check_same(def.engine())?;
        let type_id = def.type_id();
        let code = store.exit_stubs.get(type_id).unwrap_or(core::ptr::null());
        let index = store.host_funcs.len() as u32;
        store
            .host_funcs
            .try_reserve(1)
            .map_err(|_| crate::Error::OutOfMemory { bytes: size_of::<RawBox<StoreHostFunc>>() })?;
        let context = HostContext::new(def, index, store.vm().as_ptr(), core::ptr::null_mut());
        let entry_shim = core::ptr::null();
        let vm_context = core::ptr::null_mut();
        let func_ref = VmFuncRef { code, context: vm_context, entry_shim, type_id, index };
        let func = RawBox::new(StoreHostFunc { func_ref, context })?;
        let pointer = func.as_non_null();
        // SAFETY: just allocated; the context is addressed where it now lies.
        unsafe {
            (*pointer.as_ptr()).func_ref.context = (&raw mut (*pointer.as_ptr()).context).cast();
        }
        store.host_funcs.push(func);
        Ok(Self { store: store.id, func_ref: pointer.cast() })
    }

    /// The function behind a func ref of the store with this id.
    #[inline]
    pub(super) fn from_raw(store: StoreId, func_ref: *mut VmFuncRef) -> Option<Self> {
        Some(Self { store, func_ref: NonNull::new(func_ref)? })
    }

    #[inline]
    pub(super) fn to_raw(func: Option<Self>) -> *mut VmFuncRef {
        func.map_or(core::ptr::null_mut(), |func| func.func_ref.as_ptr())
    }

    #[inline]
    pub(super) fn check_store(&self, store: &StoreOpaque) -> Result<()> {
        if self.store == store.id { Ok(()) } else { Err(Misuse::WrongStore.into()) }
    }

    /// The func ref, checked to be of this store and thus alive.
    pub(super) fn func_ref(&self, store: &StoreOpaque) -> Result<NonNull<VmFuncRef>> {
        self.check_store(store)?;
        Ok(self.func_ref)
    }

    /// The function's type.
    ///
    /// # Errors
    /// [`Misuse::WrongStore`]; [`crate::Error::OutOfMemory`].
    pub fn ty(&self, store: impl AsContext) -> Result<FuncType> {
        self.ty_in(store.as_context().opaque())
    }

    pub(super) fn ty_in(&self, store: &StoreOpaque) -> Result<FuncType> {
        self.shared_ty(store)?.try_clone()
    }

    fn shared_ty(&self, store: &StoreOpaque) -> Result<Shared<FuncType>> {
        let func_ref = self.func_ref(store)?;
        // SAFETY: alive; the field never changes.
        store.engine.func_type(unsafe { (*func_ref.as_ptr()).type_id })
    }

    /// Checks the function's type once, for calls that then need not.
    ///
    /// # Errors
    /// [`Misuse::WrongStore`], [`Misuse::WrongArity`], [`Misuse::WrongType`].
    pub fn typed<P: WasmParams, R: WasmResults>(
        &self,
        store: impl AsContext,
    ) -> Result<TypedFunc<P, R>> {
        let ty = self.shared_ty(store.as_context().opaque())?;
        let sides = [(ty.params(), P::TYPES), (ty.results(), R::TYPES)];
        if sides.iter().any(|(found, wanted)| found.len() != wanted.len()) {
            return Err(Misuse::WrongArity.into());
        }
        if sides.iter().any(|(found, wanted)| found != wanted) {
            return Err(Misuse::WrongType.into());
        }
        Ok(TypedFunc { func: *self, _types: PhantomData })
    }

    /// Calls the function. `results` must have as many elements as the
    /// function has results; what is in them does not matter.
    ///
    /// # Errors
    /// [`crate::Error::Trap`] and whatever host functions return;
    /// [`crate::Error::Misuse`] for values that do not fit the type.
    pub fn call(
        &self,
        mut store: impl AsContextMut,
        params: &[Val],
        results: &mut [Val],
    ) -> Result<()> {
        self.call_with(store.as_context_mut().ptr(), results, &mut |store, types, cells| {
            // SAFETY: the cells have room for the parameters.
            unsafe { host_func::lower_clones(store, types, params, cells) }
        })
    }

    /// As [`Self::call`], but moves the arguments: a reference among them is
    /// then held by Wasm alone, and released when Wasm lets go of it.
    ///
    /// # Errors
    /// As for [`Self::call`].
    pub fn call_moving(
        &self,
        mut store: impl AsContextMut,
        params: Vec<Val>,
        results: &mut [Val],
    ) -> Result<()> {
        let mut params = Some(params);
        self.call_with(store.as_context_mut().ptr(), results, &mut |store, types, cells| {
            let params = params.take().unwrap_or_default();
            // SAFETY: the cells have room for the parameters.
            unsafe { host_func::lower_values(store, types, params, cells) }
        })
    }

    /// `lower` writes the parameters to the cells that it is given, once.
    fn call_with(&self, store: StorePtr, results: &mut [Val], lower: &mut Lower<'_>) -> Result<()> {
        // SAFETY: borrowed exclusively; each reference ends before generated
        // code runs.
        let ty = self.shared_ty(unsafe { store.get() })?;
        if results.len() != ty.results().len() {
            return Err(Misuse::WrongArity.into());
        }
        let mut cells = Cells::new(ty.params().len().max(ty.results().len()))?;
        let cells = cells.as_mut_ptr();
        // SAFETY: the cells have room for both sides of the type, and hold the
        // parameters by the time of the call; the function is of this store.
        let outcome = unsafe {
            lower(store.get(), ty.params(), cells)?;
            call::invoke(store, self.func_ref, cells)
        };
        // SAFETY: generated code has ended.
        let opaque = unsafe { store.get() };
        let outcome = outcome.and_then(|()| {
            for (at, (result, ty)) in results.iter_mut().zip(ty.results()).enumerate() {
                // SAFETY: the function has written its results.
                *result = Val::lift(unsafe { *cells.add(at) }, *ty, opaque)?;
            }
            Ok(())
        });
        opaque.call_returned();
        outcome
    }
}

/// Writes parameters of these types to cells.
type Lower<'a> = dyn FnMut(&mut StoreOpaque, &[ValType], *mut ValRaw) -> Result<()> + 'a;

/// A definition for a closure over [`Val`]s.
pub(super) fn dynamic_def<T: 'static>(
    engine: &super::engine::Engine,
    ty: &FuncType,
    func: impl Fn(Caller<'_, T>, &[Val], &mut [Val]) -> Result<()> + Send + Sync + 'static,
) -> Result<Shared<HostDef>> {
    fn shim_for<T, F>(_: &F) -> host_func::HostCall
    where
        T: 'static,
        F: Fn(Caller<'_, T>, &[Val], &mut [Val]) -> Result<()> + Send + Sync + 'static,
    {
        host_func::dynamic::<T, F>
    }
    let call = shim_for(&func);
    // SAFETY: the shim is made for the closure's type and takes any signature.
    unsafe { HostDef::new(engine, ty, call, alloc::try_box(func)?) }
}

/// A definition for a closure with Rust types.
pub(super) fn wrapped_def<T, Params, Results>(
    engine: &super::engine::Engine,
    func: impl IntoFunc<T, Params, Results>,
) -> Result<Shared<HostDef>> {
    let parts = func.into_parts()?;
    // SAFETY: the parts belong together.
    unsafe { HostDef::new(engine, &parts.ty, parts.call, parts.closure) }
}

/// A function whose type has been checked against Rust types.
pub struct TypedFunc<P, R> {
    func: Func,
    _types: PhantomData<fn(P) -> R>,
}

impl<P, R> Clone for TypedFunc<P, R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<P, R> Copy for TypedFunc<P, R> {}

impl<P: WasmParams, R: WasmResults> TypedFunc<P, R> {
    /// The function without its types.
    pub fn func(&self) -> &Func {
        &self.func
    }

    /// Calls the function.
    ///
    /// # Errors
    /// [`crate::Error::Trap`] and whatever host functions return;
    /// [`Misuse::WrongStore`].
    #[inline]
    pub fn call(&self, mut store: impl AsContextMut, params: P) -> Result<R> {
        const { assert!(P::TYPES.len() <= INLINE_CELLS && R::TYPES.len() <= INLINE_CELLS) };
        let store = store.as_context_mut().ptr();
        let mut cells: InlineCells = MaybeUninit::uninit();
        let cells = cells.as_mut_ptr().cast();
        // SAFETY: borrowed exclusively; the reference ends before generated
        // code runs. The cells have room.
        unsafe {
            let store = store.get();
            self.func.check_store(store)?;
            params.lower_all(OpaqueStore::from_mut(store), cells)?;
        }
        // SAFETY: the function is of this store and of the types whose cells
        // were written.
        let outcome = unsafe { call::invoke(store, self.func.func_ref, cells) };
        // SAFETY: generated code has ended.
        let store = unsafe { store.get() };
        // An outcome that both ways share would be copied through memory, and
        // wait there for its own parts.
        match outcome {
            Ok(()) => {
                // SAFETY: the function has written its results.
                let results = unsafe { R::lift_all(OpaqueStore::from_ref(store), cells) };
                store.call_returned();
                results
            }
            Err(error) => {
                store.call_returned();
                Err(error)
            }
        }
    }
}

impl core::fmt::Debug for Func {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_tuple("Func").field(&self.func_ref).finish()
    }
}

impl<P, R> core::fmt::Debug for TypedFunc<P, R> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_tuple("TypedFunc").field(&self.func).finish()
    }
}
