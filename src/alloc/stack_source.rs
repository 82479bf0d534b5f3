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

/// Stacks from the global allocator. There is nothing below them that faults.
#[derive(Clone, Copy, Debug, Default)]
pub struct HeapStackSource;

/// How heap stacks are aligned: as every stack pointer is.
const STACK_ALIGN: usize = 16;

// SAFETY: fresh blocks of the global allocator.
unsafe impl StackSource for HeapStackSource {
    fn reserve(&self, len_bytes: usize) -> Result<StackMemory> {
        let refused = Error::OutOfMemory { bytes: len_bytes };
        match Layout::from_size_align(len_bytes, STACK_ALIGN) {
            Ok(layout) if len_bytes > 0 => {
                // SAFETY: the layout has a size.
                let base = NonNull::new(unsafe { std_alloc::alloc::alloc(layout) });
                Ok(StackMemory { base: base.ok_or(refused)?, len_bytes })
            }
            _ => Err(refused),
        }
    }

    unsafe fn release(&self, stack: StackMemory) {
        if let Ok(layout) = Layout::from_size_align(stack.len_bytes, STACK_ALIGN) {
            // SAFETY: by the trait's contract a block that `reserve` allocated so.
            unsafe { std_alloc::alloc::dealloc(stack.base.as_ptr(), layout) };
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
