//! The stub that a kernel may put before its own entry for synchronous exceptions,
//! and an entry that records what it finds.

use crate::exceptions::ask_engines;

unsafe extern "C" {
    /// The kernel's own entries, for code on `SP_EL0` and on `SP_EL1`.
    fn exception_vectors();
    fn exception_vector_4();
    /// Records, and goes on behind the access of [`fault_with_full_registers`].
    fn recording_entry();
    fn fault_with_full_registers(address: usize);
    static mut recorded: [u64; RECORDED];
}

/// General registers; syndrome, return address, state, address; both stack pointers;
/// status and control; vectors, where Rust code has them.
const RECORDED: usize = 39 + 64;

kernref::fault_stub! {
    /// Asks the engines before the kernel's own entry.
    pub(super) fn abort_stub(handle = ask_engines, otherwise = exception_vectors);
}

kernref::fault_stub! {
    /// The same for code on `SP_EL1`.
    pub(super) fn abort_stub_same_stack(handle = ask_engines, otherwise = exception_vector_4);
}

kernref::fault_stub! {
    /// The same before the entry that records.
    pub(super) fn stub_before_recording(handle = ask_engines, otherwise = recording_entry);
}

core::arch::global_asm!(
    r#"
    .section .bss.recorded, "aw", @nobits
    .balign 16
    .global recorded
recorded: .skip (39 + 64) * 8

    .text
    .global recording_entry
recording_entry:
    stp x0, x1, [sp, #-16]!
    adrp x0, recorded
    add x0, x0, :lo12:recorded
    stp x2, x3, [x0, #16]
    stp x4, x5, [x0, #32]
    stp x6, x7, [x0, #48]
    stp x8, x9, [x0, #64]
    stp x10, x11, [x0, #80]
    stp x12, x13, [x0, #96]
    stp x14, x15, [x0, #112]
    stp x16, x17, [x0, #128]
    stp x18, x19, [x0, #144]
    stp x20, x21, [x0, #160]
    stp x22, x23, [x0, #176]
    stp x24, x25, [x0, #192]
    stp x26, x27, [x0, #208]
    stp x28, x29, [x0, #224]
    str x30, [x0, #240]
    ldp x1, x2, [sp], #16
    stp x1, x2, [x0]
    mrs x1, esr_el1
    mrs x2, elr_el1
    stp x1, x2, [x0, #248]
    mrs x1, spsr_el1
    mrs x2, far_el1
    stp x1, x2, [x0, #264]
    mrs x1, sp_el0
    mov x2, sp
    stp x1, x2, [x0, #280]
    "#,
    #[cfg(target_feature = "neon")]
    r#"
    mrs x1, fpsr
    mrs x2, fpcr
    stp x1, x2, [x0, #296]
    add x1, x0, #312
    stp q0, q1, [x1, #0]
    stp q2, q3, [x1, #32]
    stp q4, q5, [x1, #64]
    stp q6, q7, [x1, #96]
    stp q8, q9, [x1, #128]
    stp q10, q11, [x1, #160]
    stp q12, q13, [x1, #192]
    stp q14, q15, [x1, #224]
    stp q16, q17, [x1, #256]
    stp q18, q19, [x1, #288]
    stp q20, q21, [x1, #320]
    stp q22, q23, [x1, #352]
    stp q24, q25, [x1, #384]
    stp q26, q27, [x1, #416]
    stp q28, q29, [x1, #448]
    stp q30, q31, [x1, #480]
    "#,
    r#"
    adr x1, 2f
    msr elr_el1, x1
    eret

    .global fault_with_full_registers
fault_with_full_registers:
    stp x29, x30, [sp, #-160]!
    stp x19, x20, [sp, #16]
    stp x21, x22, [sp, #32]
    stp x23, x24, [sp, #48]
    stp x25, x26, [sp, #64]
    stp x27, x28, [sp, #80]
    "#,
    #[cfg(target_feature = "neon")]
    r#"
    stp d8, d9, [sp, #96]
    stp d10, d11, [sp, #112]
    stp d12, d13, [sp, #128]
    stp d14, d15, [sp, #144]
    "#,
    r#"
    mov x1, #30465
    movk x1, #0x1122, lsl #48
    mov x2, #30466
    movk x2, #0x1122, lsl #48
    mov x3, #30467
    movk x3, #0x1122, lsl #48
    mov x4, #30468
    movk x4, #0x1122, lsl #48
    mov x5, #30469
    movk x5, #0x1122, lsl #48
    mov x6, #30470
    movk x6, #0x1122, lsl #48
    mov x7, #30471
    movk x7, #0x1122, lsl #48
    mov x8, #30472
    movk x8, #0x1122, lsl #48
    mov x9, #30473
    movk x9, #0x1122, lsl #48
    mov x10, #30474
    movk x10, #0x1122, lsl #48
    mov x11, #30475
    movk x11, #0x1122, lsl #48
    mov x12, #30476
    movk x12, #0x1122, lsl #48
    mov x13, #30477
    movk x13, #0x1122, lsl #48
    mov x14, #30478
    movk x14, #0x1122, lsl #48
    mov x15, #30479
    movk x15, #0x1122, lsl #48
    mov x16, #30480
    movk x16, #0x1122, lsl #48
    mov x17, #30481
    movk x17, #0x1122, lsl #48
    mov x18, #30482
    movk x18, #0x1122, lsl #48
    mov x19, #30483
    movk x19, #0x1122, lsl #48
    mov x20, #30484
    movk x20, #0x1122, lsl #48
    mov x21, #30485
    movk x21, #0x1122, lsl #48
    mov x22, #30486
    movk x22, #0x1122, lsl #48
    mov x23, #30487
    movk x23, #0x1122, lsl #48
    mov x24, #30488
    movk x24, #0x1122, lsl #48
    mov x25, #30489
    movk x25, #0x1122, lsl #48
    mov x26, #30490
    movk x26, #0x1122, lsl #48
    mov x27, #30491
    movk x27, #0x1122, lsl #48
    mov x28, #30492
    movk x28, #0x1122, lsl #48
    mov x30, #30494
    movk x30, #0x1122, lsl #48
    "#,
    #[cfg(target_feature = "neon")]
    r#"
    dup v0.2d, x1
    dup v1.2d, x2
    dup v2.2d, x3
    dup v3.2d, x4
    dup v4.2d, x5
    dup v5.2d, x6
    dup v6.2d, x7
    dup v7.2d, x8
    dup v8.2d, x9
    dup v9.2d, x10
    dup v10.2d, x11
    dup v11.2d, x12
    dup v12.2d, x13
    dup v13.2d, x14
    dup v14.2d, x15
    dup v15.2d, x16
    dup v16.2d, x17
    dup v17.2d, x18
    dup v18.2d, x19
    dup v19.2d, x20
    dup v20.2d, x21
    dup v21.2d, x22
    dup v22.2d, x23
    dup v23.2d, x24
    dup v24.2d, x25
    dup v25.2d, x26
    dup v26.2d, x27
    dup v27.2d, x28
    dup v28.2d, x1
    dup v29.2d, x2
    dup v30.2d, x3
    dup v31.2d, x4
    "#,
    r#"
    str w1, [x0]
2:
    "#,
    #[cfg(target_feature = "neon")]
    r#"
    ldp d8, d9, [sp, #96]
    ldp d10, d11, [sp, #112]
    ldp d12, d13, [sp, #128]
    ldp d14, d15, [sp, #144]
    "#,
    r#"
    ldp x19, x20, [sp, #16]
    ldp x21, x22, [sp, #32]
    ldp x23, x24, [sp, #48]
    ldp x25, x26, [sp, #64]
    ldp x27, x28, [sp, #80]
    ldp x29, x30, [sp], #160
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

/// Runs `body` on the same stack, but with `SP_EL1` as its pointer: exceptions then
/// take their frames from this stack.
pub fn on_the_exceptions_pointer(mut body: &mut dyn FnMut()) {
    unsafe extern "C" fn call(body: *mut &mut dyn FnMut()) {
        // SAFETY: the function below passes its own and waits.
        unsafe { (*body)() }
    }
    // SAFETY: interrupts are off; the pointer is put back before this returns.
    unsafe { with_other_pointer(call, &raw mut body) }
}

#[unsafe(naked)]
unsafe extern "C" fn with_other_pointer(
    call: unsafe extern "C" fn(*mut &mut dyn FnMut()),
    body: *mut &mut dyn FnMut(),
) {
    core::arch::naked_asm!(
        "stp x29, x30, [sp, #-32]!",
        "mov x29, sp",
        "msr spsel, #1",
        "mov x9, sp",
        "str x9, [x29, #16]",
        "mov sp, x29",
        "mov x9, x0",
        "mov x0, x1",
        "blr x9",
        "ldr x9, [x29, #16]",
        "mov sp, x9",
        "msr spsel, #0",
        "ldp x29, x30, [sp], #32",
        "ret",
    )
}
