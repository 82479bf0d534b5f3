//! Four-level page tables with 4 KiB pages, common to both architectures; the
//! encoding of an entry is the architecture's ([`crate::arch::entry`]).
//!
//! Invariants: [`Access`] has no value for "writable and executable". A frame that
//! is executable at one address is writable at none ([`protect_frames`]). Tables
//! that [`unmap`] leaves empty are returned to the frame allocator, so that the
//! mapped memory bounds the memory used by tables. A frame is given back only
//! when no processor knows of it any more, as a page or as a table.

use crate::arch;
use crate::frames::{self, FRAME_BYTES};
use crate::lock::Lock;

/// What a page may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Read only.
    Read,
    /// Read and write.
    ReadWrite,
    /// Read and execute.
    ReadExecute,
    /// The same, where indirect branches must lead to a landing instruction, if the
    /// processor knows such pages.
    GuardedExecute,
    /// Device registers: read and write, uncached.
    Device,
}

/// How many frames are collected before all processors are asked to forget them.
const MOST_DOOMED: usize = 512;

struct Tables {
    /// Address of the root table.
    root: usize,
    /// Unmapped, and perhaps still known to a processor: whether each was a table.
    doomed: [(usize, bool); MOST_DOOMED],
    doomed_count: usize,
}

static TABLES: Lock<Tables> =
    Lock::new(Tables { root: 0, doomed: [(0, false); MOST_DOOMED], doomed_count: 0 });

/// Address of the root table.
pub(crate) fn root() -> usize {
    TABLES.lock().root
}

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

/// The entry for `address` at `level` (0: pages, 1: 2 MiB blocks). Makes
/// missing tables if `create` is set.
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

/// Maps one page, which is not mapped yet. False if there is no frame for a table.
#[must_use]
pub fn map(address: usize, frame: usize, access: Access) -> bool {
    let tables = TABLES.lock();
    let done = map_in(tables.root, address, frame, access, false);
    arch::publish_entry();
    done
}

/// Changes what the pages of `[start, end)` may be used for, on all processors.
/// False if one of them is not mapped; the others are changed all the same.
pub fn protect(start: usize, end: usize, access: Access) -> bool {
    change(start, end, access, false)
}

/// The same with the frames behind these pages, where RAM is mapped as it is: they
/// are made read-only before they become executable, and writable again after they
/// have ceased to be.
pub fn protect_frames(start: usize, end: usize, access: Access) -> bool {
    change(start, end, access, true)
}

fn change(start: usize, end: usize, access: Access, of_frames: bool) -> bool {
    let tables = TABLES.lock();
    let present = |address| {
        let slot = entry(tables.root, address, 0, false)?;
        // SAFETY: an entry of a live table.
        let value = unsafe { slot.read_volatile() };
        arch::entry::is_present(value).then(|| (slot, arch::entry::address(value)))
    };
    let mut done = true;
    for page in (start..end).step_by(FRAME_BYTES) {
        let found = present(page);
        let found = if of_frames { found.and_then(|(_, frame)| present(frame)) } else { found };
        match found {
            // SAFETY: as above.
            Some((slot, frame)) => unsafe {
                slot.write_volatile(arch::entry::leaf(frame, access, false));
            },
            None => done = false,
        }
    }
    match of_frames {
        false => arch::flush_everywhere(start, end),
        // Frames lie here and there.
        true => arch::flush_everywhere(0, usize::MAX),
    }
    done
}

/// Unmaps `[start, end)`, passes the frame behind each page to `release` once
/// nothing reaches it any more, and frees tables that become empty. Unmapped
/// parts are skipped a whole table at a time.
///
/// # Safety
/// Nobody uses the range, and it holds only 4 KiB pages: nothing [`init`] maps.
pub unsafe fn unmap(start: usize, end: usize, release: &mut dyn FnMut(usize)) {
    let mut tables = TABLES.lock();
    let mut clearing = Clearing { tables: &mut tables, start, end, release };
    let root = clearing.tables.root;
    // SAFETY: by this function's contract.
    unsafe { clearing.clear(root, 3, start, end) };
    clearing.give_back();
}

/// A range that is being unmapped.
struct Clearing<'c> {
    tables: &'c mut Tables,
    start: usize,
    end: usize,
    release: &'c mut dyn FnMut(usize),
}

impl Clearing<'_> {
    /// # Safety
    /// `table` is live, at `level`, and covers `[start, end)`; otherwise as for
    /// [`unmap`].
    unsafe fn clear(&mut self, table: usize, level: u32, start: usize, end: usize) {
        let span = FRAME_BYTES << (9 * level);
        let mut from = start;
        while from < end {
            let to = ((from | (span - 1)) + 1).min(end);
            let slot = (table as *mut u64).wrapping_add(index(from, level));
            // SAFETY: an entry of a live table.
            let value = unsafe { slot.read_volatile() };
            if arch::entry::is_present(value) {
                let below = arch::entry::address(value);
                if level > 0 {
                    // SAFETY: the table below covers the entry's part of the range.
                    unsafe { self.clear(below, level - 1, from, to) };
                }
                if level == 0 || is_empty(below) {
                    // SAFETY: as above.
                    unsafe { slot.write_volatile(0) };
                    self.doom(below, level > 0);
                }
            }
            from = to;
        }
    }

    fn doom(&mut self, frame: usize, was_table: bool) {
        if self.tables.doomed_count == MOST_DOOMED {
            self.give_back();
        }
        self.tables.doomed[self.tables.doomed_count] = (frame, was_table);
        self.tables.doomed_count += 1;
    }

    /// Gives back the frames collected, once all processors have forgotten them.
    fn give_back(&mut self) {
        if self.tables.doomed_count == 0 {
            return;
        }
        // Of the whole range: where in it they were is not noted.
        arch::flush_everywhere(self.start, self.end);
        for (frame, was_table) in &self.tables.doomed[..self.tables.doomed_count] {
            match was_table {
                // SAFETY: an empty table that no entry points to.
                true => unsafe { frames::release(*frame) },
                false => (self.release)(*frame),
            }
        }
        self.tables.doomed_count = 0;
    }
}

fn is_empty(table: usize) -> bool {
    // SAFETY: a live table of 512 entries, identity-mapped.
    let entries = unsafe { core::slice::from_raw_parts(table as *const u64, 512) };
    entries.iter().all(|entry| !arch::entry::is_present(*entry))
}

/// A mapping of a page or a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// Where it is mapped.
    pub address: usize,
    /// What is mapped there.
    pub frame: usize,
    /// How much of it.
    pub bytes: usize,
    /// Whether the kernel can write there.
    pub writable: bool,
    /// Whether the kernel can execute there.
    pub executable: bool,
}

/// Visits every mapping in the tables.
pub fn each_mapping(visit: &mut dyn FnMut(Mapping)) {
    let tables = TABLES.lock();
    visit_table(tables.root, 3, 0, visit);
}

fn visit_table(table: usize, level: u32, start: usize, visit: &mut dyn FnMut(Mapping)) {
    let bytes = FRAME_BYTES << (9 * level);
    for at in 0..512 {
        let slot = (table as *const u64).wrapping_add(at);
        // SAFETY: an entry of a live table, identity-mapped.
        let value = unsafe { slot.read_volatile() };
        let address = start + at * bytes;
        if !arch::entry::is_present(value) {
            continue;
        }
        let frame = arch::entry::address(value);
        if level > 0 && !arch::entry::is_block(value) {
            visit_table(frame, level - 1, address, visit);
            continue;
        }
        let (writable, executable) = arch::entry::allows(value);
        visit(Mapping { address, frame, bytes, writable, executable });
    }
}

/// Whether a page is mapped, and cannot be written.
pub fn is_read_only(address: usize) -> bool {
    let tables = TABLES.lock();
    let Some(slot) = entry(tables.root, address, 0, false) else { return false };
    // SAFETY: an entry of a live table.
    let value = unsafe { slot.read_volatile() };
    arch::entry::is_present(value) && !arch::entry::allows(value).0
}

/// The frame behind a mapped page.
pub fn frame_of(address: usize) -> Option<usize> {
    let tables = TABLES.lock();
    let slot = entry(tables.root, address, 0, false)?;
    // SAFETY: an entry of a live table.
    let value = unsafe { slot.read_volatile() };
    arch::entry::is_present(value).then(|| arch::entry::address(value))
}

/// Replaces the boot mapping: RAM without execute permission, the image section
/// by section, and the machine's devices.
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
        } else if frames::CONTAINS.contains(&address) {
            // Each frame on its own, so that it can be sealed.
            for page in (address..address + LARGE_BYTES).step_by(FRAME_BYTES) {
                ok &= map_in(root, page, page, Access::ReadWrite, false);
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
    TABLES.lock().root = root;
    // SAFETY: the tables map the running code, its stack and its data as they are.
    unsafe { arch::set_root_table(root) };
}
