//! Into Wasm and out of it on a trap.
//!
//! Frame of [`enter_integer`], from high to low addresses: callee-saved
//! `x19`–`x28`, return address, saved `x29` (the entry frame pointer points
//! here), [`ActivationRecord`]. AAPCS64, 6.1 and 6.4.6. No vector register is
//! touched: `vectors.rs` keeps those around this.

use crate::abi::{ActivationRecord, ValRaw, VmContext, VmStoreContext};
use core::arch::naked_asm;
use core::mem::{offset_of, size_of};

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
    // Arguments: x0 shim, x1 code, x2 context, x3 args, x4 store.
    naked_asm!(
        "stp x19, x20, [sp, #-80]!",
        "stp x21, x22, [sp, #16]",
        "stp x23, x24, [sp, #32]",
        "stp x25, x26, [sp, #48]",
        "stp x27, x28, [sp, #64]",
        "stp x29, x30, [sp, #-16]!",
        "mov x29, sp",
        "sub sp, sp, #{record}",
        "mov x19, x4",
        "ldr x9, [x4, #{activation}]",
        "ldr x10, [x4, #{exit_fp}]",
        "ldr x11, [x4, #{exit_pc}]",
        "str x4, [sp, #{rec_store}]",
        "str x9, [sp, #{rec_previous}]",
        "str x10, [sp, #{rec_exit_fp}]",
        "str x11, [sp, #{rec_exit_pc}]",
        "str x29, [sp, #{rec_entry_fp}]",
        "mov x9, sp",
        "str x9, [x4, #{activation}]",
        "mov x9, x0",
        "mov x0, x1",
        "mov x1, x2",
        "mov x2, x3",
        "blr x9",
        "mov x0, #0",
        "b {leave}",
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

/// Takes the frame of [`enter_integer`] down: `sp` at the record, `x19` the store,
/// `x0` the status.
#[unsafe(naked)]
unsafe extern "C" fn leave() {
    naked_asm!(
        "ldr x9, [sp, #{rec_previous}]",
        "ldr x10, [sp, #{rec_exit_fp}]",
        "ldr x11, [sp, #{rec_exit_pc}]",
        "str x9, [x19, #{activation}]",
        "str x10, [x19, #{exit_fp}]",
        "str x11, [x19, #{exit_pc}]",
        "add sp, sp, #{record}",
        "ldp x29, x30, [sp], #16",
        "ldp x21, x22, [sp, #16]",
        "ldp x23, x24, [sp, #32]",
        "ldp x25, x26, [sp, #48]",
        "ldp x27, x28, [sp, #64]",
        "ldp x19, x20, [sp], #80",
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
        // `bti c`: stubs jump here through a pointer.
        "hint #34",
        "mov x19, x0",
        "ldr x9, [x0, #{activation}]",
        "mov sp, x9",
        "mov x0, x1",
        "b {leave}",
        activation = const offset_of!(VmStoreContext, activation),
        leave = sym leave,
    )
}
