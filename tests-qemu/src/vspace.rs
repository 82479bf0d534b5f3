//! Virtual address space above RAM: ranges are reserved first and backed with
//! zeroed frames as needed.

use crate::frames::{self, FRAME_BYTES};
use crate::lock::Lock;
use crate::paging::{self, Access};
use alloc::vec::Vec;

const START: usize = 0x1000_0000_0000;
const END: usize = 0x4000_0000_0000;
/// What is left to Kernref.
pub const FOR_GUESTS: core::ops::Range<usize> = END..0x7000_0000_0000;

struct Space {
    fresh: usize,
    /// Returned ranges: start and length. Has room for all ranges in use.
    free: Vec<(usize, usize)>,
    in_use: usize,
}

static SPACE: Lock<Space> = Lock::new(Space { fresh: START, free: Vec::new(), in_use: 0 });

/// Reserves `bytes` of address space (rounded up to pages), followed by a page
/// that is never mapped. Returns its address, or `None` if address space or
/// heap runs out.
pub fn reserve(bytes: usize) -> Option<usize> {
    let bytes = bytes.max(1).checked_next_multiple_of(FRAME_BYTES)?.checked_add(FRAME_BYTES)?;
    let mut space = SPACE.lock();
    let given_back = space.free.iter().position(|(_, len)| *len == bytes);
    let start = match given_back {
        Some(at) => space.free.swap_remove(at).0,
        None => {
            // Returning a range must not fail.
            let ranges = space.in_use + 1;
            space.free.try_reserve(ranges).ok()?;
            let start = space.fresh;
            space.fresh = start.checked_add(bytes).filter(|end| *end <= END)?;
            start
        }
    };
    space.in_use += 1;
    Some(start)
}

/// Returns a range; its pages must have been unmapped.
pub fn unreserve(start: usize, bytes: usize) {
    let bytes = bytes.max(1).next_multiple_of(FRAME_BYTES) + FRAME_BYTES;
    let mut space = SPACE.lock();
    space.free.push((start, bytes));
    space.in_use -= 1;
}

/// Backs `[start, end)` (page-aligned) with zeroed frames. On failure neither
/// pages nor tables made for the range remain.
#[must_use]
pub fn commit(start: usize, end: usize) -> bool {
    let mut pages = (start..end).step_by(FRAME_BYTES);
    let done = pages.all(|page| {
        frames::allocate().is_some_and(|frame| {
            let mapped = paging::map(page, frame, Access::ReadWrite);
            if !mapped {
                // SAFETY: just allocated, and mapped nowhere.
                unsafe { frames::release(frame) };
            }
            mapped
        })
    });
    if !done {
        // SAFETY: any pages of it were mapped just now and are unused.
        unsafe { decommit(start, end) };
    }
    done
}

/// Unmaps any mapped pages of `[start, end)` and frees their frames.
///
/// # Safety
/// Nobody uses the range.
pub unsafe fn decommit(start: usize, end: usize) {
    // SAFETY: nobody uses the range. Each frame is mapped once, and no longer
    // when it is released.
    unsafe { paging::unmap(start, end, &mut |frame| frames::release(frame)) };
}

/// Makes the pages of `[start, end)` executable, and their frames writable nowhere.
#[must_use]
pub fn make_executable(start: usize, end: usize, access: Access) -> bool {
    paging::protect_frames(start, end, Access::Read) && paging::protect(start, end, access)
}

/// Makes what is mapped in `[start, end)` executable at `at`, another place, and
/// writable nowhere: its pages are unmapped, and their frames belong to those at `at`.
/// On failure, what is mapped is as before, but read-only; [`make_writable`] sets that
/// right.
#[must_use]
pub fn map_executable(at: usize, start: usize, end: usize, access: Access) -> bool {
    let sealed = paging::protect(start, end, Access::Read)
        && paging::protect_frames(start, end, Access::Read);
    if !sealed {
        return false;
    }
    let mut pages = (start..end).step_by(FRAME_BYTES);
    let done = pages.all(|page| {
        let frame = paging::frame_of(page);
        frame.is_some_and(|frame| paging::map(at + (page - start), frame, access))
    });
    // Each frame belongs to one of its two pages.
    let other = if done { start } else { at };
    // SAFETY: nobody uses these pages any more, or uses them yet.
    unsafe { paging::unmap(other, other + (end - start), &mut |_| ()) };
    done
}

/// Takes back that the pages of `[start, end)` are executable.
pub fn make_writable(start: usize, end: usize) {
    // Some need not be mapped.
    let _ = paging::protect(start, end, Access::ReadWrite);
    let _ = paging::protect_frames(start, end, Access::ReadWrite);
}
