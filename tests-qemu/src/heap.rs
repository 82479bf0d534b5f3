//! The global allocator: `linked_list_allocator` over a fixed region, with a
//! counter of failures that tests can make it produce.

use crate::arch::RAM_START;
use core::alloc::{GlobalAlloc, Layout};
use core::ptr::{NonNull, null_mut};
use core::sync::atomic::{AtomicUsize, Ordering};
use linked_list_allocator::Heap;
use spin::Mutex;

const START: usize = RAM_START + (32 << 20);
/// Bytes of heap.
pub const SIZE_BYTES: usize = 320 << 20;

struct KernelHeap(Mutex<Heap>);

#[global_allocator]
static HEAP: KernelHeap = KernelHeap(Mutex::new(Heap::empty()));

/// Allocations larger than this are refused; tests set it.
static LARGEST_ALLOWED: AtomicUsize = AtomicUsize::new(usize::MAX);

// SAFETY: `Heap` gives disjoint blocks of its region, under a lock. Interrupt
// handlers do not allocate, so they cannot find it held.
unsafe impl GlobalAlloc for KernelHeap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.size() > LARGEST_ALLOWED.load(Ordering::Relaxed) {
            return null_mut();
        }
        self.0.lock().allocate_first_fit(layout).map_or(null_mut(), NonNull::as_ptr)
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        if let Some(memory) = NonNull::new(memory) {
            // SAFETY: by the trait's contract, from `alloc` with this layout.
            unsafe { self.0.lock().deallocate(memory, layout) };
        }
    }
}

/// Gives the heap its region. Call once.
pub fn init() {
    // SAFETY: RAM that nothing else uses (see the crate's memory map).
    unsafe { HEAP.0.lock().init(START as *mut u8, SIZE_BYTES) };
}

/// Bytes in use and bytes free.
pub fn usage() -> (usize, usize) {
    let heap = HEAP.0.lock();
    (heap.used(), heap.free())
}

/// Runs `body` while allocations larger than `bytes` are refused.
pub fn refusing_larger_than<R>(bytes: usize, body: impl FnOnce() -> R) -> R {
    LARGEST_ALLOWED.store(bytes, Ordering::Relaxed);
    let result = body();
    LARGEST_ALLOWED.store(usize::MAX, Ordering::Relaxed);
    result
}
