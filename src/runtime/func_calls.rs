//! Types of functions, and calling them: [`Func::call`] with values whose types
//! are only known at run time, [`TypedFunc`] with Rust types.
//!
//! Invariant: arguments are checked, and their slots reserved, before the first
//! cell is written; each call of generated code is followed by
//! [`StoreOpaque::call_returned`], once its results have been read.

use super::convert::{self, WasmParams, WasmResults};
use super::func::Func;
use super::store::{AsContext, AsContextMut};
use super::value::Val;
use crate::abi::ValRaw;
use crate::alloc;
use crate::artifact::{FuncType, ValType};
use crate::engine::limits::INLINE_CELLS;
use crate::error::{Misuse, Result};
use crate::vm::call::{self, Cells, InlineCells};
use crate::vm::store::{StoreOpaque, StorePtr};
use core::marker::PhantomData;
use core::mem::MaybeUninit;
use std_alloc::vec::Vec;

impl Func {
    /// The function's type.
    ///
    /// # Errors
    /// [`Misuse::WrongStore`]; [`crate::Error::OutOfMemory`].
    pub fn ty(&self, store: impl AsContext) -> Result<FuncType> {
        self.ty_in(store.as_context().opaque())
    }

    /// Checks the function's type once, so that calls need not.
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

    /// Calls the function. `results` must have as many elements as the function
    /// has results; what they hold before does not matter.
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
            unsafe { convert::lower_clones(store, types, params, cells) }
        })
    }

    /// As [`Self::call`], but gives the results, however many they are.
    ///
    /// # Errors
    /// As for [`Self::call`]; [`crate::Error::OutOfMemory`] before the call if there is
    /// no room for them.
    pub fn call_values(&self, mut store: impl AsContextMut, params: &[Val]) -> Result<Vec<Val>> {
        let mut store = store.as_context_mut();
        let count = self.shared_ty(store.opaque())?.results().len();
        let mut results = alloc::try_vec_with_capacity(count)?;
        results.resize_with(count, || Val::I32(0));
        self.call(&mut store, params, &mut results)?;
        Ok(results)
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
            unsafe { convert::lower_list(store, types, params, cells) }
        })
    }

    /// `lower` writes the parameters to the cells that it is given, once.
    fn call_with(&self, store: StorePtr, results: &mut [Val], lower: &mut Lower<'_>) -> Result<()> {
        // SAFETY: borrowed exclusively; each reference ends before generated
        // code runs (V3).
        let (ty, func_ref) = unsafe {
            let store = store.get();
            (self.shared_ty(store)?, self.pinned.in_store(store)?)
        };
        if results.len() != ty.results().len() {
            return Err(Misuse::WrongArity.into());
        }
        let mut cells = Cells::new(ty.params().len().max(ty.results().len()))?;
        let cells = cells.as_mut_ptr();
        // SAFETY: the cells have room for both sides of the type, and hold the parameters
        // by the time of the call; the function is of this store (V6).
        let outcome = unsafe {
            lower(store.get(), ty.params(), cells)?;
            call::invoke(store, func_ref, cells)
        };
        // SAFETY: generated code has ended (V3).
        let opaque = unsafe { store.get() };
        let outcome = outcome.and_then(|()| {
            for (at, (result, ty)) in results.iter_mut().zip(ty.results()).enumerate() {
                // SAFETY: the function has written its results.
                *result = Val::lift(unsafe { convert::read(cells.add(at), *ty) }, *ty, opaque)?;
            }
            Ok(())
        });
        opaque.call_returned();
        outcome
    }
}

/// Writes parameters of these types to cells.
type Lower<'a> = dyn FnMut(&mut StoreOpaque, &[ValType], *mut ValRaw) -> Result<()> + 'a;

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
        // code runs (V3). The cells have room.
        let func_ref = unsafe {
            let store = store.get();
            let func_ref = self.func.pinned.in_store(store)?;
            params.lower_all(store, cells)?;
            func_ref
        };
        // SAFETY: the function is of this store (V6) and of the types whose
        // cells were written.
        let outcome = unsafe { call::invoke(store, func_ref, cells) };
        // SAFETY: generated code has ended (V3).
        let store = unsafe { store.get() };
        // Two returns, because a shared outcome would be built in memory and
        // then copied.
        match outcome {
            Ok(()) => {
                // SAFETY: the function has written its results.
                let results = unsafe { R::lift_all(store, cells) };
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

impl<P, R> core::fmt::Debug for TypedFunc<P, R> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_tuple("TypedFunc").field(&self.func).finish()
    }
}
