//! From QEMU's entry (EL1, MMU off) to `kernel_main` with the MMU and caches
//! on: 1 GiB of devices, 1 GiB of RAM, identity-mapped.
//!
//! The kernel runs on `SP_EL0`, so that exceptions, which use `SP_EL1`, have
//! their own stack even when the kernel's stack has run into its guard page.
//! Source: Arm ARM (DDI 0487), D8.2 and D17.2.

core::arch::global_asm!(
    r#"
    .section .text.boot, "ax", @progbits
    .global boot_start
boot_start:
    msr daifset, #15
    mov x0, #(3 << 20)              // floating point and vectors
    msr cpacr_el1, x0
    isb
    adrp x0, boot_l0
    adrp x1, boot_l1
    orr x2, x1, #3
    str x2, [x0]
    mov x2, #0x401                  // block, attribute 0: device
    movk x2, #0x60, lsl #48         // never executable
    str x2, [x1]
    mov x2, #0x705                  // block, attribute 1: normal, shared
    movk x2, #0x4000, lsl #16
    str x2, [x1, #8]
    mov x2, #0xff00                 // 1: normal, write back; 0: device
    msr mair_el1, x2
    ldr x2, =0x200803510            // 48 bits below, none above, 40 physical
    msr tcr_el1, x2
    msr ttbr0_el1, x0
    dsb ish
    isb
    tlbi vmalle1
    dsb ish
    isb
    mrs x2, sctlr_el1
    ldr x3, =0x1005                 // MMU, data and instruction caches
    orr x2, x2, x3
    ldr x3, =0x8000a                // no alignment check, no write-implies-XN
    bic x2, x2, x3
    msr sctlr_el1, x2
    isb
    msr spsel, #1
    adrp x0, exception_stack_top
    mov sp, x0
    msr spsel, #0
    adrp x0, boot_stack_top
    mov sp, x0
    mov x29, xzr
    mov x30, xzr
    bl kernel_main
1:  wfe
    b 1b

    .section .bss.boot, "aw", @nobits
    .balign 4096
boot_l0: .skip 4096
boot_l1: .skip 4096
    .skip 0x10000
exception_stack_top:
    .global boot_stack_guard
boot_stack_guard: .skip 4096
    .skip 0x200000
    .global boot_stack_top
boot_stack_top: .skip 4096
    "#
);
