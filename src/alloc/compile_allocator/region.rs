//! [`Region`]: the heap of one compilation, within memory that is its own. The
//! allocator is a two-level segregated fit (Masmano et al. 2004): constant time
//! whatever the compiler has done to it before.
//!
//! Used by one thread at a time: the one on the compilation's stack.

use core::alloc::Layout;
use core::mem::{MaybeUninit, align_of, size_of};
use core::ops::Range;
use core::ptr::NonNull;
use rlsf::Tlsf;

/// Classes of sizes: 28 powers of two from 32 bytes on, each in 32 steps.
type Classes = Tlsf<'static, u32, u32, 28, 32>;

/// The allocator's state, at the start of the memory that it gives.
pub(super) struct Region {
    classes: Classes,
    used_bytes: usize,
    peak_bytes: usize,
}

impl Region {
    /// Takes memory over. `None` if it is too small.
    ///
    /// # Safety
    /// Nobody else uses the memory as long as the region, or anything that it
    /// allocated, is used.
    pub(super) unsafe fn within(memory: &mut [MaybeUninit<u8>]) -> Option<NonNull<Self>> {
        let skipped = memory.as_ptr().align_offset(align_of::<Self>());
        let state_bytes = skipped.checked_add(size_of::<Self>())?;
        let (state, rest) = memory.split_at_mut_checked(state_bytes)?;
        let state = NonNull::from(state.get_mut(skipped..)?).cast::<Self>();
        let mut region = Self { classes: Classes::new(), used_bytes: 0, peak_bytes: 0 };
        let rest = NonNull::slice_from_raw_parts(NonNull::from(&mut *rest).cast(), rest.len());
        // SAFETY: the memory is the region's by this function's contract; `state`
        // is aligned, large enough, and not part of `rest`.
        unsafe {
            region.classes.insert_free_block_ptr(rest)?;
            state.write(region);
        }
        Some(state)
    }

    /// The most that was in use at a time.
    pub(super) fn peak_bytes(&self) -> usize {
        self.peak_bytes
    }

    fn count(&mut self, more: usize, less: usize) {
        self.used_bytes = self.used_bytes.wrapping_add(more).wrapping_sub(less);
        self.peak_bytes = self.peak_bytes.max(self.used_bytes);
    }

    pub(super) fn allocate(&mut self, layout: Layout) -> Option<NonNull<u8>> {
        let block = self.classes.allocate(layout)?;
        self.count(layout.size(), 0);
        Some(block)
    }

    /// # Safety
    /// `block` is one of this region's in use, of this layout.
    pub(super) unsafe fn deallocate(&mut self, block: NonNull<u8>, layout: Layout) {
        self.count(0, layout.size());
        // SAFETY: by this function's contract.
        unsafe { self.classes.deallocate(block, layout.align()) };
    }

    /// # Safety
    /// `block` is one of this region's in use, of the layout `old`; `new` has the
    /// same alignment, and a size.
    pub(super) unsafe fn reallocate(
        &mut self,
        block: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Option<NonNull<u8>> {
        // SAFETY: by this function's contract.
        let moved = unsafe { self.classes.reallocate(block, new)? };
        self.count(new.size(), old.size());
        Some(moved)
    }
}

/// Where memory lies.
pub(super) fn addresses(memory: &[MaybeUninit<u8>]) -> Range<usize> {
    let start = memory.as_ptr().addr();
    start..start + memory.len()
}
