//! [`HeapMemorySource`]: linear memories from the global allocator, for
//! kernels that have a heap and no address space to reserve.

use super::embedder::{LinearMemory, MemorySource};
use crate::error::{Error, Result};
use core::alloc::Layout;
use core::ptr::NonNull;

/// Takes each linear memory as one block from the global allocator. A memory
/// can grow by [`Self::growth_bytes`] beyond its minimum and no further,
/// because it must not move.
#[derive(Clone, Copy, Debug)]
pub struct HeapMemorySource {
    growth_bytes: usize,
}

/// A CPU page, so that a kernel may map the blocks.
const ALIGN_BYTES: usize = 4096;

impl HeapMemorySource {
    /// Room for growth to set aside for each memory, in bytes.
    pub const fn new(growth_bytes: usize) -> Self {
        Self { growth_bytes }
    }

    /// Bytes set aside for each memory's growth.
    pub const fn growth_bytes(&self) -> usize {
        self.growth_bytes
    }
}

fn layout(bytes: usize) -> Result<Layout> {
    Layout::from_size_align(bytes.max(ALIGN_BYTES), ALIGN_BYTES)
        .map_err(|_| Error::OutOfMemory { bytes })
}

// SAFETY: blocks come zeroed from the global allocator, which gives them to
// nobody else until they are released, and never move.
unsafe impl MemorySource for HeapMemorySource {
    fn reserve(&self, minimum_bytes: usize, maximum_bytes: usize) -> Result<LinearMemory> {
        let capacity_bytes = self.capacity_for(minimum_bytes, maximum_bytes);
        let layout = layout(capacity_bytes)?;
        // SAFETY: the layout's size is not zero.
        let base = unsafe { std_alloc::alloc::alloc_zeroed(layout) };
        let base = NonNull::new(base).ok_or(Error::OutOfMemory { bytes: capacity_bytes })?;
        Ok(LinearMemory { base, capacity_bytes, committed_bytes: minimum_bytes, guarded_bytes: 0 })
    }

    unsafe fn commit(&self, memory: &mut LinearMemory, new_committed_bytes: usize) -> Result<()> {
        if new_committed_bytes > memory.capacity_bytes {
            return Err(Error::OutOfMemory { bytes: new_committed_bytes });
        }
        memory.committed_bytes = new_committed_bytes;
        Ok(())
    }

    unsafe fn release(&self, memory: LinearMemory) {
        if let Ok(layout) = layout(memory.capacity_bytes) {
            // SAFETY: `reserve` allocated this block with this layout.
            unsafe { std_alloc::alloc::dealloc(memory.base.as_ptr(), layout) };
        }
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
        // What was never committed is still zero.
        // SAFETY: committed, and nobody uses it (guaranteed by the caller).
        unsafe { memory.base.write_bytes(0, memory.committed_bytes) };
        memory.committed_bytes = new_committed_bytes.min(memory.committed_bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_in_place_up_to_its_slack() {
        let source = HeapMemorySource::new(1 << 16);
        let mut memory = source.reserve(1 << 16, 4 << 16).unwrap();
        assert_eq!((memory.capacity_bytes, memory.committed_bytes), (2 << 16, 1 << 16));
        // SAFETY: the block is of this source, committed, and released once.
        unsafe {
            source.commit(&mut memory, 2 << 16).unwrap();
            assert!(source.commit(&mut memory, 3 << 16).is_err());
            assert_eq!(memory.base.as_ptr().add((2 << 16) - 1).read(), 0);
            source.release(memory);
        }
    }
}
