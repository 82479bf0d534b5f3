//! [`FixedRegion`]: linear memories, code and stacks from a region that is mapped
//! once and for all, for kernels that do not change page tables.
//!
//! Invariant: blocks in use are disjoint, and whole pages of 4 KiB.

use super::embedder::{CodeMemory, CodeRegion, LinearMemory, MemorySource};
use super::ranges::Ranges;
use super::stack_source::{StackMemory, StackSource};
use crate::error::{Error, Misuse, Result};
use core::ptr::NonNull;
use spin::mutex::SpinMutex;

const PAGE_BYTES: usize = 4096;

/// A region of memory that is shared out: each block is a linear memory, code, or a
/// stack. Nothing changes how it is mapped.
///
/// For code the region must be executable. Either it is mapped a second time, as
/// executable and not writable, which [`Self::with_alias`] is told of. Or it is
/// writable and executable, as everything is in a kernel without page tables: then
/// nothing but Kernref's own checks keeps a guest's code as it is. Give the two
/// purposes a region each, so that at least linear memories need not be executable.
///
/// Memories do not move: each can grow by as much as was set aside for it
/// ([`Self::growth_bytes`]), and there are no guards for
/// [`crate::Config::hardware_traps`].
pub struct FixedRegion {
    base: NonNull<u8>,
    /// The same memory where code runs.
    execute: NonNull<u8>,
    growth_bytes: usize,
    blocks: SpinMutex<Ranges>,
}

// SAFETY: the region is the value's own, whichever thread has it.
unsafe impl Send for FixedRegion {}
// SAFETY: what is given out is disjoint, and noted under a lock.
unsafe impl Sync for FixedRegion {}

impl FixedRegion {
    /// Shares out `[base, base + len_bytes)`; of pages that are not whole nothing is
    /// used. Each memory can grow by 1 MiB.
    ///
    /// # Errors
    /// [`Misuse::InvalidConfig`] if there is no whole page.
    ///
    /// # Safety
    /// The region can be read and written as long as this value lives, and nobody else
    /// uses it. If it is the engine's code memory, it can be executed as well, or
    /// [`Self::with_alias`] says where it can.
    pub unsafe fn new(base: NonNull<u8>, len_bytes: usize) -> Result<Self> {
        let skipped = base.addr().get().wrapping_neg() % PAGE_BYTES;
        let len_bytes = len_bytes.saturating_sub(skipped) / PAGE_BYTES * PAGE_BYTES;
        if len_bytes == 0 {
            return Err(Misuse::InvalidConfig("a fixed region has at least one page").into());
        }
        // SAFETY: the region is longer than what is skipped.
        let base = unsafe { base.add(skipped) };
        let blocks = SpinMutex::new(Ranges::new(0..len_bytes));
        Ok(Self { base, execute: base, growth_bytes: 1 << 20, blocks })
    }

    /// Code runs at another address than it is written at: `execute` is where the
    /// region's first whole page is mapped again.
    ///
    /// # Errors
    /// [`Misuse::InvalidConfig`] if that is not the start of a page.
    ///
    /// # Safety
    /// There, all of the region's whole pages can be read and executed, and not written.
    pub unsafe fn with_alias(mut self, execute: NonNull<u8>) -> Result<Self> {
        if !execute.addr().get().is_multiple_of(PAGE_BYTES) {
            return Err(Misuse::InvalidConfig("code begins at the start of a page").into());
        }
        self.execute = execute;
        Ok(self)
    }

    /// Room for growth to set aside for each memory, unless its maximum is less.
    #[must_use]
    pub const fn growth_bytes(mut self, bytes: usize) -> Self {
        self.growth_bytes = bytes;
        self
    }

    /// A block's offset and size.
    fn take(&self, bytes: usize) -> Result<(usize, usize)> {
        let refused = Error::OutOfMemory { bytes };
        let Some(bytes) = bytes.max(1).checked_next_multiple_of(PAGE_BYTES) else {
            return Err(refused);
        };
        Ok((self.blocks.lock().take(bytes, PAGE_BYTES)?, bytes))
    }

    fn give_back(&self, block: NonNull<u8>) {
        self.blocks.lock().give_back(block.addr().get() - self.base.addr().get());
    }
}

// SAFETY: blocks are the region's, disjoint, and never move; what is committed was
// zeroed when it was.
unsafe impl MemorySource for FixedRegion {
    fn reserve(&self, minimum_bytes: usize, maximum_bytes: usize) -> Result<LinearMemory> {
        let capacity_bytes = self.capacity_for(minimum_bytes, maximum_bytes);
        let (offset, _) = self.take(capacity_bytes)?;
        // SAFETY: within the region.
        let base = unsafe { self.base.add(offset) };
        // SAFETY: the block is long enough, and nobody else's.
        unsafe { base.write_bytes(0, minimum_bytes) };
        Ok(LinearMemory { base, capacity_bytes, committed_bytes: minimum_bytes, guarded_bytes: 0 })
    }

    unsafe fn commit(&self, memory: &mut LinearMemory, new_committed_bytes: usize) -> Result<()> {
        let Some(more) = new_committed_bytes.checked_sub(memory.committed_bytes) else {
            return Ok(());
        };
        if new_committed_bytes > memory.capacity_bytes {
            return Err(Error::OutOfMemory { bytes: new_committed_bytes });
        }
        // SAFETY: within the memory's block, and not in use yet.
        unsafe { memory.base.add(memory.committed_bytes).write_bytes(0, more) };
        memory.committed_bytes = new_committed_bytes;
        Ok(())
    }

    unsafe fn release(&self, memory: LinearMemory) {
        self.give_back(memory.base);
    }

    fn held_bytes(&self, memory: &LinearMemory) -> usize {
        memory.capacity_bytes
    }

    fn capacity_for(&self, minimum_bytes: usize, maximum_bytes: usize) -> usize {
        minimum_bytes.saturating_add(self.growth_bytes).min(maximum_bytes)
    }

    unsafe fn reset(
        &self,
        memory: &mut LinearMemory,
        new_committed_bytes: usize,
        _resident_bytes: usize,
    ) -> Result<()> {
        let kept = new_committed_bytes.min(memory.committed_bytes);
        // SAFETY: committed, and nobody uses it.
        unsafe { memory.base.write_bytes(0, kept) };
        memory.committed_bytes = kept;
        // SAFETY: passed on to the caller.
        unsafe { self.commit(memory, new_committed_bytes) }
    }
}

// SAFETY: blocks are the region's and disjoint. That they can be executed, and are
// writable nowhere else if they can, is what `new` and `with_alias` were promised.
unsafe impl CodeMemory for FixedRegion {
    fn allocate(&self, len_bytes: usize) -> Result<CodeRegion> {
        let (offset, len_bytes) = self.take(len_bytes)?;
        // SAFETY: within the region, and within its other mapping.
        let (write, execute) = unsafe { (self.base.add(offset), self.execute.add(offset)) };
        Ok(CodeRegion { write, execute, len_bytes })
    }

    unsafe fn publish(&self, _region: &CodeRegion) -> Result<()> {
        Ok(())
    }

    unsafe fn release(&self, region: CodeRegion) {
        self.give_back(region.write);
    }
}

// SAFETY: as above.
unsafe impl StackSource for FixedRegion {
    fn reserve(&self, len_bytes: usize) -> Result<StackMemory> {
        let (offset, len_bytes) = self.take(len_bytes)?;
        // SAFETY: the block is within the region and nobody else's.
        Ok(unsafe { StackMemory::from_raw_parts(self.base.add(offset), len_bytes) })
    }

    unsafe fn release(&self, stack: StackMemory) {
        self.give_back(stack.base());
    }
}

impl core::fmt::Debug for FixedRegion {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("FixedRegion").field("base", &self.base).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::alloc::{Layout, alloc, dealloc};

    const WASM_PAGE: usize = 64 << 10;

    /// Calls `body` with a region of 16 whole pages between two others, full of ones.
    fn with_region(body: impl FnOnce(FixedRegion, NonNull<u8>)) {
        let layout = Layout::from_size_align(18 * PAGE_BYTES, PAGE_BYTES).unwrap();
        // SAFETY: the layout has a size; all of the block is written, and used by the
        // region alone until it is freed.
        unsafe {
            let block = NonNull::new(alloc(layout)).unwrap();
            block.write_bytes(1, layout.size());
            let region = FixedRegion::new(block.add(10), 17 * PAGE_BYTES).unwrap();
            body(region, block.add(PAGE_BYTES));
            let ends = [block.read(), block.add(17 * PAGE_BYTES).read()];
            assert_eq!(ends, [1, 1], "beyond the whole pages");
            dealloc(block.as_ptr(), layout);
        }
    }

    #[test]
    fn memories_are_zeroed_grow_as_far_as_was_set_aside_and_come_back() {
        with_region(|region, first| {
            let region = region.growth_bytes(0);
            let mut memory = MemorySource::reserve(&region, WASM_PAGE, WASM_PAGE).unwrap();
            assert_eq!((memory.base, memory.capacity_bytes), (first, WASM_PAGE));
            assert!(MemorySource::reserve(&region, 0, WASM_PAGE).is_err(), "all are in use");
            // SAFETY: the memory is of this region, committed, and released once.
            unsafe {
                assert!((0..WASM_PAGE).all(|at| memory.base.add(at).read() == 0));
                memory.base.write_bytes(7, WASM_PAGE);
                assert!(region.commit(&mut memory, 2 * WASM_PAGE).is_err());
                region.reset(&mut memory, 0, 0).unwrap();
                assert_eq!(memory.committed_bytes, 0);
                region.commit(&mut memory, WASM_PAGE).unwrap();
                assert!((0..WASM_PAGE).all(|at| memory.base.add(at).read() == 0));
                MemorySource::release(&region, memory);
            }
            assert!(region.blocks.lock().is_unused());
            let region = region.growth_bytes(1 << 30);
            assert!(MemorySource::reserve(&region, 0, 1 << 20).is_err(), "more than there is");
            let memory = MemorySource::reserve(&region, 0, WASM_PAGE).unwrap();
            assert_eq!((memory.capacity_bytes, memory.committed_bytes), (WASM_PAGE, 0));
            // SAFETY: as above.
            unsafe { MemorySource::release(&region, memory) };
        });
    }

    #[test]
    fn code_runs_where_the_alias_is() {
        with_region(|region, first| {
            // SAFETY: nothing is executed.
            unsafe {
                let elsewhere = NonNull::new(0x7000_0000 as *mut u8).unwrap();
                assert!(region.blocks.lock().is_unused());
                let region = region.with_alias(elsewhere).unwrap();
                let stack = StackSource::reserve(&region, 1).unwrap();
                let code = region.allocate(PAGE_BYTES + 1).unwrap();
                assert_eq!(code.len_bytes, 2 * PAGE_BYTES);
                assert_eq!(code.write, first.add(PAGE_BYTES));
                assert_eq!(code.execute, elsewhere.byte_add(PAGE_BYTES));
                region.publish(&code).unwrap();
                CodeMemory::release(&region, code);
                StackSource::release(&region, stack);
                assert!(region.blocks.lock().is_unused());
                assert!(region.with_alias(elsewhere.byte_add(8)).is_err());
            }
        });
        // SAFETY: no page is whole, so nothing is used.
        assert!(unsafe { FixedRegion::new(NonNull::dangling(), 4096) }.is_err());
    }
}
