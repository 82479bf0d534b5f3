//! Page tables of four levels with 4 KiB pages, which both architectures have;
//! how an entry is encoded is the architecture's ([`crate::arch::entry`]).
//!
//! Invariant: [`Access`] has no value for "writable and executable".

use crate::arch;
use crate::frames::{self, FRAME_BYTES};
use spin::Mutex;

/// What a page may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Read only.
    Read,
    /// Read and write.
    ReadWrite,
    /// Read and execute.
    ReadExecute,
    /// Device registers: read and write, uncached.
    Device,
}

/// Address of the root table.
static ROOT: Mutex<usize> = Mutex::new(0);

unsafe extern "C" {
    static image_start: u8;
    static text_end: u8;
    static rodata_end: u8;
    static image_end: u8;
}

const LARGE_BYTES: usize = 2 << 20;

fn index(address: usize, level: u32) -> usize {
    address >> (12 + 9 * level) & 511
}

/// The entry for `address` at `level` (0: pages, 1: 2 MiB blocks), making
/// tables on the way if asked to.
fn entry(root: usize, address: usize, level: u32, create: bool) -> Option<*mut u64> {
    let mut table = root;
    for at in (level + 1..4).rev() {
        let slot = (table as *mut u64).wrapping_add(index(address, at));
        // SAFETY: `table` is a live table of 512 entries, identity-mapped.
        let value = unsafe { slot.read_volatile() };
        table = if arch::entry::is_present(value) {
            arch::entry::address(value)
        } else if create {
            let next = frames::allocate()?;
            // SAFETY: as above.
            unsafe { slot.write_volatile(arch::entry::table(next)) };
            next
        } else {
            return None;
        };
    }
    Some((table as *mut u64).wrapping_add(index(address, level)))
}

fn map_in(root: usize, address: usize, frame: usize, access: Access, large: bool) -> bool {
    let Some(slot) = entry(root, address, u32::from(large), true) else { return false };
    // SAFETY: an entry of a live table.
    unsafe { slot.write_volatile(arch::entry::leaf(frame, access, large)) };
    true
}

/// Maps one page. False when no frame for a table is left.
#[must_use]
pub fn map(address: usize, frame: usize, access: Access) -> bool {
    let done = map_in(*ROOT.lock(), address, frame, access, false);
    arch::flush_tlb(address);
    done
}

/// Unmaps one page and gives its frame, if it was mapped.
pub fn unmap(address: usize) -> Option<usize> {
    let slot = entry(*ROOT.lock(), address, 0, false)?;
    // SAFETY: an entry of a live table.
    let value = unsafe { slot.read_volatile() };
    if !arch::entry::is_present(value) {
        return None;
    }
    // SAFETY: as above.
    unsafe { slot.write_volatile(0) };
    arch::flush_tlb(address);
    Some(arch::entry::address(value))
}

/// The frame behind a mapped page.
pub fn frame_of(address: usize) -> Option<usize> {
    let slot = entry(*ROOT.lock(), address, 0, false)?;
    // SAFETY: an entry of a live table.
    let value = unsafe { slot.read_volatile() };
    arch::entry::is_present(value).then(|| arch::entry::address(value))
}

/// Replaces the boot mapping: RAM without execution, the image section by
/// section, devices where the machine has them.
pub fn init() {
    let [start, text, rodata, end] =
        [&raw const image_start, &raw const text_end, &raw const rodata_end, &raw const image_end]
            .map(|symbol| symbol.addr());
    let guard = crate::stack_guard();
    let root = frames::allocate().unwrap_or_else(|| panic!("no frame for the root table"));
    let image_pages_end = end.next_multiple_of(LARGE_BYTES);
    let mut ok = true;
    let mut address = arch::RAM_START;
    while address < arch::RAM_START + arch::RAM_BYTES {
        if address < image_pages_end {
            for page in (address..address + LARGE_BYTES).step_by(FRAME_BYTES) {
                let access = if (start..text).contains(&page) {
                    Access::ReadExecute
                } else if (text..rodata).contains(&page) {
                    Access::Read
                } else {
                    Access::ReadWrite
                };
                if page != 0 && page != guard {
                    ok &= map_in(root, page, page, access, false);
                }
            }
        } else {
            ok &= map_in(root, address, address, Access::ReadWrite, true);
        }
        address += LARGE_BYTES;
    }
    for device in arch::DEVICES {
        ok &= map_in(root, *device, *device, Access::Device, true);
    }
    assert!(ok, "no frames for the page tables");
    *ROOT.lock() = root;
    // SAFETY: the tables map the running code, its stack and its data as they are.
    unsafe { arch::set_root_table(root) };
}
