//! Host functions: their definition, the context through which generated code
//! reaches them, and the shim that runs one.
//!
//! Invariants: a trap never jumps over a Rust frame, and a panic never unwinds
//! into generated code: the shim turns both into a status. While a function
//! with borrowed reference arguments runs, they are roots.

use super::caller::Caller;
use super::convert::{HostArgs, OpaqueStore, WasmParams};
use super::engine::Engine;
use super::shared::Shared;
use super::store::{AsContextMut, StoreOpaque, StorePtr};
use super::value::Val;
use crate::abi::{
    HOST_CONTEXT_MAGIC, HostFrame, STATUS_OK, ValRaw, VmContext, VmFuncRef, VmHostContext,
    VmStoreContext,
};
use crate::alloc;
use crate::artifact::FuncType;
use crate::error::{Error, Misuse, Result};
use core::any::Any;
use std_alloc::{boxed::Box, vec::Vec};

/// Runs a host function for generated code.
pub(crate) type HostCall = unsafe extern "C" fn(*mut VmHostContext, *mut ValRaw) -> u64;

/// A host function, independent of any store but not of the type of its data.
pub(crate) struct HostDef {
    engine: Engine,
    type_id: u32,
    ty: Shared<FuncType>,
    call: HostCall,
    closure: Box<dyn Any + Send + Sync>,
}

impl HostDef {
    /// # Safety
    /// `call` is a shim for closures of the type that `closure` has, and for
    /// functions of type `ty`.
    pub(crate) unsafe fn new(
        engine: &Engine,
        ty: &FuncType,
        call: HostCall,
        closure: Box<dyn Any + Send + Sync>,
    ) -> Result<Shared<Self>> {
        super::limits::PARAMS.check(ty.params().len() as u64)?;
        super::limits::RESULTS.check(ty.results().len() as u64)?;
        let type_id = engine.register_type(ty)?;
        let ty = engine.func_type(type_id)?;
        Shared::new(Self { engine: engine.clone(), type_id, ty, call, closure })
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    pub(crate) fn type_id(&self) -> u32 {
        self.type_id
    }

    pub(crate) fn ty(&self) -> &FuncType {
        &self.ty
    }
}

impl Drop for HostDef {
    fn drop(&mut self) {
        self.engine.unregister_type(self.type_id);
    }
}

/// A host function's context as one importer sees it.
#[repr(C)]
pub(crate) struct HostContext {
    vm: VmHostContext,
    /// The closure inside `def`.
    closure: *const (),
    def: Shared<HostDef>,
}

impl HostContext {
    pub(crate) fn new(
        def: Shared<HostDef>,
        index: u32,
        store: *mut VmStoreContext,
        caller: *mut VmContext,
    ) -> Self {
        let closure: *const (dyn Any + Send + Sync) = &raw const *def.closure;
        Self {
            vm: VmHostContext {
                magic: HOST_CONTEXT_MAGIC,
                host_func: index,
                store,
                call: def.call,
                caller,
            },
            closure: closure.cast(),
            def,
        }
    }

    pub(crate) fn def(&self) -> &Shared<HostDef> {
        &self.def
    }
}

/// A host function of a store that no instance imports (yet).
#[repr(C)]
pub(crate) struct StoreHostFunc {
    pub(crate) func_ref: VmFuncRef,
    pub(crate) context: HostContext,
}

/// The host context behind a func ref, if it is that of a host function.
///
/// # Safety
/// `func_ref` is alive.
pub(crate) unsafe fn host_context(func_ref: *const VmFuncRef) -> Option<*mut HostContext> {
    // SAFETY: a func ref's context is that of an instance or a host function;
    // both start with a magic number. Passed on to the caller.
    unsafe {
        let context = (*func_ref).context;
        ((*context).magic == HOST_CONTEXT_MAGIC).then(|| context.cast())
    }
}

/// Links a host frame while it lives.
struct FrameLink {
    vm: *mut VmStoreContext,
    previous: *mut HostFrame,
}

impl Drop for FrameLink {
    fn drop(&mut self) {
        // SAFETY: the context outlives every call on its store.
        unsafe { (*self.vm).host_frames = self.previous };
    }
}

/// Runs one host call: `body` gets the caller and makes the results, which are
/// then lowered into the cells.
///
/// # Safety
/// `context` is a [`HostContext`] of a live store with data of type `T`, free
/// to be used; `cells` has room for the function's parameters and results and
/// holds the parameters.
#[inline(always)]
pub(crate) unsafe fn run<T: 'static, A: HostArgs, R: WasmParams>(
    context: *mut VmHostContext,
    cells: *mut ValRaw,
    body: impl FnOnce(*const (), Caller<'_, T>) -> Result<R>,
) -> u64 {
    // SAFETY: the context is alive for the whole call, because the store is.
    let (closure, vm, caller) = unsafe {
        let context = context.cast::<HostContext>();
        ((*context).closure, (*context).vm.store, (*context).vm.caller)
    };
    // SAFETY: the context belongs to a live store.
    let store = unsafe { StorePtr::from_vm(vm) };
    let outcome = catch(store, move || {
        // SAFETY: nothing else of the store is in use.
        unsafe { store.get() }.host_called();
        let mut frame = HostFrame {
            previous: core::ptr::null_mut(),
            values: cells,
            len: A::ROOTED.len(),
            is_externref: A::ROOTED.as_ptr(),
            serial: 0,
        };
        let mut _link = None;
        if A::ANY_ROOTED {
            // SAFETY: nothing else of the store is in use; the frame stays
            // where it is until the link is dropped.
            unsafe {
                let serial = &mut store.get().serial;
                *serial += 1;
                frame.serial = *serial;
                frame.previous = (*vm).host_frames;
                _link = Some(FrameLink { vm, previous: frame.previous });
                (*vm).host_frames = &raw mut frame;
            }
        }
        // SAFETY: the store is free to be used, and its data is a `T`.
        let results = body(closure, unsafe { Caller::new(store, caller, frame.serial) })?;
        // SAFETY: the caller is gone; room is this function's precondition.
        unsafe { results.lower_all(OpaqueStore::from_mut(store.get()), cells) }
    });
    match outcome {
        Ok(()) => STATUS_OK,
        // SAFETY: nothing else of the store is in use.
        Err(error) => unsafe { store.get() }.record_failure(error) as u64,
    }
}

/// Keeps what a panic carries until the activation has ended. Out of line, so
/// that host calls do not save registers for it.
///
/// # Safety
/// The code that used the store has been unwound.
#[cfg(feature = "std")]
#[cold]
#[inline(never)]
unsafe fn panicked(store: StorePtr, payload: super::store::PanicPayload) -> Error {
    // SAFETY: passed on to the caller.
    unsafe { store.get() }.panic = Some(payload);
    crate::abi::Trap::HostError.into()
}

/// Runs embedder code below which generated code is on the stack. A panic
/// becomes an error; it goes on when the activation has ended.
#[cfg(feature = "std")]
#[inline(always)]
pub(crate) fn catch<V>(store: StorePtr, body: impl FnOnce() -> Result<V>) -> Result<V> {
    match std::panic::catch_unwind(core::panic::AssertUnwindSafe(body)) {
        Ok(outcome) => outcome,
        // SAFETY: it has been.
        Err(payload) => Err(unsafe { panicked(store, payload) }),
    }
}

/// Runs embedder code below which generated code is on the stack. Without
/// `std` a panic does not unwind.
#[cfg(not(feature = "std"))]
#[inline(always)]
pub(crate) fn catch<V>(_store: StorePtr, body: impl FnOnce() -> Result<V>) -> Result<V> {
    body()
}

/// Results that [`dynamic`] has written itself.
struct Written;

// SAFETY: writes nothing.
unsafe impl WasmParams for Written {
    const TYPES: &'static [crate::artifact::ValType] = &[];

    #[inline]
    unsafe fn lower_all(self, _: &mut OpaqueStore, _: *mut ValRaw) -> Result<()> {
        Ok(())
    }
}

/// The shim for closures that take and give [`Val`]s.
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
        let def = (*context.cast::<HostContext>()).def.clone();
        run::<T, (), Written>(context, cells, |closure, mut caller| {
            let store = caller.as_context_mut().ptr();
            let mut values = core::mem::take(&mut store.get().spare_values);
            let outcome =
                call_dynamic::<T, F>(&*closure.cast(), caller, &def.ty, cells, &mut values);
            values.clear();
            store.get().spare_values = values;
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
    values: &mut std_alloc::vec::Vec<Val>,
) -> Result<()>
where
    T: 'static,
    F: Fn(Caller<'_, T>, &[Val], &mut [Val]) -> Result<()> + Send + Sync + 'static,
{
    let store = caller.as_context_mut().ptr();
    // SAFETY: passed on to the caller; nothing of the store is in use.
    unsafe { lift_values(store.get(), ty, cells, values)? };
    let (params, results) = values.split_at_mut(ty.params().len());
    closure(caller, params, results)?;
    // SAFETY: the caller is gone; room is this function's precondition.
    unsafe { lower_clones(store.get(), ty.results(), results, cells) }
}

/// What a closure is called with: its parameters, and room for its results.
///
/// # Safety
/// The cells hold parameters of this type.
unsafe fn lift_values(
    store: &mut StoreOpaque,
    ty: &FuncType,
    cells: *const ValRaw,
    values: &mut std_alloc::vec::Vec<Val>,
) -> Result<()> {
    let count = ty.params().len() + ty.results().len();
    let bytes = count * size_of::<Val>();
    values.try_reserve(count).map_err(|_| Error::OutOfMemory { bytes })?;
    for (at, ty) in ty.params().iter().enumerate() {
        // SAFETY: by this function's contract.
        values.push(unsafe { Val::lift(*cells.add(at), *ty, store)? });
    }
    values.extend(ty.results().iter().map(|ty| Val::default_for_ty(*ty)));
    Ok(())
}

/// Checks values against their types and reserves the slots they need.
fn reserve_for(
    store: &mut StoreOpaque,
    types: &[crate::artifact::ValType],
    values: &[Val],
) -> Result<()> {
    if values.len() != types.len() {
        return Err(Misuse::WrongArity.into());
    }
    let mut slots = 0;
    for (value, ty) in values.iter().zip(types) {
        value.check(*ty, store)?;
        slots += u32::from(value.takes_slot());
    }
    match slots {
        0 => Ok(()),
        slots => store.reserve_references(slots),
    }
}

/// Checks values, reserves, writes clones of them to the cells.
///
/// # Safety
/// `cells` has room for as many cells as there are types.
pub(crate) unsafe fn lower_clones(
    store: &mut StoreOpaque,
    types: &[crate::artifact::ValType],
    values: &[Val],
    cells: *mut ValRaw,
) -> Result<()> {
    reserve_for(store, types, values)?;
    for (at, value) in values.iter().enumerate() {
        // SAFETY: passed on to the caller.
        unsafe { cells.add(at).write(value.clone().lower(store)?) };
    }
    Ok(())
}

/// The same, but moves the values.
///
/// # Safety
/// `cells` has room for as many cells as there are types.
pub(crate) unsafe fn lower_values(
    store: &mut StoreOpaque,
    types: &[crate::artifact::ValType],
    values: Vec<Val>,
    cells: *mut ValRaw,
) -> Result<()> {
    reserve_for(store, types, &values)?;
    for (at, value) in values.into_iter().enumerate() {
        // SAFETY: passed on to the caller.
        unsafe { cells.add(at).write(value.lower(store)?) };
    }
    Ok(())
}

/// A boxed closure for [`HostDef::new`].
pub(crate) fn erase<F: Send + Sync + 'static>(closure: F) -> Result<Box<dyn Any + Send + Sync>> {
    Ok(alloc::try_box(closure)?)
}
