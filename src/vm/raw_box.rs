//! Memory that generated code keeps pointers to: [`RawBox`] and
//! [`OwnedBox`], and [`VmPlace`], where it sees one memory or table.
//!
//! Invariant: what is in here is reached through raw pointers only. A reference
//! into it lasts for one expression.

use crate::error::{Error, Result};
use core::alloc::Layout;
use core::marker::PhantomData;
use core::ptr::NonNull;

/// An allocation that is freed when this is dropped, and nothing more.
pub(crate) struct RawBox<V> {
    pointer: NonNull<V>,
    layout: Layout,
    _owns: PhantomData<V>,
}

impl<V> RawBox<V> {
    /// Allocates `layout`, zeroed. Its size must not be zero.
    pub(crate) fn zeroed(layout: Layout) -> Result<Self> {
        Self::allocate(layout, std_alloc::alloc::alloc_zeroed)
    }

    /// Allocates `layout` without writing to it, so that pages that are never
    /// used cost nothing. Its size must not be zero.
    pub(crate) fn uninit(layout: Layout) -> Result<Self> {
        Self::allocate(layout, std_alloc::alloc::alloc)
    }

    fn allocate(layout: Layout, allocate: unsafe fn(Layout) -> *mut u8) -> Result<Self> {
        let refused = Error::OutOfMemory { bytes: layout.size() };
        if layout.size() == 0 {
            return Err(Error::Bug("allocation of nothing"));
        }
        // SAFETY: the size is not zero.
        let pointer = unsafe { allocate(layout) };
        let pointer = NonNull::new(pointer.cast::<V>()).ok_or(refused)?;
        Ok(Self { pointer, layout, _owns: PhantomData })
    }

    /// Allocates room for `value` and moves it there. It is not dropped there.
    pub(crate) fn new(value: V) -> Result<Self> {
        let cell = Self::uninit(Layout::new::<V>())?;
        // SAFETY: freshly allocated for a `V`.
        unsafe { cell.pointer.write(value) };
        Ok(cell)
    }

    pub(crate) fn as_non_null(&self) -> NonNull<V> {
        self.pointer
    }

    /// Size of the allocation.
    pub(crate) fn len_bytes(&self) -> usize {
        self.layout.size()
    }
}

impl<V> Drop for RawBox<V> {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout, by `allocate` only.
        unsafe { std_alloc::alloc::dealloc(self.pointer.as_ptr().cast(), self.layout) };
    }
}

/// A value that lies in such memory, and is dropped with it.
pub(crate) struct OwnedBox<V>(RawBox<V>);

impl<V> OwnedBox<V> {
    /// Moves `value` to memory of its own.
    pub(crate) fn new(value: V) -> Result<Self> {
        RawBox::new(value).map(Self)
    }

    pub(crate) fn as_non_null(&self) -> NonNull<V> {
        self.0.as_non_null()
    }
}

impl<V> Drop for OwnedBox<V> {
    fn drop(&mut self) {
        // SAFETY: written by `new`, and dropped once, here.
        unsafe { self.0.pointer.drop_in_place() };
    }
}

/// Where generated code sees an entity of a store: in the context of the
/// instance that defines it, or in a cell of its own.
///
/// Invariant: the place is valid for as long as this is used, and apart from
/// this only generated code writes to it.
pub(crate) struct VmPlace<V> {
    pointer: NonNull<V>,
    _cell: Option<RawBox<V>>,
}

impl<V: Copy> VmPlace<V> {
    /// A cell of its own.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub(crate) fn cell(value: V) -> Result<Self> {
        let cell = RawBox::new(value)?;
        Ok(Self { pointer: cell.as_non_null(), _cell: Some(cell) })
    }

    /// A place in a context.
    ///
    /// # Safety
    /// It holds a `V`, belongs to this entity alone, and is alive for as long
    /// as this is used.
    pub(crate) unsafe fn in_context(pointer: NonNull<V>) -> Self {
        Self { pointer, _cell: None }
    }

    pub(crate) fn as_non_null(&self) -> NonNull<V> {
        self.pointer
    }

    #[inline]
    pub(crate) fn get(&self) -> V {
        // SAFETY: alive, by this type's invariant; generated code does not run (V4).
        unsafe { self.pointer.read() }
    }

    /// Generated code that is on the stack reads the place anew after each call.
    #[inline]
    pub(crate) fn set(&mut self, value: V) {
        // SAFETY: as above.
        unsafe { self.pointer.write(value) };
    }
}
