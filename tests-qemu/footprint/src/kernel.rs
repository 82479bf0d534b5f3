//! A kernel with nothing but a heap that never frees and a panic handler that
//! stops. It prints nothing: all formatting counts as Kernref's. One kernel has
//! Kernref's heap instead, to weigh it.

use core::alloc::{GlobalAlloc, Layout};
use core::hint::black_box;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicUsize, Ordering};

/// A heap that never frees.
pub struct Bump(AtomicUsize);

impl Bump {
    /// All is free.
    #[expect(clippy::new_without_default, reason = "made once, as a static")]
    pub const fn new() -> Self {
        Self(AtomicUsize::new(0))
    }
}

const HEAP_END: usize = 1 << 30;

// SAFETY: each block is given once.
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

/// Stops; the optimizer must believe that it looks at the message, or it drops
/// what a kernel that prints it would have to carry.
#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    black_box(info);
    halt()
}

/// The end.
pub fn halt() -> ! {
    loop {
        core::hint::spin_loop();
    }
}

/// What every kernel here does.
pub fn start() {
    let words = black_box(alloc::vec![black_box(1_u64); black_box(16)]);
    drop(black_box(words));
}

/// Something that only exists when the kernel runs.
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

        /// Where the kernel begins.
        #[unsafe(no_mangle)]
        extern "C" fn _start() -> ! {
            $crate::kernel::start();
            $main();
            $crate::kernel::halt()
        }
    };
}
