//! The only way into generated code, and back out of it.
//!
//! Invariants: no reference to the store is held while generated code runs.
//! The stack limit is set by the outermost call, of a host function too, and kept by
//! nested ones, which are refused on another stack than that. A failed activation
//! yields exactly one error.

use super::host_def;
use super::store::{StoreOpaque, StorePtr};
use super::way_in::WayIn;
use crate::abi::{STACK_MARGIN_BYTES, STATUS_OK, Trap, ValRaw, VmFuncRef};
use crate::alloc::{self, STACK_RESERVE_BYTES};
use crate::arch;
use crate::engine::limits::INLINE_CELLS;
use crate::error::{Error, Misuse, Result};
use core::mem::MaybeUninit;
use core::ops::Range;
use core::ptr::NonNull;
use std_alloc::vec::Vec;

/// Argument and result cells of a call on the native stack.
pub(crate) type InlineCells = MaybeUninit<[ValRaw; INLINE_CELLS]>;

/// Argument and result cells of a call of any size.
pub(crate) struct Cells {
    inline: InlineCells,
    /// Used instead if not empty.
    heap: Vec<ValRaw>,
}

impl Cells {
    pub(crate) fn new(count: usize) -> Result<Self> {
        let mut heap = Vec::new();
        if count > INLINE_CELLS {
            heap = alloc::try_vec_with_capacity(count)?;
            heap.resize(count, ValRaw::default());
        }
        Ok(Self { inline: MaybeUninit::uninit(), heap })
    }

    pub(crate) fn as_mut_ptr(&mut self) -> *mut ValRaw {
        match self.heap.is_empty() {
            true => self.inline.as_mut_ptr().cast(),
            false => self.heap.as_mut_ptr(),
        }
    }
}

/// Calls a function. `cells` holds the parameters before and the results after.
/// The caller reads them and then calls
/// [`call_returned`](super::store::StoreOpaque::call_returned).
///
/// An outermost call in a store of the usual kind is made here, in the caller's own
/// frame; whatever else there may be is left to [`invoke_otherwise`].
///
/// # Safety
/// `func` is alive and belongs to the store; no reference to the store is in
/// use; `cells` holds the parameters and has room for the results.
#[inline(always)]
pub(crate) unsafe fn invoke(
    store: StorePtr,
    func: NonNull<VmFuncRef>,
    cells: *mut ValRaw,
) -> Result<()> {
    // SAFETY: alive (V6), and its fields never change, except for `code` of a
    // host function, which is not used here.
    let (code, context, shim) = unsafe {
        let func = func.as_ptr();
        ((*func).code, (*func).context, (*func).entry_shim)
    };
    // SAFETY: alive, and no reference to it is in use, by this function's contract.
    let vm = unsafe { store.vm() };
    // SAFETY: as above; the reference ends with the block (V3).
    let is_usual = unsafe {
        let store = store.get();
        let limit = match store.fixed_stack_limit {
            0 => arch::stack_pointer().saturating_sub(store.stack_budget_bytes),
            limit => limit,
        };
        let is_usual = store.way_in.is_empty()
            && (*vm).activation.is_null()
            && !shim.is_null()
            && has_room(arch::stack_pointer(), limit);
        if is_usual {
            (*vm).stack_limit = limit;
        }
        is_usual
    };
    if !is_usual {
        // SAFETY: passed on to the caller.
        return unsafe { invoke_otherwise(store, func, cells) };
    }
    // SAFETY: code, context and shim belong to one function (V5), the cells fit
    // its type by this function's contract, and it belongs to the store (V6),
    // to which no reference is in use (V3).
    let status = unsafe { arch::enter(shim, code, context, cells, vm) };
    if status == STATUS_OK {
        return Ok(());
    }
    // SAFETY: generated code has ended, and no other reference is in use (V3).
    Err(unsafe { store.get() }.take_failure(status, true))
}

/// The same for every kind of function, store and call.
///
/// # Safety
/// As for [`invoke`].
#[cold]
#[inline(never)]
unsafe fn invoke_otherwise(
    store: StorePtr,
    func: NonNull<VmFuncRef>,
    cells: *mut ValRaw,
) -> Result<()> {
    // SAFETY: as in `invoke`.
    let (code, context, shim) = unsafe {
        let func = func.as_ptr();
        ((*func).code, (*func).context, (*func).entry_shim)
    };
    // SAFETY: as in `invoke`.
    let vm = unsafe { store.vm() };
    // SAFETY: as above.
    let is_outermost = unsafe { (*vm).activation.is_null() };
    let stack_pointer = arch::stack_pointer();
    // SAFETY: as above; the reference ends with the block (V3).
    let (has_vectors, is_first) = unsafe {
        let store = store.get();
        if !store.heap.counts_are_exact() {
            store.finish_recount();
        }
        // Where the store already runs, whose limit is that of the stack there.
        let outer = match store.way_in.contains(WayIn::IN_HOST_CALL) && is_outermost {
            true => store.host_call_at,
            false => (*vm).activation.addr(),
        };
        if !is_outermost {
            store.trap_passes = false;
        }
        if outer == 0 {
            (*vm).stack_limit = match store.fixed_stack_limit {
                _ if store.way_in.contains(WayIn::ASK_STACK_BOUNDS) => {
                    limit_on_this_stack(store, stack_pointer)?
                }
                0 => stack_pointer.saturating_sub(store.stack_budget_bytes),
                limit => limit,
            };
        } else if stack_pointer > outer {
            return Err(Misuse::OtherStack.into());
        }
        if !has_room(stack_pointer, (*vm).stack_limit) {
            return Err(no_room(store, outer));
        }
        (!store.way_in.contains(WayIn::WITHOUT_VECTORS), outer == 0)
    };
    if shim.is_null() {
        // SAFETY: passed on to the caller.
        return unsafe { invoke_host(store, func, cells, is_first.then_some(stack_pointer)) };
    }
    // SAFETY: as in `invoke`. The store's engine takes no code that was compiled with
    // floating point if it is without.
    let status = unsafe {
        match has_vectors {
            true => arch::enter(shim, code, context, cells, vm),
            false => arch::enter_integer(shim, code, context, cells, vm),
        }
    };
    if status == STATUS_OK {
        return Ok(());
    }
    // SAFETY: generated code has ended, and no other reference is in use (V3).
    Err(unsafe { store.get() }.take_failure(status, is_outermost))
}

/// Whether a compiled frame may be made below the stack pointer.
#[inline(always)]
fn has_room(stack_pointer: usize, limit: usize) -> bool {
    stack_pointer.saturating_sub(limit) > STACK_MARGIN_BYTES as usize
}

/// How far down an outermost call from `stack_pointer` may go.
#[cold]
fn limit_on_this_stack(store: &StoreOpaque, stack_pointer: usize) -> Result<usize> {
    let stack = this_stack(store).filter(|stack| stack.contains(&stack_pointer));
    let lowest = stack.ok_or(Misuse::UnknownStack)?.start.saturating_add(STACK_RESERVE_BYTES);
    Ok(lowest.max(stack_pointer.saturating_sub(store.stack_budget_bytes)))
}

fn this_stack(store: &StoreOpaque) -> Option<Range<usize>> {
    store.engine.config().stack_bounds.as_ref()?.current()
}

/// Why there is no room for a call: the stack is used up, or it is another one than
/// that of the store's newest activation, if it has one.
#[cold]
fn no_room(store: &StoreOpaque, activation: usize) -> Error {
    match this_stack(store) {
        Some(stack) if activation != 0 && !stack.contains(&activation) => Misuse::OtherStack.into(),
        _ => Trap::StackOverflow.into(),
    }
}

/// Calls a host function from the host, without any generated code. `outermost_at`:
/// the stack pointer, if nothing of the store runs yet. What this calls in turn is
/// held to the limit of this call: a guest may export what it was given, and have a
/// host function call itself without end.
///
/// # Safety
/// As for [`invoke`]; `func` is a host function.
unsafe fn invoke_host(
    store: StorePtr,
    func: NonNull<VmFuncRef>,
    cells: *mut ValRaw,
    outermost_at: Option<usize>,
) -> Result<()> {
    if let Some(at) = outermost_at {
        // SAFETY: the reference ends with the block (V3).
        let store = unsafe { store.get() };
        store.host_call_at = at;
        store.way_in.insert(WayIn::IN_HOST_CALL);
    }
    // SAFETY: passed on to the caller. The function catches what panics.
    let status = unsafe {
        match host_def::host_context(func.as_ptr()) {
            Some(context) => {
                let context = context.cast::<crate::abi::VmHostContext>();
                ((*context).call)(context, cells)
            }
            None => store.get().record_failure(NO_SHIM) as u64,
        }
    };
    // SAFETY: the host function has returned, and no reference is in use (V3).
    let store = unsafe { store.get() };
    if outermost_at.is_some() {
        store.way_in.remove(WayIn::IN_HOST_CALL);
    }
    if status == STATUS_OK {
        return Ok(());
    }
    let status = store.host_failed(status);
    let is_outermost = store.is_idle();
    Err(store.take_failure(status, is_outermost))
}

const NO_SHIM: Error = Error::Bug("function without an entry shim");
