//! [`StackSource`]: native stacks from the embedder, for work that must not
//! depend on how much of its own stack a caller has left.

use crate::error::{Error, Result};
use core::alloc::Layout;
use core::ptr::NonNull;

/// A stack that nobody runs on. It begins at its upper end.
#[derive(Debug)]
pub struct StackMemory {
    base: NonNull<u8>,
    len_bytes: usize,
}

impl StackMemory {
    /// The stack whose lowest byte is at `base`.
    ///
    /// # Safety
    /// `[base, base + len_bytes)` can be read and written and belongs to whoever
    /// has the stack.
    pub const unsafe fn from_raw_parts(base: NonNull<u8>, len_bytes: usize) -> Self {
        Self { base, len_bytes }
    }

    /// Its lowest byte.
    pub const fn base(&self) -> NonNull<u8> {
        self.base
    }

    /// Its size in bytes.
    pub const fn len_bytes(&self) -> usize {
        self.len_bytes
    }
}

/// Gives stacks. Best with a page below each that faults when it is touched:
/// code that needs more than there is then stops, instead of overwriting what
/// lies there.
///
/// # Safety
/// A stack that an implementation gives is as large as asked for, can be read
/// and written, and is used by nobody else until it is released.
pub unsafe trait StackSource: Send + Sync {
    /// A stack of at least `len_bytes`. What is on it does not matter.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    fn reserve(&self, len_bytes: usize) -> Result<StackMemory>;

    /// Takes it back.
    ///
    /// # Safety
    /// It came from this source, and nothing runs on it any more.
    unsafe fn release(&self, stack: StackMemory);
}

/// Stacks from the global allocator. There is nothing below them that faults. A
/// pattern lies there instead, which is looked at when a stack is given back.
///
/// # Panics
/// [`StackSource::release`] panics if the pattern has been overwritten: whatever ran
/// on the stack had too little of it, and may have overwritten the heap.
#[derive(Clone, Copy, Debug, Default)]
pub struct HeapStackSource;

/// How heap stacks are aligned: as every stack pointer is.
const STACK_ALIGN: usize = 16;

/// What lies below a heap stack.
const CANARY: [u64; 8] = [0x5ca1_ab1e_0ddb_a115; 8];
const CANARY_BYTES: usize = size_of::<[u64; 8]>();

/// The block of a heap stack, which begins with the canary.
fn heap_block(len_bytes: usize) -> Option<Layout> {
    let bytes = len_bytes.checked_add(CANARY_BYTES)?;
    Layout::from_size_align(bytes, STACK_ALIGN).ok().filter(|_| len_bytes > 0)
}

// SAFETY: fresh blocks of the global allocator.
unsafe impl StackSource for HeapStackSource {
    fn reserve(&self, len_bytes: usize) -> Result<StackMemory> {
        let refused = Error::OutOfMemory { bytes: len_bytes };
        let Some(layout) = heap_block(len_bytes) else { return Err(refused) };
        // SAFETY: the layout has a size.
        let block = NonNull::new(unsafe { std_alloc::alloc::alloc(layout) }).ok_or(refused)?;
        // SAFETY: the block begins with room for it, and is aligned well enough.
        let base = unsafe {
            block.cast().write(CANARY);
            block.add(CANARY_BYTES)
        };
        Ok(StackMemory { base, len_bytes })
    }

    unsafe fn release(&self, stack: StackMemory) {
        let Some(layout) = heap_block(stack.len_bytes) else { return };
        // SAFETY: by the trait's contract a block that `reserve` allocated so.
        unsafe {
            let block = stack.base.sub(CANARY_BYTES);
            let canary = block.cast::<[u64; 8]>().read_volatile();
            assert!(canary == CANARY, "a stack of {} bytes was overrun", stack.len_bytes);
            std_alloc::alloc::dealloc(block.as_ptr(), layout);
        }
    }
}

/// A stack until it is given back.
#[cfg(feature = "compile")]
pub(crate) struct Reserved<'s> {
    source: &'s dyn StackSource,
    stack: Option<StackMemory>,
}

#[cfg(feature = "compile")]
impl<'s> Reserved<'s> {
    pub(crate) fn from(source: &'s dyn StackSource, len_bytes: usize) -> Result<Self> {
        let stack = source.reserve(len_bytes)?;
        Ok(Self { source, stack: Some(stack) })
    }

    /// Where the stack is: its addresses.
    pub(crate) fn bounds(&self) -> core::ops::Range<usize> {
        let Some(stack) = &self.stack else { return 0..0 };
        let base = stack.base.addr().get();
        base..base.saturating_add(stack.len_bytes)
    }

    /// Where it begins: the highest multiple of 16 on it.
    pub(crate) fn top(&self) -> *mut u8 {
        let end = self.bounds().end;
        let aligned = end - end % STACK_ALIGN;
        self.stack
            .as_ref()
            .map_or(core::ptr::null_mut(), |stack| stack.base.as_ptr().with_addr(aligned))
    }
}

#[cfg(feature = "compile")]
impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        if let Some(stack) = self.stack.take() {
            // SAFETY: it came from this source, and whoever ran on it has returned
            // or left, since the value is not borrowed any more.
            unsafe { self.source.release(stack) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{HeapStackSource, StackSource};

    #[test]
    fn all_of_a_stack_can_be_used() {
        for len_bytes in [1, 16, 4096, 100_001] {
            let stack = HeapStackSource.reserve(len_bytes).unwrap();
            // SAFETY: the stack's bytes; it came from there.
            unsafe {
                stack.base().write_bytes(0xff, len_bytes);
                HeapStackSource.release(stack);
            }
        }
        assert!(HeapStackSource.reserve(0).is_err());
        assert!(HeapStackSource.reserve(usize::MAX - 8).is_err());
    }

    #[test]
    #[cfg_attr(miri, ignore = "what was overrun is not freed")]
    #[should_panic(expected = "a stack of 4096 bytes was overrun")]
    fn what_overruns_a_stack_is_found() {
        let stack = HeapStackSource.reserve(4096).unwrap();
        // SAFETY: below the stack lies the canary, which this overwrites; it came from
        // there.
        unsafe {
            stack.base().sub(1).write(0);
            HeapStackSource.release(stack);
        }
    }
}
