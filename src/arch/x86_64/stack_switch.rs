//! Running on another stack, and leaving it for good. System V ABI, "Registers":
//! what a callee preserves is kept below the frame that [`call_on_stack`] makes.

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
    // Arguments: rdi top, rsi body, rdx data, rcx left.
    naked_asm!(
        "push rbp",
        "mov rbp, rsp",
        "push rbx",
        "push r12",
        "push r13",
        "push r14",
        "push r15",
        "mov [rcx], rsp",
        "mov rsp, rdi",
        "mov rdi, rdx",
        "call rsi",
        "lea rsp, [rbp - 40]",
        "jmp {back}",
        back = sym back,
    )
}

/// See [`crate::arch::leave_stack`].
///
/// # Safety
/// As there.
#[unsafe(naked)]
pub unsafe extern "C" fn leave_stack(left: usize) -> ! {
    naked_asm!("mov rsp, rdi", "jmp {back}", back = sym back)
}

/// Takes the frame of [`call_on_stack`] down: `rsp` as it was when it left.
#[unsafe(naked)]
unsafe extern "C" fn back() {
    naked_asm!("pop r15", "pop r14", "pop r13", "pop r12", "pop rbx", "pop rbp", "ret")
}
