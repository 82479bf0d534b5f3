//! An allocator that counts what each thread allocates.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// Bytes of heap that something took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Heap {
    /// Allocated in all; growth in place counts as much as it adds.
    pub allocated: u64,
    /// In use at a time, at most.
    pub peak: u64,
}

#[derive(Clone, Copy)]
struct Counts {
    allocated: u64,
    in_use: i64,
    peak: i64,
}

thread_local! {
    static COUNTS: Cell<Counts> = const { Cell::new(Counts { allocated: 0, in_use: 0, peak: 0 }) };
}

/// The system's allocator, counting.
pub struct Counting;

fn note(more: usize, less: usize) {
    // While a thread ends, nothing is measured.
    let _ = COUNTS.try_with(|counts| {
        let Counts { allocated, in_use, peak } = counts.get();
        let in_use = in_use + more as i64 - less as i64;
        let allocated = allocated + more.saturating_sub(less) as u64;
        counts.set(Counts { allocated, in_use, peak: peak.max(in_use) });
    });
}

// SAFETY: everything is passed on to the system's allocator as it comes.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size(), 0);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(layout.size(), 0);
        // SAFETY: the caller keeps the contract of `alloc_zeroed`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        note(0, layout.size());
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        note(new_size, layout.size());
        // SAFETY: the caller keeps the contract of `realloc`.
        unsafe { System.realloc(at, layout, new_size) }
    }
}

/// Runs `work` and counts what it takes on this thread.
pub fn measure<R>(work: impl FnOnce() -> R) -> (R, Heap) {
    COUNTS.set(Counts { allocated: 0, in_use: 0, peak: 0 });
    let result = work();
    let Counts { allocated, peak, .. } = COUNTS.get();
    (result, Heap { allocated, peak: peak as u64 })
}
