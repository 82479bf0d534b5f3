//! [`CompileAllocator`]: bounds what compiling takes of a kernel's heap and
//! stack. Cranelift allocates infallibly, from the global allocator. Put around
//! that, this serves what a compilation allocates from a region of its own, and
//! ends the compilation when there is no more.
//!
//! Who allocates is told by the stack pointer: a compilation runs on a stack of
//! its own, and nothing else does. So there is no thread-local state, and a
//! compilation may be preempted and moved to another processor.
//!
//! Invariants:
//! - **C1** A compilation is listed from before its stack is entered until after
//!   it was left; ranges of stacks and regions that are listed do not overlap.
//! - **C2** When a compilation has ended, nothing points into its region or stack.
//!   What it answers is allocated outside.
//! - **C3** What a compilation's frames own lies in its region or on its stack, so
//!   that they can be abandoned at any allocation. They hold no lock over one.
//!
//! | file | owns |
//! |---|---|
//! | `region` | the heap of one compilation |
//! | `slots` | which compilations are running |
//! | `sync` | the atomics of that list |
//! | `running` | one of them: its requests, its end, ways out of it |

mod region;
mod running;
mod slots;
mod sync;
#[cfg(test)]
mod tests;

pub use running::Inside;
pub use slots::MAX_CONFINED_COMPILATIONS;

use super::stack_source::Reserved;
use crate::arch;
use crate::error::{Error, Misuse, Result};
use core::alloc::{GlobalAlloc, Layout};
use core::mem::MaybeUninit;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicUsize, Ordering};
use region::Region;
use running::{End, Running};
use slots::Slots;

/// A global allocator around another, `A`: what a compilation allocates while
/// it runs in memory of its own (`Config::compile_memory`) is served from that;
/// everything else goes to `A`. While nothing is compiled so, that costs one
/// load.
///
/// ```
/// # #[cfg(feature = "std")] mod host {
/// use kernref::alloc::CompileAllocator;
/// use std::alloc::System;
///
/// #[global_allocator]
/// static HEAP: CompileAllocator<System> = CompileAllocator::new(System);
/// # }
/// # fn main() {}
/// ```
///
/// # What else may run on a compilation's stack
/// Callbacks of Kernref run on the stack of the compilation's caller. These do
/// not, and must be bracketed with [`Self::outside`] if they allocate or free:
///
/// - a handler of interrupts or exceptions that runs on the stack of what it
///   interrupts (on x86_64 one without an entry in the interrupt stack table, on
///   aarch64 one that runs on the interrupted `SP_EL1`);
/// - a logger that Cranelift's messages reach (`log`, from level debug on): all of
///   it, from before it takes a lock;
/// - a kernel's panic handler. On hosts this is done for it.
pub struct CompileAllocator<A> {
    inner: A,
    slots: Slots,
    peak_bytes: AtomicUsize,
}

impl<A> CompileAllocator<A> {
    /// Around `inner`.
    pub const fn new(inner: A) -> Self {
        Self { inner, slots: Slots::new(), peak_bytes: AtomicUsize::new(0) }
    }

    /// The allocator that this is around.
    pub const fn inner(&self) -> &A {
        &self.inner
    }

    /// The most bytes that a compilation had in use of its region so far, without
    /// what is lost between blocks: a few in a hundred.
    pub fn peak_bytes(&self) -> usize {
        self.peak_bytes.load(Ordering::Relaxed)
    }

    /// Runs `body`, whose allocations are served by the inner allocator even on
    /// a compilation's stack. Elsewhere it makes no difference.
    pub fn outside<R>(&self, body: impl FnOnce() -> R) -> R {
        let stack_pointer = arch::stack_pointer();
        match self.slots.with_stack(stack_pointer) {
            Some(found) => match found.if_current(stack_pointer) {
                Some(running) => running.outside(body),
                None => body(),
            },
            None => body(),
        }
    }

    /// Calls `with` for the compilation that the caller is part of, if there is one
    /// and it takes requests.
    #[inline]
    fn current<R>(&self, with: impl FnOnce(&Running<'static>) -> R) -> Option<R> {
        let stack_pointer = arch::stack_pointer();
        let found = self.slots.with_stack(stack_pointer)?;
        found.if_current(stack_pointer).filter(|running| running.serves()).map(with)
    }

    /// Calls `with` for the compilation in whose region the block is. The answer is
    /// `None` if it is in none; `Some(None)` if the caller is not part of it.
    #[inline]
    fn owner<R>(
        &self,
        block: *mut u8,
        with: impl FnOnce(&Running<'static>) -> R,
    ) -> Option<Option<R>> {
        let found = self.slots.with_region(block.addr())?;
        Some(found.if_current(arch::stack_pointer()).map(with))
    }
}

// SAFETY: blocks come from the inner allocator or from a region, and go back to
// where they came from, by their address. Where a request to a region is refused,
// control leaves without unwinding, to a frame that waits for it (C3).
unsafe impl<A: GlobalAlloc> GlobalAlloc for CompileAllocator<A> {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match self.current(|running| running.allocate(layout)) {
            Some(block) => block.as_ptr(),
            // SAFETY: by the trait's contract.
            None => unsafe { self.inner.alloc(layout) },
        }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        match self.current(|running| running.allocate(layout)) {
            Some(block) => {
                // SAFETY: a fresh block of this size.
                unsafe { block.write_bytes(0, layout.size()) };
                block.as_ptr()
            }
            // SAFETY: by the trait's contract.
            None => unsafe { self.inner.alloc_zeroed(layout) },
        }
    }

    #[inline]
    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        let Some(block) = NonNull::new(memory) else { return };
        // SAFETY: by the trait's contract a block in use of this layout; its address
        // tells whose. A region's block that others free is left to the region's end.
        let freed = self.owner(memory, |running| unsafe { running.deallocate(block, layout) });
        if freed.is_none() {
            // SAFETY: by the trait's contract.
            unsafe { self.inner.dealloc(memory, layout) };
        }
    }

    #[inline]
    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        let moved = self.owner(memory, |running| {
            let block = NonNull::new(memory)?;
            let new = Layout::from_size_align(new_size, layout.align()).ok()?;
            // SAFETY: as for `dealloc`; the size is not zero by the trait's contract.
            unsafe { running.reallocate(block, layout, new) }
        });
        match moved {
            Some(moved) => moved.flatten().map_or(core::ptr::null_mut(), NonNull::as_ptr),
            // SAFETY: by the trait's contract.
            None => unsafe { self.inner.realloc(memory, layout, new_size) },
        }
    }
}

/// What [`CompileRegions::run`] needs: a stack, and memory for a region.
pub struct Confines<'m> {
    pub(crate) stack: Reserved<'m>,
    pub(crate) memory: &'m mut [MaybeUninit<u8>],
    /// Refuses this request for memory, counted from 1.
    pub(crate) refuse: Option<u64>,
}

/// A [`CompileAllocator`], whatever it is around.
pub trait CompileRegions: Sync + private::Sealed {
    /// Runs `body` on that stack and with its allocations from that memory,
    /// until it returns, a request is refused, or at one `ended` says so.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], [`Error::Interrupted`];
    /// [`Misuse::InvalidConfig`] if this is not the global allocator;
    /// [`Misuse::Busy`] beyond [`MAX_CONFINED_COMPILATIONS`]; [`Error::Bug`] if
    /// `body` panics.
    ///
    /// # Panics
    /// If a function panics that `body` calls on its caller's stack.
    ///
    /// # Safety
    /// `body` can be abandoned at any allocation, and what it leaves behind does
    /// not point into the region or the stack (C2, C3).
    #[doc(hidden)]
    unsafe fn run(
        &self,
        confines: Confines<'_>,
        ended: &dyn Fn() -> bool,
        body: &mut dyn FnMut(&Inside<'_>),
    ) -> Result<()>;
}

mod private {
    pub trait Sealed {}
}

impl<A: GlobalAlloc + Sync> private::Sealed for CompileAllocator<A> {}

impl<A: GlobalAlloc + Sync> CompileRegions for CompileAllocator<A> {
    unsafe fn run(
        &self,
        confines: Confines<'_>,
        ended: &dyn Fn() -> bool,
        body: &mut dyn FnMut(&Inside<'_>),
    ) -> Result<()> {
        let Confines { stack, memory, refuse } = confines;
        let addresses = region::addresses(memory);
        let bytes = memory.len();
        // SAFETY: the memory is borrowed until this returns, and by this function's
        // contract nothing that was allocated from it is used after that.
        let region = unsafe { Region::within(memory) }.ok_or(Error::OutOfMemory { bytes })?;
        // Makes the seed of hash tables, which is made once, and could not be abandoned.
        core::hint::black_box(hashbrown::DefaultHashBuilder::default());
        let running = Running::new(region, ended, refuse);
        let mut entry = Entry { body, running: &running, addresses: addresses.clone() };
        let listed =
            self.slots.enter(stack.bounds(), addresses, (&raw const running).cast_mut().cast())?;
        // SAFETY: the stack is this function's, aligned, and as large as was asked
        // for. `enter` does not unwind.
        unsafe {
            arch::call_on_stack(stack.top(), enter, (&raw mut entry).cast(), running.left());
        }
        drop(listed);
        let peak_bytes = running.with_region(|region| region.peak_bytes());
        self.peak_bytes.fetch_max(peak_bytes, Ordering::Relaxed);
        drop(stack);
        match running.end() {
            None => Ok(()),
            Some(End::OutOfMemory { bytes }) => Err(Error::OutOfMemory { bytes }),
            Some(End::Asked) => Err(Error::Interrupted),
            Some(End::AllocatorUnused) => {
                Err(Misuse::InvalidConfig("compile_memory: not the global allocator").into())
            }
            #[cfg(feature = "std")]
            Some(End::Panicked) => Err(Error::Bug("the compiler panicked")),
            #[cfg(feature = "std")]
            Some(End::CallbackPanicked) => match running.panic.take() {
                Some(payload) => std::panic::resume_unwind(payload),
                None => Err(Error::Bug("a panic without a payload")),
            },
        }
    }
}

/// What is handed to the other stack.
struct Entry<'e> {
    body: &'e mut dyn FnMut(&Inside<'_>),
    running: &'e Running<'e>,
    addresses: core::ops::Range<usize>,
}

unsafe extern "C" fn enter(data: *mut ()) {
    // SAFETY: `run` passes its own, and waits.
    let entry = unsafe { &mut *data.cast::<Entry<'_>>() };
    let running = entry.running;
    if !serves(&entry.addresses) {
        return running.set_end(End::AllocatorUnused);
    }
    let inside = Inside { running };
    #[cfg(not(feature = "std"))]
    (entry.body)(&inside);
    #[cfg(feature = "std")]
    {
        let body = std::panic::AssertUnwindSafe(|| (entry.body)(&inside));
        if let Err(payload) = std::panic::catch_unwind(body) {
            // What it owns may be anywhere.
            core::mem::forget(payload);
            running.set_end(End::Panicked);
        }
    }
}

/// Whether what the global allocator gives comes from the region.
fn serves(region: &core::ops::Range<usize>) -> bool {
    let probe = Layout::new::<u64>();
    // SAFETY: the layout has a size; the block is given back unused.
    unsafe {
        let block = core::hint::black_box(std_alloc::alloc::alloc(probe));
        if block.is_null() {
            return false;
        }
        std_alloc::alloc::dealloc(block, probe);
        region.contains(&block.addr())
    }
}
