//! Out of a function that was stopped, and how to recognise its activation.

use crate::abi::{ValRaw, VmContext, VmStoreContext};
use core::arch::naked_asm;
use core::mem::{offset_of, size_of};

/// See [`crate::arch::WHOLE_STORE_BYTES`]: a store larger than a quadword may
/// fault after part of it was written (Intel SDM vol. 3, "Guaranteed Atomic
/// Operations").
#[cfg(feature = "compile")]
pub const WHOLE_STORE_BYTES: u32 = 8;

/// See [`crate::arch::resume_fault`].
///
/// # Safety
/// As there.
#[unsafe(naked)]
pub unsafe extern "C" fn resume_fault() -> ! {
    naked_asm!(
        // As a call at the instruction and its prologue would do.
        "push qword ptr [rax + {exit_pc}]",
        "push rbp",
        "mov rbp, rsp",
        "mov [rax + {exit_fp}], rbp",
        "push rax",
        "push rax",
        "mov rdi, rax",
        "call qword ptr [rax + {stopped}]",
        "pop rdi",
        "mov rsi, rax",
        "jmp {unwind}",
        exit_pc = const offset_of!(VmStoreContext, exit_pc),
        exit_fp = const offset_of!(VmStoreContext, exit_fp),
        stopped = const offset_of!(VmStoreContext, stopped),
        unwind = sym super::unwind,
    )
}

/// A shim that fills three cells: the address it returns to, the frame pointer
/// of [`super::enter`], and the stack pointer at that function's call.
///
/// # Safety
/// Called by [`super::enter`] with room for three cells.
#[unsafe(naked)]
pub unsafe extern "C" fn tell_entry(code: *const u8, context: *mut VmContext, cells: *mut ValRaw) {
    // Arguments: rdi code, rsi context, rdx cells.
    naked_asm!(
        "mov rax, [rsp]",
        "lea rcx, [rsp + 8]",
        "mov [rdx], rax",
        "mov [rdx + {cell}], rbp",
        "mov [rdx + 2 * {cell}], rcx",
        "ret",
        cell = const size_of::<ValRaw>(),
    )
}
