//! Out of a faulting function, and how to recognise its activation.

use crate::abi::{ValRaw, VmContext, VmStoreContext};
use core::arch::naked_asm;
use core::mem::{offset_of, size_of};

/// See [`crate::arch::WHOLE_STORE_BYTES`]: an unaligned store is a series of
/// byte stores in any order, each of which may fault (Arm ARM, B2.2.1
/// "Requirements for single-copy atomicity").
#[cfg(feature = "compile")]
pub const WHOLE_STORE_BYTES: u32 = 1;

/// See [`crate::arch::resume_fault`].
///
/// # Safety
/// As there.
#[unsafe(naked)]
pub unsafe extern "C" fn resume_fault() -> ! {
    naked_asm!(
        // As a call at the faulting instruction and its prologue would do.
        "ldr x9, [x0, #{exit_pc}]",
        "stp x29, x9, [sp, #-32]!",
        "mov x29, sp",
        "str x29, [x0, #{exit_fp}]",
        "str x0, [sp, #16]",
        "ldr x9, [x0, #{memory_fault}]",
        "blr x9",
        "mov x1, x0",
        "ldr x0, [sp, #16]",
        "b {unwind}",
        exit_pc = const offset_of!(VmStoreContext, exit_pc),
        exit_fp = const offset_of!(VmStoreContext, exit_fp),
        memory_fault = const offset_of!(VmStoreContext, memory_fault),
        unwind = sym super::unwind,
    )
}

/// A shim that fills three cells: the address it returns to, the frame pointer
/// of [`super::enter_integer`], and the stack pointer at that function's call.
///
/// # Safety
/// Called by [`super::enter_integer`] with room for three cells.
#[unsafe(naked)]
pub unsafe extern "C" fn tell_entry(code: *const u8, context: *mut VmContext, cells: *mut ValRaw) {
    // Arguments: x0 code, x1 context, x2 cells.
    naked_asm!(
        // `bti c`: called through a pointer.
        "hint #34",
        "mov x9, sp",
        "str x30, [x2]",
        "str x29, [x2, #{cell}]",
        "str x9, [x2, #2 * {cell}]",
        "ret",
        cell = const size_of::<ValRaw>(),
    )
}
