//! What generated code calls: one thin `extern "C"` shim per entry of
//! [`crate::abi::VmBuiltins`], and the encoding of failures. Those for bulk work
//! are in [`super::bulk_builtins`].
//!
//! Arguments are guest numbers unless the compiler made them; both are checked.

use super::bulk;
use super::bulk_builtins::{
    copy_bytes, copy_pieces, fill_bytes, fill_pieces, memory_grow, memory_init, table_copy,
    table_fill, table_grow, table_init,
};
use super::catch::catch;
use super::interrupts::is_interrupted;
use super::layout::StoreFunctions;
use super::segments;
use super::store::{StoreOpaque, StorePtr};
use crate::abi::{DataIndex, ElemIndex, Trap, VmBuiltins, VmContext, VmStoreContext};
use crate::error::{Error, Result};

/// All functions that a store's context names.
pub(crate) const FUNCTIONS: StoreFunctions =
    StoreFunctions { builtins: &BUILTINS, stopped, check_failed, host_failed, guards };

/// The functions, for every store.
static BUILTINS: VmBuiltins = VmBuiltins {
    memory_grow,
    copy_bytes,
    fill_bytes,
    copy_pieces,
    fill_pieces,
    memory_init,
    data_drop,
    table_grow,
    table_fill,
    table_copy,
    table_init,
    elem_drop,
    read_barrier_slow,
    write_barrier_zero,
    epoch_reached,
    fuel_exhausted,
    zeal_safepoint,
};

/// The store of a calling instance and the instance's index in it.
///
/// # Safety
/// `context` is the context of an instance of a live store.
unsafe fn caller(context: *mut VmContext) -> (StorePtr, u32) {
    // SAFETY: passed on to the caller.
    unsafe { (StorePtr::from_vm((*context).store), (*context).instance) }
}

/// Runs the body of a builtin that does not fail and does not reach embedder code.
/// It traps only if someone has asked for the end.
///
/// # Safety
/// As for [`caller`]; no reference to the store is in use.
unsafe fn never_failing(context: *mut VmContext, body: impl FnOnce(&mut StoreOpaque, u32)) -> i64 {
    // SAFETY: passed on to the caller.
    unsafe {
        let (store, instance) = caller(context);
        body(store.get(), instance);
        match is_interrupted((*context).store) {
            false => 0,
            true => encoded(store.get().interrupted()),
        }
    }
}

/// Runs the body of a builtin that may trap, and may reach embedder code: a
/// panic of that does not unwind into generated code.
///
/// # Safety
/// As for [`caller`]; no reference to the store is in use.
pub(super) unsafe fn trapping(
    context: *mut VmContext,
    body: impl FnOnce(StorePtr, u32) -> Result<i64>,
) -> i64 {
    // SAFETY: passed on to the caller.
    let (store, instance) = unsafe { caller(context) };
    let outcome = catch(store, || body(store, instance));
    // SAFETY: the context of a live store.
    let is_interrupted = unsafe { is_interrupted((*context).store) };
    match outcome {
        Ok(result) if !is_interrupted => result,
        // SAFETY: the body is over, and with it its references (V3).
        Ok(_) => encoded(unsafe { store.get() }.interrupted()),
        // SAFETY: as above.
        Err(error) => failure(unsafe { store.get() }, error),
    }
}

/// Records an error and encodes it.
#[cold]
fn failure(store: &mut StoreOpaque, error: Error) -> i64 {
    // Wasm itself fails here: no trap of a nested activation is passing
    // through.
    store.trap_passes = false;
    encoded(store.record_failure(error))
}

/// A trap as a builtin's result: below −1, so that it cannot be taken for another.
fn encoded(trap: Trap) -> i64 {
    -(trap as i64) - 1
}

unsafe extern "C" fn data_drop(context: *mut VmContext, segment: u32) -> i64 {
    // SAFETY: by the contract of `VmBuiltins` (V3, V5).
    unsafe {
        never_failing(context, |store, instance| {
            segments::data_drop(store, instance, DataIndex(segment));
        })
    }
}

unsafe extern "C" fn elem_drop(context: *mut VmContext, segment: u32) -> i64 {
    // SAFETY: by the contract of `VmBuiltins` (V3, V5).
    unsafe {
        never_failing(context, |store, instance| {
            segments::elem_drop(store, instance, ElemIndex(segment));
        })
    }
}

unsafe extern "C" fn read_barrier_slow(context: *mut VmContext) -> i64 {
    // No destructors here: this is inside a barrier.
    // SAFETY: by the contract of `VmBuiltins` (V3, V5).
    unsafe { trapping(context, |store, _| store.get().collect_undrained().map(|()| 0)) }
}

unsafe extern "C" fn write_barrier_zero(context: *mut VmContext, slot: u32) -> i64 {
    // SAFETY: by the contract of `VmBuiltins` (V3, V5).
    unsafe { never_failing(context, |store, _| store.heap.decremented_to_zero(slot)) }
}

unsafe extern "C" fn epoch_reached(context: *mut VmContext) -> i64 {
    // SAFETY: by the contract of `VmBuiltins` (V3, V5).
    unsafe { trapping(context, |store, _| bulk::epoch_reached(store).map(|()| 0)) }
}

unsafe extern "C" fn fuel_exhausted(context: *mut VmContext) -> i64 {
    // SAFETY: by the contract of `VmBuiltins` (V3, V5).
    unsafe { trapping(context, |_, _| Err(Trap::OutOfFuel.into())) }
}

unsafe extern "C" fn zeal_safepoint(context: *mut VmContext) -> i64 {
    // No destructors here: generated code may be between a load and its use.
    // SAFETY: by the contract of `VmBuiltins` (V3, V5).
    unsafe {
        trapping(context, |store, _| {
            let store = store.get();
            if store.heap.zeal_is_due() || store.heap.wants_collection() {
                store.collect_undrained()?;
            }
            Ok(0)
        })
    }
}

/// See [`VmStoreContext::stopped`].
///
/// # Safety
/// `vm` is the context of a live store to which no reference is in use, and its
/// exit record is set.
unsafe extern "C" fn stopped(vm: *mut VmStoreContext) -> u64 {
    // SAFETY: by this function's contract; the reference ends with the call (V3).
    let (store, reason) = unsafe { (StorePtr::from_vm(vm).get(), (*vm).stopped_by) };
    store.trap_passes = false;
    match Trap::from_code(reason) {
        Some(Trap::Interrupt) => {
            store.cut_short();
            store.interrupted() as u64
        }
        Some(trap) => store.record_failure(trap.into()) as u64,
        None => store.record_failure(Error::Bug("stopped for an unknown reason")) as u64,
    }
}

/// See [`VmStoreContext::host_failed`].
///
/// # Safety
/// As for [`stopped`].
unsafe extern "C" fn host_failed(vm: *mut VmStoreContext, status: u64) -> u64 {
    // SAFETY: by this function's contract; the reference ends with the call (V3).
    unsafe { StorePtr::from_vm(vm).get() }.host_failed(status)
}

/// See [`VmStoreContext::check_failed`].
///
/// # Safety
/// As for [`stopped`].
unsafe extern "C" fn check_failed(vm: *mut VmStoreContext) -> u64 {
    // SAFETY: by this function's contract; the reference ends with the call (V3).
    let (store, exit_pc) = unsafe { (StorePtr::from_vm(vm).get(), (*vm).exit_pc) };
    store.trap_passes = false;
    let site = store.code.lookup(exit_pc).and_then(|(module, offset)| module.site(offset));
    let error = match site.and_then(|site| site.trap) {
        // What moved bytes was told so.
        Some(Trap::Interrupt) => return store.interrupted() as u64,
        Some(trap) => trap.into(),
        None => Error::Bug("a check failed that is in no table"),
    };
    store.record_failure(error) as u64
}

/// See [`VmStoreContext::guards`]. Neither waits nor allocates.
///
/// # Safety
/// `vm` is the context of a live store that nothing changes meanwhile.
unsafe extern "C" fn guards(vm: *mut VmStoreContext, address: usize) -> bool {
    // SAFETY: by this function's contract; the reference ends with the call (V3).
    let store = unsafe { StorePtr::from_vm(vm).as_non_null().as_ref() };
    store.memories.iter().any(|memory| memory.guards(address))
}

/// Everything that compiled barriers and safepoints call, for `./x panic-check`.
///
/// # Safety
/// As for each of them.
#[cfg(kernref_panic_check)]
pub unsafe fn collector_builtins(context: *mut VmContext, slot: u32) -> [i64; 3] {
    // SAFETY: passed on to the caller.
    unsafe {
        [read_barrier_slow(context), write_barrier_zero(context, slot), zeal_safepoint(context)]
    }
}
