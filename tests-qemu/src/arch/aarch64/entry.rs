//! Page table entries (Arm ARM D8.3) and the registers around them.

use crate::paging::Access;
use aarch64_cpu::asm::barrier;
use aarch64_cpu::registers::{TTBR0_EL1, Writeable};

const ADDRESS_BITS: u64 = 0x0000_ffff_ffff_f000;
const VALID: u64 = 1;
const TABLE_OR_PAGE: u64 = 1 << 1;
/// Attribute 1 of the boot code's MAIR: normal memory, write back.
const NORMAL: u64 = 1 << 2;
const READ_ONLY: u64 = 1 << 7;
const INNER_SHAREABLE: u64 = 3 << 8;
const ACCESSED: u64 = 1 << 10;
/// FEAT_BTI: indirect branches must land.
const GUARDED: u64 = 1 << 50;
const PRIVILEGED_NEVER: u64 = 1 << 53;
const USER_NEVER: u64 = 1 << 54;

/// Whether an entry points to anything.
pub fn is_present(value: u64) -> bool {
    value & VALID != 0
}

/// The frame or table an entry points to.
pub fn address(value: u64) -> usize {
    (value & ADDRESS_BITS) as usize
}

/// Whether an entry above the last level maps a block.
pub fn is_block(value: u64) -> bool {
    value & TABLE_OR_PAGE == 0
}

/// Whether the kernel can write, and execute, what a leaf maps: tables allow both.
pub fn allows(value: u64) -> (bool, bool) {
    (value & READ_ONLY == 0, value & PRIVILEGED_NEVER == 0)
}

/// An entry for a next-level table; protection is decided at the leaf.
pub fn table(address: usize) -> u64 {
    address as u64 | VALID | TABLE_OR_PAGE
}

/// An entry for a page, or a 2 MiB block if `large`.
pub fn leaf(address: usize, access: Access, large: bool) -> u64 {
    let kind = if large { VALID } else { VALID | TABLE_OR_PAGE };
    let never = PRIVILEGED_NEVER | USER_NEVER;
    let memory = NORMAL | INNER_SHAREABLE;
    let access = match access {
        Access::Read => memory | READ_ONLY | never,
        Access::ReadWrite => memory | never,
        Access::ReadExecute => memory | READ_ONLY | USER_NEVER,
        Access::GuardedExecute => memory | READ_ONLY | USER_NEVER | GUARDED,
        Access::Device => never,
    };
    address as u64 | kind | ACCESSED | access
}

/// Drops the processors' cached translations of a page.
pub fn flush_tlb(address: usize) {
    barrier::dsb(barrier::ISHST);
    // SAFETY: the tables in memory are right; this only drops cached copies.
    unsafe { core::arch::asm!("tlbi vaae1is, {}", in(reg) address >> 12, options(nostack)) };
    barrier::dsb(barrier::ISH);
    barrier::isb(barrier::SY);
}

/// Makes `root` the table in use.
///
/// # Safety
/// It maps the running code, its stack and its data as they are.
pub unsafe fn set_root_table(root: usize) {
    barrier::dsb(barrier::ISHST);
    TTBR0_EL1.set(root as u64);
    barrier::isb(barrier::SY);
    // SAFETY: as above; by this function's contract what is in use stays mapped.
    unsafe { core::arch::asm!("tlbi vmalle1", options(nostack)) };
    barrier::dsb(barrier::ISH);
    barrier::isb(barrier::SY);
}
