//! [`FramePool`]: frames for pages and tables, for kernels that have no allocator of
//! their own for them.
//!
//! Invariant: a frame is in the list of free ones, or beyond what was ever given out, or
//! belongs to whoever took it.

use super::tables::PAGE_BYTES;
use core::ops::Range;
use spin::mutex::SpinMutex;

/// A range of RAM, shared out in frames of 4 KiB.
///
/// `&'static FramePool` is an allocator of frames for the crate `x86_64`, and gives both
/// pages and tables for the crate `aarch64-paging`.
pub struct FramePool {
    state: SpinMutex<State>,
    offset: usize,
}

struct State {
    fresh: Range<usize>,
    /// The newest that came back; each holds the address of the next. 0: none.
    free: usize,
    free_count: usize,
}

impl FramePool {
    /// The frames of a range of physical addresses, whose bounds are multiples of 4096.
    /// `offset` is what is added to a frame's address to get to where it is mapped.
    ///
    /// # Safety
    /// Nobody else uses this RAM, and it is mapped there, to be read and written while it
    /// belongs to the pool.
    pub const unsafe fn new(range: Range<usize>, offset: usize) -> Self {
        let state = State { fresh: range, free: 0, free_count: 0 };
        Self { state: SpinMutex::new(state), offset }
    }

    /// Where a frame is mapped.
    fn pointer(&self, frame: usize) -> *mut usize {
        core::ptr::with_exposed_provenance_mut(frame.wrapping_add(self.offset))
    }

    /// A frame's physical address.
    pub fn take(&self) -> Option<usize> {
        let mut state = self.state.lock();
        if state.free != 0 {
            let frame = state.free;
            // SAFETY: a free frame holds the address of the next one.
            state.free = unsafe { self.pointer(frame).read() };
            state.free_count -= 1;
            return Some(frame);
        }
        let frame = state.fresh.start;
        let next = frame.checked_add(PAGE_BYTES).filter(|next| *next <= state.fresh.end)?;
        state.fresh.start = next;
        Some(frame)
    }

    /// Takes a frame back.
    ///
    /// # Safety
    /// It came from [`Self::take`], and nobody uses it any more.
    pub unsafe fn give_back(&self, frame: usize) {
        let mut state = self.state.lock();
        // SAFETY: passed on to the caller: the frame is the pool's again.
        unsafe { self.pointer(frame).write(state.free) };
        state.free = frame;
        state.free_count += 1;
    }

    /// How many frames are left.
    pub fn left(&self) -> usize {
        let state = self.state.lock();
        state.fresh.len() / PAGE_BYTES + state.free_count
    }
}

impl core::fmt::Debug for FramePool {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("FramePool").field("left", &self.left()).finish_non_exhaustive()
    }
}

#[cfg(feature = "x86_64-paging")]
mod for_x86_64 {
    use super::FramePool;
    use ::x86_64::PhysAddr;
    use ::x86_64::structures::paging::{FrameAllocator, FrameDeallocator, PhysFrame, Size4KiB};

    // SAFETY: a frame is given out once until it is back.
    unsafe impl FrameAllocator<Size4KiB> for &'static FramePool {
        fn allocate_frame(&mut self) -> Option<PhysFrame> {
            let address = self.take()?;
            Some(PhysFrame::containing_address(PhysAddr::new_truncate(address as u64)))
        }
    }

    impl FrameDeallocator<Size4KiB> for &'static FramePool {
        unsafe fn deallocate_frame(&mut self, frame: PhysFrame) {
            // SAFETY: passed on to the caller.
            unsafe { self.give_back(frame.start_address().as_u64() as usize) };
        }
    }
}

#[cfg(feature = "aarch64-paging")]
mod for_aarch64 {
    use super::super::frames::Frames;
    use super::FramePool;
    use aarch64_paging::descriptor::{PagingAttributes, PhysicalAddress};
    use aarch64_paging::paging::{PageTable, Translation};
    use core::ptr::NonNull;

    // SAFETY: a frame is given out once until it is back.
    unsafe impl Frames for &'static FramePool {
        fn allocate(&mut self) -> Option<PhysicalAddress> {
            self.take().map(PhysicalAddress)
        }

        unsafe fn release(&mut self, frame: PhysicalAddress) {
            // SAFETY: passed on to the caller.
            unsafe { self.give_back(frame.0) };
        }

        fn available(&self) -> usize {
            self.left()
        }
    }

    /// # Panics
    /// If there is no frame for a table, which `MappingTables` sees to.
    impl<A: PagingAttributes> Translation<A> for &'static FramePool {
        fn allocate_table(&mut self) -> (NonNull<PageTable<A>>, PhysicalAddress) {
            let Some(frame) = self.take().map(PhysicalAddress) else {
                panic!("there is no frame for a page table")
            };
            let table = self.physical_to_virtual(frame);
            // SAFETY: a frame that nobody else has, mapped as the pool was told.
            unsafe { table.write_bytes(0, 1) };
            (table, frame)
        }

        unsafe fn deallocate_table(&mut self, table: NonNull<PageTable<A>>) {
            // SAFETY: passed on to the caller.
            unsafe { self.give_back(table.addr().get().wrapping_sub(self.offset)) };
        }

        fn physical_to_virtual(&self, pa: PhysicalAddress) -> NonNull<PageTable<A>> {
            match NonNull::new(self.pointer(pa.0).cast()) {
                Some(table) => table,
                None => panic!("a frame is mapped at address 0"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;
    use std::vec::Vec;

    #[test]
    fn frames_are_given_out_once_until_they_are_back() {
        const OFFSET: usize = 0x1000;
        let block = vec![0_u8; 5 * PAGE_BYTES];
        let start = block.as_ptr().expose_provenance().next_multiple_of(PAGE_BYTES);
        // SAFETY: within the block, which is used by nobody else.
        let pool =
            unsafe { FramePool::new(start - OFFSET..start - OFFSET + 4 * PAGE_BYTES, OFFSET) };
        let mut frames: Vec<_> = core::iter::from_fn(|| pool.take()).collect();
        assert_eq!((frames.len(), pool.left()), (4, 0));
        for frame in &frames {
            // SAFETY: taken above, and not in use.
            unsafe { pool.give_back(*frame) };
        }
        assert_eq!(pool.left(), 4);
        let mut again: Vec<_> = core::iter::from_fn(|| pool.take()).collect();
        again.sort_unstable();
        frames.sort_unstable();
        assert_eq!(again, frames);
        frames.dedup();
        assert!(frames.len() == 4 && frames.iter().all(|frame| frame % PAGE_BYTES == 0));
    }
}
