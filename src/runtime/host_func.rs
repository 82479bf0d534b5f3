//! Host functions: making them, and the shim that runs one.
//!
//! Invariants: a trap never jumps over a Rust frame, and a panic never unwinds
//! into generated code: the shim turns both into a status. While a function
//! with borrowed reference arguments runs, they are roots.

use super::caller::Caller;
use super::convert::{self, HostArgs, WasmParams};
use super::func::Func;
use super::host_item::HostItem;
use super::into_func::IntoFunc;
use super::store::{AsContextMut, StoreContextMut};
use super::value::Val;
use crate::abi::{HostFrame, ValRaw, VmHostContext, VmStoreContext};
use crate::alloc;
use crate::artifact::{FuncType, ValType};
use crate::engine::Engine;
use crate::error::Result;
use crate::vm::catch::catch;
use crate::vm::host_def::{Closure, HostCall, HostContext};
use crate::vm::host_frame::FrameLink;
use crate::vm::interrupts::requested_status;
use crate::vm::store::{StoreOpaque, StorePtr};
use std_alloc::vec::Vec;

impl Func {
    /// A host function whose type is only known at run time.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`], [`crate::Error::Limit`].
    pub fn new<C: AsContextMut>(
        mut store: C,
        ty: FuncType,
        func: impl Fn(Caller<'_, C::Data>, &[Val], &mut [Val]) -> Result<()> + Send + Sync + 'static,
    ) -> Result<Self> {
        let mut store = store.as_context_mut();
        dynamic_item(store.engine(), &ty, func)?.add_to(&mut store)
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
        wrapped_item(store.engine(), func)?.add_to(&mut store)
    }
}

/// A definition for a closure over [`Val`]s.
pub(super) fn dynamic_item<T: 'static>(
    engine: &Engine,
    ty: &FuncType,
    func: impl Fn(Caller<'_, T>, &[Val], &mut [Val]) -> Result<()> + Send + Sync + 'static,
) -> Result<HostItem<T>> {
    fn shim_for<T, F>(_: &F) -> HostCall
    where
        T: 'static,
        F: Fn(Caller<'_, T>, &[Val], &mut [Val]) -> Result<()> + Send + Sync + 'static,
    {
        dynamic::<T, F>
    }
    let call = shim_for(&func);
    // SAFETY: the shim is made for the closure's type and for `T`, and takes any
    // signature.
    unsafe { HostItem::new(engine, ty, call, alloc::try_box(func)?) }
}

/// A definition for a closure with Rust types.
pub(super) fn wrapped_item<T: 'static, Params, Results>(
    engine: &Engine,
    func: impl IntoFunc<T, Params, Results>,
) -> Result<HostItem<T>> {
    let parts = func.into_parts()?;
    // SAFETY: the trait guarantees what the constructor requires.
    unsafe { HostItem::new(engine, &parts.ty, parts.call, parts.closure) }
}

/// A frame for the parameters in `cells`, not linked yet.
#[inline(always)]
fn frame_of<A: HostArgs>(cells: *const ValRaw) -> HostFrame {
    HostFrame {
        previous: core::ptr::null_mut(),
        values: cells,
        len: A::ROOTED.len(),
        is_rooted: A::ROOTED.as_ptr(),
        serial: 0,
    }
}

/// The status that tells generated code how a host call ended.
///
/// # Safety
/// `vm` is the context of a live store to which no reference is in use.
#[inline(always)]
unsafe fn status_of(vm: *mut VmStoreContext, outcome: Result<()>) -> u64 {
    // SAFETY: passed on to the caller. The store is found from its context once
    // more, which spares a register that would have to be saved.
    unsafe {
        match outcome {
            Ok(()) => requested_status(vm),
            Err(error) => StorePtr::from_vm(vm).get().record_failure(error) as u64,
        }
    }
}

/// Runs one host call: `body` gets the caller and makes the results, which are
/// then lowered into the cells.
///
/// # Safety
/// `context` is a [`HostContext`] of a live store with data of type `T`, to
/// which no reference is in use; `cells` has room for the function's parameters
/// and results and holds the parameters.
#[inline(always)]
pub(crate) unsafe fn run<T: 'static, A: HostArgs, R: WasmParams>(
    context: *mut VmHostContext,
    cells: *mut ValRaw,
    body: impl FnOnce(*const (), Caller<'_, T>) -> Result<R>,
) -> u64 {
    // SAFETY: the context is in its place for the whole call, because the store is (V1).
    let (closure, vm, caller) = unsafe { HostContext::parts(context) };
    // SAFETY: the context belongs to a live store (V1).
    let store = unsafe { StorePtr::from_vm(vm) };
    let mut vm = vm;
    let outcome = catch(store, || {
        // SAFETY: no other reference to the store is in use (V3).
        vm = unsafe { store.get() }.host_called(vm);
        let mut frame = frame_of::<A>(cells);
        let mut _link = None;
        if A::ANY_ROOTED {
            // SAFETY: as above. The frame stays here, and so do the cells, until
            // the link is dropped.
            _link = Some(unsafe { FrameLink::new(store, vm, &raw mut frame) });
        }
        // SAFETY: no reference to the store is in use (V3), and its data is a `T`.
        let context = unsafe { StoreContextMut::from_ptr(store) };
        let results = body(closure, Caller::new(context, caller, frame.serial))?;
        // SAFETY: the caller's borrow is over (V3); the room is guaranteed by
        // this function's contract.
        unsafe { results.lower_all(store.get(), cells) }
    });
    // SAFETY: the call is over (V3).
    unsafe { status_of(vm, outcome) }
}

/// Results that [`dynamic`] has written itself.
struct Written;

// SAFETY: writes nothing.
unsafe impl WasmParams for Written {
    const TYPES: &'static [ValType] = &[];

    #[inline]
    unsafe fn lower_all(self, _: &mut StoreOpaque, _: *mut ValRaw) -> Result<()> {
        Ok(())
    }
}

/// The shim for closures that take and return [`Val`]s.
///
/// # Safety
/// As for [`run`]; the closure is an `F`.
pub(crate) unsafe extern "C" fn dynamic<T, F>(
    context: *mut VmHostContext,
    cells: *mut ValRaw,
) -> u64
where
    T: 'static,
    F: Fn(Caller<'_, T>, &[Val], &mut [Val]) -> Result<()> + Send + Sync + 'static,
{
    // SAFETY: passed on to the caller.
    unsafe {
        let def = (*context.cast::<HostContext>()).def().clone();
        run::<T, (), Written>(context, cells, |closure, mut caller| {
            let store = caller.as_context_mut().ptr();
            // Taken out while it is used: calls nest.
            let mut values = core::mem::take(caller.as_context_mut().spare_values());
            let outcome =
                call_dynamic::<T, F>(&*closure.cast(), caller, def.ty(), cells, &mut values);
            values.clear();
            *StoreContextMut::<T>::from_ptr(store).spare_values() = values;
            outcome.map(|()| Written)
        })
    }
}

/// # Safety
/// As for [`run`].
unsafe fn call_dynamic<T, F>(
    closure: &F,
    mut caller: Caller<'_, T>,
    ty: &FuncType,
    cells: *mut ValRaw,
    values: &mut Vec<Val>,
) -> Result<()>
where
    T: 'static,
    F: Fn(Caller<'_, T>, &[Val], &mut [Val]) -> Result<()> + Send + Sync + 'static,
{
    let store = caller.as_context_mut().ptr();
    // SAFETY: passed on to the caller; no reference to the store is in use (V3).
    unsafe { convert::lift_list(store.get(), ty, cells, values)? };
    let (params, results) = values.split_at_mut(ty.params().len());
    closure(caller, params, results)?;
    // SAFETY: the caller's borrow is over (V3); the room is guaranteed by this
    // function's contract.
    unsafe { convert::lower_clones(store.get(), ty.results(), results, cells) }
}

/// A boxed closure for [`HostItem::new`].
pub(crate) fn erase<F: Send + Sync + 'static>(closure: F) -> Result<Closure> {
    Ok(alloc::try_box(closure)?)
}
