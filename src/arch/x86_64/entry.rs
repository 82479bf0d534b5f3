//! Into Wasm and out of it on a trap.
//!
//! Frame of [`enter_integer`], from high to low addresses: return address, saved
//! `rbp` (the entry frame pointer points here), `rbx`, `r12`–`r15`, padding,
//! [`ActivationRecord`]. System V ABI, "Function Calling Sequence".

use super::floating_point::{DEFAULT_WORD, STATUS_BITS, enter_from_another_word};
use crate::abi::{ActivationRecord, ValRaw, VmContext, VmStoreContext};
use core::arch::naked_asm;
use core::mem::{offset_of, size_of};

/// See [`crate::arch::enter`]. Leaves the frame to [`enter_integer`], so that a walk
/// finds one return address into all entries.
///
/// # Safety
/// As there.
#[unsafe(naked)]
pub unsafe extern "C" fn enter(
    shim: *const u8,
    code: *const u8,
    context: *mut VmContext,
    args: *mut ValRaw,
    store: *mut VmStoreContext,
) -> u64 {
    naked_asm!(
        // Wasm wants the default control word.
        "push rax",
        "stmxcsr [rsp]",
        "pop rax",
        "or eax, {status_bits}",
        "cmp eax, {default_word}",
        "jne {another_word}",
        "jmp {enter_integer}",
        status_bits = const STATUS_BITS,
        default_word = const DEFAULT_WORD,
        another_word = sym enter_from_another_word,
        enter_integer = sym enter_integer,
    )
}

/// See [`crate::arch::enter_integer`].
///
/// # Safety
/// As there.
#[unsafe(naked)]
pub unsafe extern "C" fn enter_integer(
    shim: *const u8,
    code: *const u8,
    context: *mut VmContext,
    args: *mut ValRaw,
    store: *mut VmStoreContext,
) -> u64 {
    // Arguments: rdi shim, rsi code, rdx context, rcx args, r8 store.
    naked_asm!(
        "push rbp",
        "mov rbp, rsp",
        "push rbx",
        "push r12",
        "push r13",
        "push r14",
        "push r15",
        // Eight bytes of padding: the record, and calls, want 16-byte alignment.
        "sub rsp, {record} + 8",
        "mov rbx, r8",
        "mov r9, [r8 + {activation}]",
        "mov r10, [r8 + {exit_fp}]",
        "mov r11, [r8 + {exit_pc}]",
        "mov [rsp + {rec_store}], r8",
        "mov [rsp + {rec_previous}], r9",
        "mov [rsp + {rec_exit_fp}], r10",
        "mov [rsp + {rec_exit_pc}], r11",
        "mov [rsp + {rec_entry_fp}], rbp",
        "mov [r8 + {activation}], rsp",
        "mov rax, rdi",
        "mov rdi, rsi",
        "mov rsi, rdx",
        "mov rdx, rcx",
        "call rax",
        "xor eax, eax",
        "jmp {leave}",
        record = const size_of::<ActivationRecord>(),
        activation = const offset_of!(VmStoreContext, activation),
        exit_fp = const offset_of!(VmStoreContext, exit_fp),
        exit_pc = const offset_of!(VmStoreContext, exit_pc),
        rec_store = const offset_of!(ActivationRecord, store),
        rec_previous = const offset_of!(ActivationRecord, previous),
        rec_exit_fp = const offset_of!(ActivationRecord, saved_exit_fp),
        rec_exit_pc = const offset_of!(ActivationRecord, saved_exit_pc),
        rec_entry_fp = const offset_of!(ActivationRecord, entry_fp),
        leave = sym leave,
    )
}

/// Takes the frame of [`enter_integer`] down: `rsp` at the record, `rbx` the store,
/// `rax` the status.
#[unsafe(naked)]
unsafe extern "C" fn leave() {
    naked_asm!(
        "mov r9, [rsp + {rec_previous}]",
        "mov r10, [rsp + {rec_exit_fp}]",
        "mov r11, [rsp + {rec_exit_pc}]",
        "mov [rbx + {activation}], r9",
        "mov [rbx + {exit_fp}], r10",
        "mov [rbx + {exit_pc}], r11",
        "add rsp, {record} + 8",
        "pop r15",
        "pop r14",
        "pop r13",
        "pop r12",
        "pop rbx",
        "pop rbp",
        "ret",
        record = const size_of::<ActivationRecord>(),
        activation = const offset_of!(VmStoreContext, activation),
        exit_fp = const offset_of!(VmStoreContext, exit_fp),
        exit_pc = const offset_of!(VmStoreContext, exit_pc),
        rec_previous = const offset_of!(ActivationRecord, previous),
        rec_exit_fp = const offset_of!(ActivationRecord, saved_exit_fp),
        rec_exit_pc = const offset_of!(ActivationRecord, saved_exit_pc),
    )
}

/// See [`crate::arch::unwind`].
///
/// # Safety
/// As there.
#[unsafe(naked)]
pub unsafe extern "C" fn unwind(store: *mut VmStoreContext, status: u64) -> ! {
    naked_asm!(
        "mov rbx, rdi",
        "mov rax, rsi",
        "mov rsp, [rdi + {activation}]",
        "mov rbp, [rsp + {rec_entry_fp}]",
        "jmp {leave}",
        activation = const offset_of!(VmStoreContext, activation),
        rec_entry_fp = const offset_of!(ActivationRecord, entry_fp),
        leave = sym leave,
    )
}
