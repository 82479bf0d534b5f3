//! Registers in the frame of a signal (Linux, `ucontext_t`).

use crate::abi::FaultRegisters;
use libc::{REG_RAX, REG_RBP, REG_RIP, REG_RSP, c_void, ucontext_t};

/// See [`crate::arch::signal_registers`].
///
/// # Safety
/// As there.
pub unsafe fn signal_registers(context: *const c_void) -> FaultRegisters {
    // SAFETY: by this function's contract.
    let registers = unsafe { &(*context.cast::<ucontext_t>()).uc_mcontext.gregs };
    let read = |at: libc::c_int| registers[at as usize] as usize;
    FaultRegisters {
        pc: read(REG_RIP),
        sp: read(REG_RSP),
        fp: read(REG_RBP),
        result: read(REG_RAX),
    }
}

/// See [`crate::arch::set_signal_registers`].
///
/// # Safety
/// As there.
pub unsafe fn set_signal_registers(context: *mut c_void, new: &FaultRegisters) {
    // SAFETY: by this function's contract.
    let registers = unsafe { &mut (*context.cast::<ucontext_t>()).uc_mcontext.gregs };
    for (at, value) in
        [(REG_RIP, new.pc), (REG_RSP, new.sp), (REG_RBP, new.fp), (REG_RAX, new.result)]
    {
        registers[at as usize] = value as libc::greg_t;
    }
}
