//! [`ObjectAllocator`]: where the values behind `ExternRef`s live.

use core::alloc::Layout;
use core::ptr::NonNull;

/// Gives memory for host objects. Called when the host makes an `ExternRef`
/// and when the last handle to one is dropped, on any thread.
///
/// # Safety
/// `allocate` gives exclusive memory of the layout until `deallocate`.
pub unsafe trait ObjectAllocator: Send + Sync {
    /// Memory of this layout (never of size zero), or `None`.
    fn allocate(&self, layout: Layout) -> Option<NonNull<u8>>;

    /// Takes memory back.
    ///
    /// # Safety
    /// `memory` came from this allocator with this layout and is not in use.
    unsafe fn deallocate(&self, memory: NonNull<u8>, layout: Layout);
}

/// The global allocator.
#[derive(Clone, Copy, Debug, Default)]
pub struct GlobalObjects;

/// What [`crate::ExternRef::new`] uses.
pub static GLOBAL_OBJECTS: GlobalObjects = GlobalObjects;

// SAFETY: the global allocator keeps this contract.
unsafe impl ObjectAllocator for GlobalObjects {
    fn allocate(&self, layout: Layout) -> Option<NonNull<u8>> {
        // SAFETY: the layout is not of size zero, by the trait's contract.
        NonNull::new(unsafe { std_alloc::alloc::alloc(layout) })
    }

    unsafe fn deallocate(&self, memory: NonNull<u8>, layout: Layout) {
        // SAFETY: by the trait's contract.
        unsafe { std_alloc::alloc::dealloc(memory.as_ptr(), layout) };
    }
}
