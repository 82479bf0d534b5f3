//! From QEMU's entry, at EL1 with the MMU off, to `kernel_main`; turning the MMU on.

use aarch64_cpu::{asm::barrier, registers::*};

core::arch::global_asm!(
    ".section .text.start, \"ax\"",
    ".global start",
    "start: mov x0, #(3 << 20)", // CPACR_EL1.FPEN: vector instructions are on
    "msr cpacr_el1, x0",
    "isb",
    "adrp x0, stack_top",
    "mov sp, x0",
    "bl kernel_main",
    ".bss",
    ".balign 4096",
    ".skip 0x100000",
    "stack_top: .skip 4096",
);

#[repr(C, align(4096))]
struct Table([u64; 512]);

/// A block of 1 GiB of devices, and one of RAM. Processors take exclusive and unaligned
/// accesses to RAM with the MMU on alone.
static BOOT_TABLE: Table = {
    let mut table = [0; 512];
    (table[0], table[1]) = (0x0060_0000_0000_0401, 0x4000_0705);
    Table(table)
};

/// Maps 2 GiB as they are.
pub fn turn_mmu_on() {
    // Attribute 0: device memory; 1: normal memory.
    MAIR_EL1.set(0xff00);
    let walks = TCR_EL1::T0SZ.val(25) + TCR_EL1::TG0::KiB_4 + TCR_EL1::SH0::Inner;
    let cached = TCR_EL1::IRGN0.val(1) + TCR_EL1::ORGN0.val(1) + TCR_EL1::IPS.val(2);
    TCR_EL1.write(walks + cached + TCR_EL1::EPD1.val(1));
    TTBR0_EL1.set((&raw const BOOT_TABLE).addr() as u64);
    barrier::dsb(barrier::ISH);
    barrier::isb(barrier::SY);
    let on = SCTLR_EL1::M.val(1) + SCTLR_EL1::C.val(1) + SCTLR_EL1::I.val(1);
    SCTLR_EL1.modify(on + SCTLR_EL1::A.val(0) + SCTLR_EL1::WXN.val(0));
    barrier::isb(barrier::SY);
}
