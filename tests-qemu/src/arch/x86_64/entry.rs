//! Page table entries and the registers around them.

use crate::paging::Access;
use x86_64::structures::paging::PageTableFlags as Flags;
use x86_64::structures::paging::{PhysFrame, page_table::PageTableEntry};
use x86_64::{PhysAddr, VirtAddr};

const ADDRESS_BITS: u64 = 0x000f_ffff_ffff_f000;

/// Whether an entry points to anything.
pub fn is_present(value: u64) -> bool {
    Flags::from_bits_truncate(value).contains(Flags::PRESENT)
}

/// The frame or table an entry points to.
pub fn address(value: u64) -> usize {
    (value & ADDRESS_BITS) as usize
}

/// Whether an entry above the last level maps a block.
pub fn is_block(value: u64) -> bool {
    Flags::from_bits_truncate(value).contains(Flags::HUGE_PAGE)
}

/// Whether the kernel can write, and execute, what a leaf maps: tables allow both.
pub fn allows(value: u64) -> (bool, bool) {
    let flags = Flags::from_bits_truncate(value);
    (flags.contains(Flags::WRITABLE), !flags.contains(Flags::NO_EXECUTE))
}

fn encode(address: usize, flags: Flags) -> u64 {
    let mut entry = PageTableEntry::new();
    entry.set_addr(PhysAddr::new(address as u64), flags);
    // `PageTableEntry` has the hardware's format and decodes its parts.
    entry.addr().as_u64() | entry.flags().bits()
}

/// An entry for a next-level table; protection is decided at the leaf.
pub fn table(address: usize) -> u64 {
    encode(address, Flags::PRESENT | Flags::WRITABLE)
}

/// An entry for a page, or a 2 MiB block if `large`.
pub fn leaf(address: usize, access: Access, large: bool) -> u64 {
    let mut flags = Flags::PRESENT
        | match access {
            Access::Read => Flags::NO_EXECUTE,
            Access::ReadWrite => Flags::WRITABLE | Flags::NO_EXECUTE,
            Access::ReadExecute | Access::GuardedExecute => Flags::empty(),
            Access::Device => Flags::WRITABLE | Flags::NO_EXECUTE | Flags::NO_CACHE,
        };
    flags.set(Flags::HUGE_PAGE, large);
    encode(address, flags)
}

/// Drops the processor's cached translation of a page.
pub fn flush_tlb(address: usize) {
    x86_64::instructions::tlb::flush(VirtAddr::new(address as u64));
}

/// Makes `root` the table in use.
///
/// # Safety
/// It maps the running code, its stack and its data as they are.
pub unsafe fn set_root_table(root: usize) {
    use x86_64::registers::control::{Cr3, Cr3Flags};
    let frame = PhysFrame::containing_address(PhysAddr::new(root as u64));
    // SAFETY: by this function's contract.
    unsafe { Cr3::write(frame, Cr3Flags::empty()) };
}
