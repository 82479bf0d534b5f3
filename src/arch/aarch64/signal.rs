//! Registers in the frame of a signal (Linux, `ucontext_t`).

use crate::abi::FaultRegisters;
use libc::{c_void, ucontext_t};

/// See [`crate::arch::signal_registers`].
///
/// # Safety
/// As there.
pub unsafe fn signal_registers(context: *const c_void) -> FaultRegisters {
    // SAFETY: by this function's contract.
    let registers = unsafe { &(*context.cast::<ucontext_t>()).uc_mcontext };
    FaultRegisters {
        pc: registers.pc as usize,
        sp: registers.sp as usize,
        fp: registers.regs[29] as usize,
        result: registers.regs[0] as usize,
    }
}

/// See [`crate::arch::set_signal_registers`].
///
/// # Safety
/// As there.
pub unsafe fn set_signal_registers(context: *mut c_void, new: &FaultRegisters) {
    // SAFETY: by this function's contract.
    let registers = unsafe { &mut (*context.cast::<ucontext_t>()).uc_mcontext };
    registers.pc = new.pc as u64;
    registers.sp = new.sp as u64;
    registers.regs[29] = new.fp as u64;
    registers.regs[0] = new.result as u64;
}
