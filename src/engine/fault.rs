//! Faults of generated code that relies on the processor to check the bounds of
//! its linear memories ([`crate::Config::hardware_traps`]).
//!
//! A fault is Kernref's if three things hold: the instruction lies in published
//! code; the saved frame pointers lead from there, through such code alone, to
//! the entry of the newest activation of a store; and the address lies in the
//! guard of one of that store's memories. Everything else is answered with "not
//! mine", and nothing is changed. Generated code touches what its memories'
//! guards cover only by accesses that may trap, so no list of instructions is
//! needed.
//!
//! The handler only finds the activation. Recording the trap and going to the
//! landing pad follow after it has returned, in [`crate::arch::resume_fault`].
//!
//! - **F1** Between a fault and the return to the code it interrupted, that
//!   code's thread does nothing else: the handler may read its stack and store.
//!
//! No reference to a store is in use while generated code runs (V3 of `vm/store.rs`).

use super::code_ranges::CodeRanges;
use crate::abi::{FAULT_RETURN_OFFSET, FaultRegisters, VmStoreContext};
use crate::arch;
use crate::stack::{Links, record_of_entry};

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
    // SAFETY: passed on to the caller.
    let Some(vm) = (unsafe { faulting_store(ranges, owner, registers, address) }) else {
        return false;
    };
    // SAFETY: the context of a live store, whose thread stands still (F1).
    unsafe { (*vm).exit_pc = registers.pc.wrapping_add(FAULT_RETURN_OFFSET as usize) };
    registers.result = vm.expose_provenance();
    registers.sp &= !(STACK_ALIGN_BYTES - 1);
    registers.pc = arch::resume_fault as *const u8 as usize;
    true
}

/// The alignment of the stack pointer that both architectures want at a call.
const STACK_ALIGN_BYTES: usize = 16;

/// The store whose memory's guard was hit.
///
/// # Safety
/// As for [`crate::Engine::handle_fault`].
unsafe fn faulting_store(
    ranges: &CodeRanges,
    owner: Option<usize>,
    registers: &FaultRegisters,
    address: usize,
) -> Option<*mut VmStoreContext> {
    let entry = ranges.entry();
    let ranges = ranges.read();
    let range = ranges.find(registers.pc)?;
    if owner.is_some_and(|owner| owner != range.owner) {
        return None;
    }
    let owner = range.owner;
    // Where the latest frames were found: modules call each other in turn.
    let mut recent = [range.code, 0..0, 0..0, 0..0];
    let mut oldest = 1;
    if registers.fp < registers.sp {
        return None;
    }
    let mut links = Links::from_fp(registers.fp).ok()?;
    let entry_fp = loop {
        // SAFETY: the frame pointer of generated code, all of which has frames:
        // at first because the pc lies in it, then because the return address
        // does. The stack stands still (F1).
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
        (is_newest && ((*vm).guards)(vm, address)).then_some(vm)
    }
}
