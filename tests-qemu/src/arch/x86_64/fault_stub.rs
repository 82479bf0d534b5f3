//! The stub that a kernel may put before its own entry for page faults, and an
//! entry that records what it finds.

use crate::exceptions::ask_engines;

unsafe extern "C" {
    /// The kernel's own entry.
    fn exception_stub_14();
    /// Records, and goes on behind the access of [`fault_with_full_registers`].
    pub(super) fn recording_entry();
    fn fault_with_full_registers(address: usize);
    static mut recorded: [u64; RECORDED];
}

/// General registers and flags, then what the processor pushed.
const RECORDED: usize = 16 + 6;

kernref::fault_stub! {
    /// Asks the engines before the kernel's own entry.
    pub(super) fn page_fault_stub(handle = ask_engines, otherwise = exception_stub_14);
}

kernref::fault_stub! {
    /// The same before the entry that records.
    pub(super) fn stub_before_recording(handle = ask_engines, otherwise = recording_entry);
}

core::arch::global_asm!(
    r#"
    .section .bss.recorded, "aw", @nobits
    .balign 8
    .global recorded
recorded: .skip 22 * 8

    .text
    .global recording_entry
recording_entry:
    mov [rip + recorded], rax
    mov [rip + recorded + 8], rcx
    mov [rip + recorded + 16], rdx
    mov [rip + recorded + 24], rbx
    mov [rip + recorded + 32], rbp
    mov [rip + recorded + 40], rsi
    mov [rip + recorded + 48], rdi
    mov [rip + recorded + 56], r8
    mov [rip + recorded + 64], r9
    mov [rip + recorded + 72], r10
    mov [rip + recorded + 80], r11
    mov [rip + recorded + 88], r12
    mov [rip + recorded + 96], r13
    mov [rip + recorded + 104], r14
    mov [rip + recorded + 112], r15
    pushfq
    pop qword ptr [rip + recorded + 120]
    .irp at, 0, 8, 16, 24, 32, 40
    mov rax, [rsp + \at]
    mov [rip + recorded + 128 + \at], rax
    .endr
    lea rax, [rip + 2f]
    mov [rsp + 8], rax
    add rsp, 8
    iretq

    .global fault_with_full_registers
fault_with_full_registers:
    push rbx
    push rbp
    push r12
    push r13
    push r14
    push r15
    mov rax, 0x1122334455667701
    mov rcx, 0x1122334455667702
    mov rdx, 0x1122334455667703
    mov rbx, 0x1122334455667704
    mov rbp, 0x1122334455667705
    mov rsi, 0x1122334455667706
    mov r8, 0x1122334455667708
    mov r9, 0x1122334455667709
    mov r10, 0x112233445566770a
    mov r11, 0x112233445566770b
    mov r12, 0x112233445566770c
    mov r13, 0x112233445566770d
    mov r14, 0x112233445566770e
    mov r15, 0x112233445566770f
    std
    stc
    mov [rdi], al
2:  cld
    pop r15
    pop r14
    pop r13
    pop r12
    pop rbp
    pop rbx
    ret
    "#,
);

/// Writes to an address that faults, with a value in each register; gives what the
/// recording entry found.
pub fn record_fault(address: usize) -> [u64; RECORDED] {
    // SAFETY: the access faults, and the entry resumes behind it.
    unsafe {
        fault_with_full_registers(address);
        recorded
    }
}
