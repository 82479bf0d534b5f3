//! Running on another stack, and leaving it for good. AAPCS64, 6.1: what a
//! callee preserves is kept in the frame that [`call_on_stack`] makes. Where Rust
//! code has no vector registers, `body` leaves them alone, and they may be off.

use core::arch::naked_asm;

/// See [`crate::arch::call_on_stack`].
///
/// # Safety
/// As there.
#[unsafe(naked)]
pub unsafe extern "C" fn call_on_stack(
    top: *mut u8,
    body: unsafe extern "C" fn(*mut ()),
    data: *mut (),
    left: *mut usize,
) {
    // Arguments: x0 top, x1 body, x2 data, x3 left.
    naked_asm!(
        "stp x29, x30, [sp, #-160]!",
        "stp x19, x20, [sp, #16]",
        "stp x21, x22, [sp, #32]",
        "stp x23, x24, [sp, #48]",
        "stp x25, x26, [sp, #64]",
        "stp x27, x28, [sp, #80]",
        #[cfg(target_feature = "neon")]
        "stp d8, d9, [sp, #96]",
        #[cfg(target_feature = "neon")]
        "stp d10, d11, [sp, #112]",
        #[cfg(target_feature = "neon")]
        "stp d12, d13, [sp, #128]",
        #[cfg(target_feature = "neon")]
        "stp d14, d15, [sp, #144]",
        "mov x29, sp",
        "mov x9, sp",
        "str x9, [x3]",
        "mov sp, x0",
        "mov x0, x2",
        "blr x1",
        "mov sp, x29",
        "b {back}",
        back = sym back,
    )
}

/// See [`crate::arch::leave_stack`].
///
/// # Safety
/// As there.
#[unsafe(naked)]
pub unsafe extern "C" fn leave_stack(left: usize) -> ! {
    naked_asm!("mov sp, x0", "b {back}", back = sym back)
}

/// Takes the frame of [`call_on_stack`] down: `sp` as it was when it left.
#[unsafe(naked)]
unsafe extern "C" fn back() {
    naked_asm!(
        "ldp x19, x20, [sp, #16]",
        "ldp x21, x22, [sp, #32]",
        "ldp x23, x24, [sp, #48]",
        "ldp x25, x26, [sp, #64]",
        "ldp x27, x28, [sp, #80]",
        #[cfg(target_feature = "neon")]
        "ldp d8, d9, [sp, #96]",
        #[cfg(target_feature = "neon")]
        "ldp d10, d11, [sp, #112]",
        #[cfg(target_feature = "neon")]
        "ldp d12, d13, [sp, #128]",
        #[cfg(target_feature = "neon")]
        "ldp d14, d15, [sp, #144]",
        "ldp x29, x30, [sp], #160",
        "ret",
    )
}
