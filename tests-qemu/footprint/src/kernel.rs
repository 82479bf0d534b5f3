//! A kernel with only a heap that never frees and a panic handler that stops.
//! It prints nothing, so that all formatting code counts as Kernref's. One
//! kernel has Kernref's heap instead, to measure its size.

use core::alloc::{GlobalAlloc, Layout};
use core::hint::black_box;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicUsize, Ordering};

/// A heap that never frees.
pub struct Bump(AtomicUsize);

impl Bump {
    /// An empty heap.
    #[expect(clippy::new_without_default, reason = "made once, as a static")]
    pub const fn new() -> Self {
        Self(AtomicUsize::new(0))
    }
}

const HEAP_END: usize = 1 << 30;

// SAFETY: each block is handed out once.
unsafe impl GlobalAlloc for Bump {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let bytes = layout.size() + layout.align();
        let start = self.0.fetch_add(bytes, Ordering::Relaxed).next_multiple_of(layout.align());
        if start + layout.size() > HEAP_END {
            return null_mut();
        }
        core::ptr::with_exposed_provenance_mut(start)
    }
    unsafe fn dealloc(&self, memory: *mut u8, _: Layout) {
        black_box(memory);
    }
}

/// Stops. The optimizer must assume that the message is read, or it drops code
/// that a kernel which prints it would have to carry.
#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    black_box(info);
    halt()
}

/// The end of every run.
pub fn halt() -> ! {
    loop {
        core::hint::spin_loop();
    }
}

/// What every kernel here does at its start.
pub fn start() {
    let words = black_box(alloc::vec![black_box(1_u64); black_box(16)]);
    drop(black_box(words));
}

/// A value that would only exist if the kernel ran.
pub fn given<T>() -> &'static mut T {
    // SAFETY: never run.
    unsafe { &mut *black_box(null_mut::<T>()) }
}

/// Defines the heap, by default one that never frees, and the entry point.
#[macro_export]
macro_rules! entry {
    ($main:expr) => {
        $crate::entry!($main, $crate::kernel::Bump);
    };
    ($main:expr, $heap:ty) => {
        #[global_allocator]
        static HEAP: $heap = <$heap>::new();

        /// The entry point.
        #[unsafe(no_mangle)]
        extern "C" fn _start() -> ! {
            $crate::kernel::start();
            $main();
            $crate::kernel::halt()
        }
    };
}
