//! [`EntryFacts`]: how to recognise the frame of [`super::enter_integer`] from within.

use super::imp;
use crate::abi::{ValRaw, VmStoreContext};
use core::ptr;
use core::sync::atomic::AtomicU64;

/// The return address within [`super::enter_integer`], and where it keeps its record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryFacts {
    /// The address to which the entry shim returns.
    pub return_address: usize,
    /// Bytes from its activation record up to where its frame pointer points.
    pub record_below_fp: usize,
}

/// The facts, determined by entering a shim that reports what it sees.
pub fn entry_facts() -> EntryFacts {
    let mut store = detached_context();
    let mut seen = [ValRaw::default(); 3];
    let shim = imp::tell_entry as *const u8;
    // SAFETY: the shim uses only the three cells, and the entry uses only the
    // store's chain of activations.
    unsafe {
        super::enter_integer(shim, ptr::null(), ptr::null_mut(), seen.as_mut_ptr(), &raw mut store)
    };
    let [return_address, entry_fp, record] = seen.map(|cell| cell.u64() as usize);
    EntryFacts {
        return_address: super::strip_return_address(return_address),
        record_below_fp: entry_fp.wrapping_sub(record),
    }
}

/// An empty context, with which no generated code runs. Of what it calls, only
/// [`super::unwind`] does anything.
pub fn detached_context() -> VmStoreContext {
    VmStoreContext {
        stack_limit: 0,
        exit_fp: 0,
        exit_pc: 0,
        activation: ptr::null_mut(),
        slots: ptr::null_mut(),
        table_next: ptr::null_mut(),
        table_threshold: ptr::null_mut(),
        host_frames: ptr::null_mut(),
        builtins: ptr::null(),
        unwind: super::unwind,
        stopped: no_fault,
        check_failed: no_fault,
        host_failed,
        epoch_counter: ptr::null(),
        epoch_deadline: 0,
        fuel: 0,
        guards: guards_nothing,
        stopped_by: 0,
        interrupt: AtomicU64::new(0),
    }
}

unsafe extern "C" fn no_fault(_: *mut VmStoreContext) -> u64 {
    crate::abi::STATUS_OK
}

unsafe extern "C" fn host_failed(_: *mut VmStoreContext, status: u64) -> u64 {
    status
}

unsafe extern "C" fn guards_nothing(_: *mut VmStoreContext, _: usize) -> bool {
    false
}
