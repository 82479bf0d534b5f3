//! What generated code calls: one thin `extern "C"` shim per entry of
//! [`crate::abi::VmBuiltins`], and the encoding of failures. The work is done
//! in [`super::memory_ops`], [`super::table_ops`], [`super::segments`] and `gc`.
//!
//! Arguments are guest numbers unless the compiler made them; both are checked.

use super::catch::catch;
use super::layout::StoreFunctions;
use super::memory_ops;
use super::segments;
use super::store::{StoreOpaque, StorePtr};
use super::table_ops;
use crate::abi::{
    DataIndex, ElemIndex, MemoryIndex, TableIndex, Trap, VmBuiltins, VmContext, VmStoreContext,
};
use crate::error::{Error, Result};
use core::ptr::{with_exposed_provenance, with_exposed_provenance_mut};

/// All functions that a store's context names.
pub(crate) const FUNCTIONS: StoreFunctions =
    StoreFunctions { builtins: &BUILTINS, memory_fault, check_failed, guards };

/// The functions, for every store.
static BUILTINS: VmBuiltins = VmBuiltins {
    memory_grow,
    copy_bytes,
    fill_bytes,
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

/// What a `grow` instruction yields when it fails.
const NO_GROWTH: i64 = -1;

/// The store of a calling instance and the instance's index in it.
///
/// # Safety
/// `context` is the context of an instance of a live store.
unsafe fn caller(context: *mut VmContext) -> (StorePtr, u32) {
    // SAFETY: passed on to the caller.
    unsafe { (StorePtr::from_vm((*context).store), (*context).instance) }
}

/// Runs the body of a builtin that does not trap: its result, or
/// [`NO_GROWTH`].
///
/// # Safety
/// As for [`caller`]; no reference to the store is in use.
unsafe fn never_trapping(
    context: *mut VmContext,
    body: impl FnOnce(&mut StoreOpaque, u32) -> Option<i64>,
) -> i64 {
    // SAFETY: passed on to the caller.
    unsafe {
        let (store, instance) = caller(context);
        body(store.get(), instance).unwrap_or(NO_GROWTH)
    }
}

/// Runs the body of a builtin that may trap and has no result.
///
/// # Safety
/// As for [`caller`]; no reference to the store is in use.
unsafe fn trapping(
    context: *mut VmContext,
    body: impl FnOnce(&mut StoreOpaque, u32) -> Result<()>,
) -> i64 {
    // SAFETY: passed on to the caller.
    let (store, instance) = unsafe { caller(context) };
    // SAFETY: as above; the reference ends with the call (V3).
    match body(unsafe { store.get() }, instance) {
        Ok(()) => 0,
        // SAFETY: the body is over, and with it its reference (V3).
        Err(error) => failure(unsafe { store.get() }, error),
    }
}

/// Records an error and encodes it: below −1, so that it cannot be taken for a
/// result.
#[cold]
fn failure(store: &mut StoreOpaque, error: Error) -> i64 {
    // Wasm itself fails here: no trap of a nested activation is passing
    // through.
    store.trap_passes = false;
    -(store.record_failure(error) as i64) - 1
}

unsafe extern "C" fn memory_grow(context: *mut VmContext, memory: u32, delta: u64) -> i64 {
    // SAFETY: by the contract of `VmBuiltins` (V3, V5).
    unsafe {
        never_trapping(context, |store, instance| {
            let index = store.instances.get(instance as usize)?.memory(MemoryIndex(memory)).ok()?;
            memory_ops::grow(store, index, delta).ok()?.try_into().ok()
        })
    }
}

/// Bypasses the store, and touches nothing of it.
///
/// # Safety
/// Generated code has checked both ranges against memories of its store, which
/// nobody else uses meanwhile; they may overlap.
unsafe extern "C" fn copy_bytes(_: *mut VmContext, dst: u64, src: u64, len: u64) -> i64 {
    let src = with_exposed_provenance::<u8>(src as usize);
    let dst = with_exposed_provenance_mut::<u8>(dst as usize);
    // SAFETY: by this function's contract.
    unsafe { core::ptr::copy(src, dst, len as usize) };
    0
}

/// Bypasses the store, and touches nothing of it.
///
/// # Safety
/// As for [`copy_bytes`].
unsafe extern "C" fn fill_bytes(_: *mut VmContext, dst: u64, value: u32, len: u64) -> i64 {
    let dst = with_exposed_provenance_mut::<u8>(dst as usize);
    // SAFETY: by this function's contract.
    unsafe { dst.write_bytes(value as u8, len as usize) };
    0
}

unsafe extern "C" fn memory_init(
    context: *mut VmContext,
    memory: u32,
    segment: u32,
    dst: u64,
    src: u32,
    len: u32,
) -> i64 {
    let (memory, segment) = (MemoryIndex(memory), DataIndex(segment));
    let (src, len) = (u64::from(src), u64::from(len));
    // SAFETY: by the contract of `VmBuiltins` (V3, V5).
    unsafe {
        trapping(context, |store, instance| {
            segments::memory_init(store, instance, memory, segment, dst, src, len)
        })
    }
}

unsafe extern "C" fn data_drop(context: *mut VmContext, segment: u32) -> i64 {
    // SAFETY: by the contract of `VmBuiltins` (V3, V5).
    unsafe {
        never_trapping(context, |store, instance| {
            segments::data_drop(store, instance, DataIndex(segment));
            Some(0)
        })
    }
}

unsafe extern "C" fn table_grow(context: *mut VmContext, table: u32, delta: u64, init: u64) -> i64 {
    // SAFETY: by the contract of `VmBuiltins` (V3, V5).
    unsafe {
        never_trapping(context, |store, instance| {
            let index = store.instances.get(instance as usize)?.table(TableIndex(table)).ok()?;
            table_ops::grow(store, index, delta, init).ok()?.try_into().ok()
        })
    }
}

unsafe extern "C" fn table_fill(
    context: *mut VmContext,
    table: u32,
    dst: u64,
    value: u64,
    len: u64,
) -> i64 {
    // SAFETY: by the contract of `VmBuiltins` (V3, V5).
    unsafe {
        trapping(context, |store, instance| {
            let table = store_table(store, instance, table)?;
            table_ops::fill(store, table, dst, value, len)
        })
    }
}

unsafe extern "C" fn table_copy(
    context: *mut VmContext,
    dst_table: u32,
    src_table: u32,
    dst: u64,
    src: u64,
    len: u64,
) -> i64 {
    // SAFETY: by the contract of `VmBuiltins` (V3, V5).
    unsafe {
        trapping(context, |store, instance| {
            let to = (store_table(store, instance, dst_table)?, dst);
            let from = (store_table(store, instance, src_table)?, src);
            table_ops::copy(store, to, from, len)
        })
    }
}

/// Store index of an instance's table.
fn store_table(store: &StoreOpaque, instance: u32, table: u32) -> Result<u32> {
    let instance = store.instances.get(instance as usize);
    instance.ok_or(Error::Bug("context of an unknown instance"))?.table(TableIndex(table))
}

unsafe extern "C" fn table_init(
    context: *mut VmContext,
    table: u32,
    segment: u32,
    dst: u64,
    src: u32,
    len: u32,
) -> i64 {
    let (table, segment) = (TableIndex(table), ElemIndex(segment));
    let (src, len) = (u64::from(src), u64::from(len));
    // SAFETY: by the contract of `VmBuiltins` (V3, V5).
    unsafe {
        trapping(context, |store, instance| {
            segments::table_init(store, instance, table, segment, dst, src, len)
        })
    }
}

unsafe extern "C" fn elem_drop(context: *mut VmContext, segment: u32) -> i64 {
    // SAFETY: by the contract of `VmBuiltins` (V3, V5).
    unsafe {
        never_trapping(context, |store, instance| {
            segments::elem_drop(store, instance, ElemIndex(segment));
            Some(0)
        })
    }
}

unsafe extern "C" fn read_barrier_slow(context: *mut VmContext) -> i64 {
    // No destructors here: this is inside a barrier.
    // SAFETY: by the contract of `VmBuiltins` (V3, V5).
    unsafe { trapping(context, |store, _| store.collect_undrained()) }
}

unsafe extern "C" fn write_barrier_zero(context: *mut VmContext, slot: u32) -> i64 {
    // SAFETY: by the contract of `VmBuiltins` (V3, V5).
    unsafe {
        trapping(context, |store, _| {
            store.heap.decremented_to_zero(slot);
            Ok(())
        })
    }
}

unsafe extern "C" fn epoch_reached(context: *mut VmContext) -> i64 {
    // SAFETY: by the contract of `VmBuiltins` (V3, V5).
    let (store, _) = unsafe { caller(context) };
    // The embedder's callback gets the store, so no reference to it is held.
    let outcome = catch(store, || {
        // SAFETY: as above; the references end with the expressions (V3).
        match unsafe { store.get() }.epoch_callback {
            // SAFETY: set together with a callback of the store's data type.
            Some(callback) => unsafe { callback(store) },
            None => Err(Trap::Interrupt.into()),
        }
    });
    match outcome {
        Ok(()) => 0,
        // SAFETY: the callback is over (V3).
        Err(error) => failure(unsafe { store.get() }, error),
    }
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
            if store.heap.zeal_is_due() || store.heap.wants_collection() {
                store.collect_undrained()?;
            }
            Ok(())
        })
    }
}

/// See [`VmStoreContext::memory_fault`].
///
/// # Safety
/// `vm` is the context of a live store to which no reference is in use, and its
/// exit record is set.
unsafe extern "C" fn memory_fault(vm: *mut VmStoreContext) -> u64 {
    // SAFETY: by this function's contract; the reference ends with the call (V3).
    let store = unsafe { StorePtr::from_vm(vm).get() };
    store.trap_passes = false;
    store.record_failure(Trap::MemoryOutOfBounds.into()) as u64
}

/// See [`VmStoreContext::check_failed`].
///
/// # Safety
/// As for [`memory_fault`].
unsafe extern "C" fn check_failed(vm: *mut VmStoreContext) -> u64 {
    // SAFETY: by this function's contract; the reference ends with the call (V3).
    let (store, exit_pc) = unsafe { (StorePtr::from_vm(vm).get(), (*vm).exit_pc) };
    store.trap_passes = false;
    let site = store.code.lookup(exit_pc).and_then(|(module, offset)| module.site(offset));
    let error = match site.and_then(|site| site.trap) {
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
