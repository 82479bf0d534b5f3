//! Into Wasm where it may use vector registers: has it run with the default
//! control word, and keeps `d8`–`d15`, the callee-saved ones (AAPCS64, 6.1.2),
//! around [`enter_integer`].
//!
//! Generated code uses vector registers whatever this crate is built for: where
//! the assembler takes it that there are none, it is told here.

use super::enter_integer;
use super::floating_point::enter_from_another_word;
use crate::abi::{ValRaw, VmContext, VmStoreContext};
use core::arch::naked_asm;

/// See [`crate::arch::enter`]. Makes no frame of its own that a walk would see.
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
        #[cfg(not(target_feature = "neon"))]
        ".arch_extension fp",
        // Wasm wants the default control word, which is zero.
        "mrs x9, fpcr",
        "cbnz x9, 2f",
        "stp d8, d9, [sp, #-80]!",
        "stp d10, d11, [sp, #16]",
        "stp d12, d13, [sp, #32]",
        "stp d14, d15, [sp, #48]",
        "str x30, [sp, #64]",
        "bl {enter_integer}",
        "ldr x30, [sp, #64]",
        "ldp d10, d11, [sp, #16]",
        "ldp d12, d13, [sp, #32]",
        "ldp d14, d15, [sp, #48]",
        "ldp d8, d9, [sp], #80",
        "ret",
        "2:",
        "b {another_word}",
        #[cfg(not(target_feature = "neon"))]
        ".arch_extension nofp",
        another_word = sym enter_from_another_word,
        enter_integer = sym enter_integer,
    )
}
