//! Facts of a frame (AAPCS64, 6.4.6 "The Frame Pointer").

/// See [`crate::arch::RETURN_ADDRESS_OFFSET`].
pub const RETURN_ADDRESS_OFFSET: usize = 8;

/// See [`crate::arch::FRAME_ALIGN`].
pub const FRAME_ALIGN: usize = 16;

/// Removes a pointer authentication code. `xpaclri` is a hint: it does
/// nothing on processors without the feature (Arm ARM, C6.2 "XPACLRI").
pub fn strip_return_address(address: usize) -> usize {
    let stripped;
    // SAFETY: only computes on x30, which is declared as overwritten.
    unsafe {
        core::arch::asm!(
            "mov x30, {address}",
            "hint #7",
            "mov {stripped}, x30",
            address = in(reg) address,
            stripped = lateout(reg) stripped,
            out("x30") _,
            options(nomem, nostack, preserves_flags, pure),
        );
    }
    stripped
}

/// See [`crate::arch::stack_pointer`].
#[inline(always)]
pub fn stack_pointer() -> usize {
    let pointer: usize;
    // SAFETY: only reads a register.
    unsafe {
        core::arch::asm!("mov {}, sp", out(reg) pointer, options(nomem, nostack, preserves_flags));
    }
    pointer
}
