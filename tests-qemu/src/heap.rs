//! The kernel's heap, over a fixed part of RAM.

use crate::arch::{self, RAM_START};
#[cfg(feature = "compile")]
use crate::embedder::paged_memory;
use core::sync::atomic::{AtomicBool, Ordering};
#[cfg(feature = "compile")]
use kernref::CompileMemory;
#[cfg(feature = "compile")]
use kernref::alloc::CompileAllocator;
use kernref::alloc::{KernelHeap, LockHook};

const START: usize = RAM_START + (32 << 20);
/// Bytes of heap.
pub const SIZE_BYTES: usize = 592 << 20;
/// Bytes of it that a compilation may use: as one block, which there must be among
/// whatever else is in use.
#[cfg(feature = "compile")]
const COMPILE_REGION_BYTES: usize = 64 << 20;
/// The same where threads compile at the same time.
#[cfg(feature = "compile")]
const SHARED_REGION_BYTES: usize = 56 << 20;

#[cfg(feature = "compile")]
#[global_allocator]
static HEAP: CompileAllocator<KernelHeap<MaskedInterrupts>> =
    CompileAllocator::new(KernelHeap::with_hook(MaskedInterrupts));

#[cfg(not(feature = "compile"))]
#[global_allocator]
static HEAP: KernelHeap<MaskedInterrupts> = KernelHeap::with_hook(MaskedInterrupts);

/// The heap itself.
fn kernel_heap() -> &'static KernelHeap<MaskedInterrupts> {
    #[cfg(feature = "compile")]
    return HEAP.inner();
    #[cfg(not(feature = "compile"))]
    return &HEAP;
}

/// Handlers of interrupts that allocate must not find the heap locked, nor must a
/// thread that was preempted keep it. Before there are threads, only tests have such
/// handlers, and say so, so that instructions are counted without.
struct MaskedInterrupts;

static HANDLERS_ALLOCATE: AtomicBool = AtomicBool::new(false);
static THREADS_ALLOCATE: AtomicBool = AtomicBool::new(false);

/// From now on, there are threads.
pub(crate) fn share() {
    THREADS_ALLOCATE.store(true, Ordering::Relaxed);
}

// SAFETY: changes the interrupt flag alone.
unsafe impl LockHook for MaskedInterrupts {
    #[inline]
    fn before(&self) -> usize {
        let masks =
            HANDLERS_ALLOCATE.load(Ordering::Relaxed) || THREADS_ALLOCATE.load(Ordering::Relaxed);
        usize::from(masks && arch::mask_interrupts())
    }

    #[inline]
    fn after(&self, enabled: usize) {
        arch::restore_interrupts(enabled != 0);
    }
}

/// Runs `body`, during which handlers of interrupts may allocate within
/// [`outside`].
pub fn while_handlers_allocate<R>(body: impl FnOnce() -> R) -> R {
    HANDLERS_ALLOCATE.store(true, Ordering::Relaxed);
    let result = body();
    HANDLERS_ALLOCATE.store(false, Ordering::Relaxed);
    result
}

/// Runs `body`, which allocates from the kernel's heap even where it has
/// interrupted the compiler on its stack.
pub fn outside<R>(body: impl FnOnce() -> R) -> R {
    #[cfg(feature = "compile")]
    return HEAP.outside(body);
    #[cfg(not(feature = "compile"))]
    return body();
}

/// What an engine's compilations run in: a region of the heap, and a stack with a
/// guard page.
#[cfg(feature = "compile")]
pub fn compile_memory() -> CompileMemory {
    // SAFETY: handlers of interrupts that allocate do so in `outside`, and so does the
    // logger; the panic handler ends the kernel.
    let memory = unsafe { CompileMemory::new(&HEAP, paged_memory()) };
    memory.region_bytes(match THREADS_ALLOCATE.load(Ordering::Relaxed) {
        true => SHARED_REGION_BYTES,
        false => COMPILE_REGION_BYTES,
    })
}

/// Gives the heap its memory. Call once.
///
/// # Panics
/// If called twice.
pub fn init() {
    // SAFETY: RAM that nothing else uses (see the crate's memory map).
    let added = unsafe { kernel_heap().add_region(START as *mut u8, SIZE_BYTES) };
    added.expect("the heap has no memory yet");
}

/// Bytes in use and bytes free.
pub fn usage() -> (usize, usize) {
    let usage = kernel_heap().usage();
    (usage.used_bytes, usage.free_bytes)
}

/// Runs `body` while allocations larger than `bytes` are refused.
pub fn refusing_larger_than<R>(bytes: usize, body: impl FnOnce() -> R) -> R {
    kernel_heap().set_largest_request(bytes);
    let result = body();
    kernel_heap().set_largest_request(usize::MAX);
    result
}
