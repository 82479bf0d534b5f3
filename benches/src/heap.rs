//! An allocator that counts while it is asked to: what compiling takes from the
//! heap at most.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering::Relaxed};

/// The system's allocator. Rows that are timed pay for one load and a branch
/// that is never taken.
pub struct Counting;

static COUNTS: AtomicBool = AtomicBool::new(false);
static IN_USE: AtomicI64 = AtomicI64::new(0);
static PEAK: AtomicI64 = AtomicI64::new(0);

fn note(more: usize, less: usize) {
    if COUNTS.load(Relaxed) {
        let change = more as i64 - less as i64;
        let in_use = IN_USE.fetch_add(change, Relaxed) + change;
        PEAK.fetch_max(in_use, Relaxed);
    }
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

/// Bytes that `work` had in use at most, beyond what was in use before. Nothing
/// else may run.
pub fn peak(work: impl FnOnce()) -> u64 {
    IN_USE.store(0, Relaxed);
    PEAK.store(0, Relaxed);
    COUNTS.store(true, Relaxed);
    work();
    COUNTS.store(false, Relaxed);
    PEAK.load(Relaxed) as u64
}

#[cfg(test)]
mod tests {
    use super::peak;

    #[test]
    fn what_was_given_back_does_not_count() {
        let most = peak(|| {
            for _ in 0..3 {
                drop(std::hint::black_box(vec![1_u8; 1 << 20]));
            }
        });
        assert!((1 << 20..2 << 20).contains(&most), "{most}");
    }
}
