//! An object allocator that reports to loom, which detects leaks, and poisons
//! freed memory, so that a use after free is noticed as well.

use core::alloc::Layout;
use core::ptr::NonNull;
pub use kernref::alloc::ObjectAllocator;

/// Replaces the library's allocator.
#[derive(Debug)]
pub struct GlobalObjects;

pub static GLOBAL_OBJECTS: GlobalObjects = GlobalObjects;

// SAFETY: memory from loom's allocator, which is the system's.
unsafe impl ObjectAllocator for GlobalObjects {
    fn allocate(&self, layout: Layout) -> Option<NonNull<u8>> {
        // SAFETY: a box has a header, so the size is not zero.
        NonNull::new(unsafe { loom::alloc::alloc(layout) })
    }

    unsafe fn deallocate(&self, memory: NonNull<u8>, layout: Layout) {
        // SAFETY: allocated above with this layout, and freed once.
        unsafe {
            memory.as_ptr().write_bytes(0xa5, layout.size());
            loom::alloc::dealloc(memory.as_ptr(), layout);
        }
    }
}
