//! [`CompileMemory`]: where an engine's compilations take their memory from.

use super::config::Config;
use crate::alloc::{CompileRegions, Confines, Inside, Reserved, StackSource};
use crate::error::{Error, Result};
use core::alloc::Layout;
use core::mem::MaybeUninit;
use core::ptr::NonNull;
use std_alloc::sync::Arc;

/// Memory of its own for each compilation of an engine ([`Config::compile_memory`]):
/// a stack, and a region of the heap. What a module makes the compiler use is
/// bounded by them: if either there is no such memory, or it does not suffice, the
/// compilation ends with [`Error::OutOfMemory`], and both are given back whole.
///
/// ```no_run
/// use kernref::alloc::{CompileAllocator, HeapStackSource, KernelHeap};
/// use kernref::{CompileMemory, Config};
/// use std::sync::Arc;
///
/// #[global_allocator]
/// static HEAP: CompileAllocator<KernelHeap> = CompileAllocator::new(KernelHeap::new());
///
/// # fn main() {
/// let mut config = Config::new();
/// // SAFETY: no handler of interrupts allocates, and nothing logs.
/// let memory = unsafe { CompileMemory::new(&HEAP, Arc::new(HeapStackSource)) };
/// config.compile_memory(memory.region_bytes(16 << 20));
/// # }
/// ```
#[derive(Clone)]
#[must_use]
pub struct CompileMemory {
    allocator: &'static dyn CompileRegions,
    stacks: Arc<dyn StackSource>,
    region_bytes: usize,
    stack_bytes: usize,
    refuse: Option<u64>,
}

impl CompileMemory {
    /// What a stack must have at least for compiling: enough for every module, in
    /// a build of Kernref and Cranelift that is optimized.
    pub const MIN_STACK_BYTES: usize = 128 << 10;

    /// Regions of 64 MiB, and stacks of 256 KiB from `stacks`. The allocator is the
    /// global one; its inner allocator gives the regions, each as one block: in a heap
    /// with many holes there may be none as large, though more is free. A kernel can
    /// lend memory that it has set aside ([`Compilation::region`](super::Compilation::region)).
    ///
    /// # Safety
    /// What else runs on a compilation's stack keeps to what
    /// [`CompileAllocator`](crate::alloc::CompileAllocator) asks for, and the stacks
    /// are as large as compiling needs in this build, with what else runs there.
    pub unsafe fn new(
        allocator: &'static dyn CompileRegions,
        stacks: Arc<dyn StackSource>,
    ) -> Self {
        Self { allocator, stacks, region_bytes: 64 << 20, stack_bytes: 256 << 10, refuse: None }
    }

    /// How large a region is. A module needs some 10 to 60 bytes for each of its
    /// own if its functions are ordinary ones; `docs/compile-growth.md` has more.
    pub fn region_bytes(mut self, bytes: usize) -> Self {
        self.region_bytes = bytes;
        self
    }

    /// How large a stack is: at least [`Self::MIN_STACK_BYTES`].
    pub fn stack_bytes(mut self, bytes: usize) -> Self {
        self.stack_bytes = bytes.max(Self::MIN_STACK_BYTES);
        self
    }

    /// For this repository's own tests: refuses the n-th request for memory, counted
    /// from 1.
    #[doc(hidden)]
    pub fn refuse_request(mut self, nth: Option<u64>) -> Self {
        self.refuse = nth;
        self
    }

    /// Runs `body` on a stack, and with its allocations from a region: `given`, or
    /// a fresh one.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`] if there is not enough memory, [`Error::Interrupted`]
    /// if `ended` says so at an allocation, and what the allocator objects to.
    ///
    /// # Safety
    /// As for [`CompileRegions::run`].
    pub(super) unsafe fn run(
        &self,
        given: Option<&mut [MaybeUninit<u8>]>,
        ended: &dyn Fn() -> bool,
        body: &mut dyn FnMut(&Inside<'_>),
    ) -> Result<()> {
        let stack = Reserved::from(&*self.stacks, self.stack_bytes)?;
        let mut fresh;
        let memory = match given {
            Some(memory) => memory,
            None => {
                fresh = Block::allocate(self.region_bytes)?;
                fresh.memory()
            }
        };
        let confines = Confines { stack, memory, refuse: self.refuse };
        // SAFETY: by this function's contract.
        unsafe { self.allocator.run(confines, ended, body) }
    }
}

impl core::fmt::Debug for CompileMemory {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("CompileMemory")
            .field("region_bytes", &self.region_bytes)
            .field("stack_bytes", &self.stack_bytes)
            .finish_non_exhaustive()
    }
}

impl Config {
    /// Gives compilations memory of their own, in place of the global allocator's
    /// and the caller's stack. By default they have none: then what a module may
    /// make the compiler use is bounded by its size alone, and running out of heap
    /// ends as the global allocator's failures do.
    pub fn compile_memory(&mut self, memory: CompileMemory) -> &mut Self {
        self.compile_memory = Some(memory);
        self
    }
}

/// A block of the global allocator's.
struct Block {
    start: NonNull<u8>,
    layout: Layout,
}

/// A processor's cache line, or more.
const BLOCK_ALIGN: usize = 64;

impl Block {
    fn allocate(bytes: usize) -> Result<Self> {
        let refused = Error::OutOfMemory { bytes };
        match Layout::from_size_align(bytes, BLOCK_ALIGN) {
            Ok(layout) if bytes > 0 => {
                // SAFETY: the layout has a size.
                let start = NonNull::new(unsafe { std_alloc::alloc::alloc(layout) });
                Ok(Self { start: start.ok_or(refused)?, layout })
            }
            _ => Err(refused),
        }
    }

    fn memory(&mut self) -> &mut [MaybeUninit<u8>] {
        // SAFETY: the block is this value's, which is borrowed; it needs not be
        // initialized.
        unsafe { core::slice::from_raw_parts_mut(self.start.as_ptr().cast(), self.layout.size()) }
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: allocated so, and not borrowed any more.
        unsafe { std_alloc::alloc::dealloc(self.start.as_ptr(), self.layout) };
    }
}
