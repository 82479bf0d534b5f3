//! Stopping generated code from an exception: at a fault, if it relies on the
//! processor to check the bounds of its linear memories
//! ([`crate::Config::hardware_traps`]), and at an interrupt, if someone has asked
//! that its store's guest end ([`crate::InterruptHandle`]).
//!
//! Both find the store in the same way: the instruction lies in published code,
//! and the saved frame pointers lead from there, through such code alone, to the
//! entry of the newest activation of a store. A fault is Kernref's if in addition
//! the address lies in the guard of one of that store's memories. Generated code
//! touches what its memories' guards cover only by accesses that may trap, so no
//! list of instructions is needed. Everything else is answered with "not mine" or
//! "not now", and nothing is changed.
//!
//! The handler only finds the activation. Recording the trap and going to the
//! landing pad follow after it has returned, in [`crate::arch::resume_fault`].
//!
//! - **F1** Between a fault or interrupt and the return to the code it interrupted,
//!   that code's thread does nothing else: the handler may read its stack and store.
//! - **F2** At every instruction of published code the frame pointer names a live
//!   frame: that of the code itself or of its caller, or where [`arch::settled_frame`]
//!   says ("not now" is left to what is not published: Rust, and
//!   `arch`; and to those instructions of an entry shim where the frame is that of
//!   [`arch::enter`]).
//!
//! No reference to a store is in use while generated code runs (V3 of `vm/store.rs`).

use super::code_ranges::{CodeRange, CodeRanges, Reader};
use crate::abi::{FAULT_RETURN_OFFSET, FaultRegisters, Trap, VmStoreContext};
use crate::arch::{self, EntryFacts};
use crate::stack::{Links, record_of_entry};
use core::ptr::with_exposed_provenance;
use core::sync::atomic::Ordering;

/// As [`crate::Engine::handle_fault`], for the engine with this id or any of `ranges`.
///
/// # Safety
/// As for [`crate::Engine::handle_fault`].
pub(crate) unsafe fn handle(
    ranges: &CodeRanges,
    owner: Option<usize>,
    registers: &mut FaultRegisters,
    address: usize,
) -> bool {
    let (entry, ranges) = (ranges.entry(), ranges.read());
    let Some(range) = ranges.find(registers.pc) else { return false };
    if owner.is_some_and(|owner| owner != range.owner) || !range.may_fault {
        return false;
    }
    // SAFETY: passed on to the caller. What faults is in the body of a function,
    // whose frame is made (F2); the store is alive, and its thread stands still (F1).
    unsafe {
        match newest_activation(&ranges, entry, &range, registers.sp, registers.fp) {
            Some(vm) if ((*vm).guards)(vm, address) => {
                stop(vm, Trap::MemoryOutOfBounds, registers);
                true
            }
            _ => false,
        }
    }
}

/// As [`crate::Engine::handle_interrupt`], for the engine with this id or any of
/// `ranges`.
///
/// # Safety
/// As for [`crate::Engine::handle_interrupt`].
pub(crate) unsafe fn handle_interrupt(
    ranges: &CodeRanges,
    owner: Option<usize>,
    registers: &mut FaultRegisters,
) -> bool {
    let (entry, ranges) = (ranges.entry(), ranges.read());
    let Some(range) = ranges.find(registers.pc) else { return false };
    if owner.is_some_and(|owner| owner != range.owner) {
        return false;
    }
    // SAFETY: published code can be read, and stays while the reader lives.
    let code = unsafe {
        let start = with_exposed_provenance::<u8>(range.code.start);
        core::slice::from_raw_parts(start, range.code.len())
    };
    let fp = arch::settled_frame(code, registers.pc.wrapping_sub(range.code.start), registers);
    // SAFETY: passed on to the caller; a live frame (F2). The store is alive, and its
    // thread stands still (F1).
    unsafe {
        match newest_activation(&ranges, entry, &range, registers.sp, fp) {
            Some(vm) if (*vm).interrupt.load(Ordering::Relaxed) != 0 => {
                registers.fp = fp;
                stop(vm, Trap::Interrupt, registers);
                true
            }
            _ => false,
        }
    }
}

/// Whether an address lies in published code.
pub(crate) fn is_published(ranges: &CodeRanges, address: usize) -> bool {
    ranges.read().find(address).is_some()
}

/// Has the interrupted thread end the newest activation of the store.
///
/// # Safety
/// The registers are those of generated code of that activation, and `vm` is the
/// context of its store, which is alive and whose thread stands still (F1).
unsafe fn stop(vm: *mut VmStoreContext, trap: Trap, registers: &mut FaultRegisters) {
    // SAFETY: by this function's contract.
    unsafe {
        (*vm).exit_pc = registers.pc.wrapping_add(FAULT_RETURN_OFFSET as usize);
        (*vm).stopped_by = trap as u64;
    }
    registers.result = vm.expose_provenance();
    registers.sp &= !(STACK_ALIGN_BYTES - 1);
    registers.pc = arch::resume_fault as *const u8 as usize;
}

/// The alignment of the stack pointer that both architectures want at a call.
const STACK_ALIGN_BYTES: usize = 16;

/// The store whose newest activation runs code of this range.
///
/// # Safety
/// The thread was interrupted in that code and stands still; `fp` is the frame
/// pointer of a live frame of generated code, or of the entry below which there is
/// none yet.
unsafe fn newest_activation(
    ranges: &Reader<'_>,
    entry: EntryFacts,
    range: &CodeRange,
    sp: usize,
    fp: usize,
) -> Option<*mut VmStoreContext> {
    let owner = range.owner;
    // Where the latest frames were found: modules call each other in turn.
    let mut recent = [range.code.clone(), 0..0, 0..0, 0..0];
    let mut oldest = 1;
    if fp < sp {
        return None;
    }
    let mut links = Links::from_fp(fp).ok()?;
    let entry_fp = loop {
        // SAFETY: the frame pointer of generated code, all of which has frames:
        // at first by this function's contract, then because the return address
        // lies in it. The stack stands still (F1).
        let (return_address, above) = unsafe { (links.return_address(), links.next().ok()?) };
        if return_address == entry.return_address {
            break above;
        }
        if !recent.iter().any(|code| code.contains(&return_address)) {
            let range = ranges.find(return_address).filter(|range| range.owner == owner)?;
            recent[oldest % 4] = range.code;
            oldest += 1;
        }
    };
    let record = record_of_entry(entry_fp, entry);
    // SAFETY: the shim below returns into `arch::enter`, which keeps its record
    // there; the store of an activation is alive, and nothing of it is in use
    // (F1, V3). Only stores of its own engine run an engine's code.
    unsafe {
        let vm = (*record).store;
        let is_newest = (*record).entry_fp == entry_fp && (*vm).activation == record;
        is_newest.then_some(vm)
    }
}
