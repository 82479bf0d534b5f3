//! The kernel's heap, over a fixed part of RAM.

use crate::arch::RAM_START;
use kernref::alloc::KernelHeap;

const START: usize = RAM_START + (32 << 20);
/// Bytes of heap.
pub const SIZE_BYTES: usize = 320 << 20;

/// No hook is set: interrupt handlers do not allocate, so they never find the
/// heap locked.
#[global_allocator]
static HEAP: KernelHeap = KernelHeap::new();

/// Gives the heap its memory. Call once.
///
/// # Panics
/// If called twice.
pub fn init() {
    // SAFETY: RAM that nothing else uses (see the crate's memory map).
    let added = unsafe { HEAP.add_region(START as *mut u8, SIZE_BYTES) };
    added.expect("the heap has no memory yet");
}

/// Bytes in use and bytes free.
pub fn usage() -> (usize, usize) {
    let usage = HEAP.usage();
    (usage.used_bytes, usage.free_bytes)
}

/// Runs `body` while allocations larger than `bytes` are refused.
pub fn refusing_larger_than<R>(bytes: usize, body: impl FnOnce() -> R) -> R {
    HEAP.set_largest_request(bytes);
    let result = body();
    HEAP.set_largest_request(usize::MAX);
    result
}
