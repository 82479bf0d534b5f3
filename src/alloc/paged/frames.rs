//! [`Frames`]: where pages of the crate `aarch64-paging` come from, which has no trait for it.

use aarch64_paging::descriptor::PhysicalAddress;

/// A kernel's frames.
///
/// # Safety
/// A frame that is allocated is used for nothing else until it is released.
pub unsafe trait Frames {
    /// A frame of 4 KiB, whatever is in it.
    fn allocate(&mut self) -> Option<PhysicalAddress>;

    /// Takes it back.
    ///
    /// # Safety
    /// It was allocated here and is not in use.
    unsafe fn release(&mut self, frame: PhysicalAddress);

    /// How many more can be allocated, as frames or, if they come from here, as tables
    /// by `Translation::allocate_table`, which cannot fail. Nobody else allocates any while
    /// [`super::WithMapping::with`] lends this.
    fn available(&self) -> usize;
}
