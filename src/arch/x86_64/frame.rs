//! Facts of a frame (System V ABI, "The Stack Frame").

/// See [`crate::arch::RETURN_ADDRESS_OFFSET`].
pub const RETURN_ADDRESS_OFFSET: usize = 8;

/// See [`crate::arch::FRAME_ALIGN`].
pub const FRAME_ALIGN: usize = 16;

/// Return addresses are not signed here.
pub const fn strip_return_address(address: usize) -> usize {
    address
}

/// See [`crate::arch::stack_pointer`].
#[inline(always)]
pub fn stack_pointer() -> usize {
    let pointer: usize;
    // SAFETY: only reads a register.
    unsafe {
        core::arch::asm!("mov {}, rsp", out(reg) pointer, options(nomem, nostack, preserves_flags));
    }
    pointer
}
