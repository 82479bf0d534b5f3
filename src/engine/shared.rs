//! [`Shared`]: a reference-counted box whose creation can fail.
//!
//! The standard `Arc` aborts when memory runs out; everything in this layer
//! that is shared between threads lives in one of these instead. Owns nothing
//! but the count; knows nothing of what it holds.

use crate::alloc;
use crate::error::Result;
use core::ops::Deref;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicUsize, Ordering, fence};
use std_alloc::boxed::Box;

#[repr(C)]
struct Counted<V> {
    count: AtomicUsize,
    value: V,
}

/// A shared, immutable value.
pub(crate) struct Shared<V> {
    pointer: NonNull<Counted<V>>,
}

// SAFETY: as for `Arc`: the value may be used and dropped from any thread that
// holds a clone, hence both bounds; the count is atomic.
unsafe impl<V: Send + Sync> Send for Shared<V> {}
// SAFETY: see above.
unsafe impl<V: Send + Sync> Sync for Shared<V> {}

impl<V> Shared<V> {
    pub(crate) fn new(value: V) -> Result<Self> {
        let counted = alloc::try_box(Counted { count: AtomicUsize::new(1), value })?;
        Ok(Self { pointer: NonNull::from(Box::leak(counted)) })
    }

    pub(crate) fn ptr_eq(&self, other: &Self) -> bool {
        self.pointer == other.pointer
    }
}

impl<V> Deref for Shared<V> {
    type Target = V;

    fn deref(&self) -> &V {
        // SAFETY: the box lives as long as a clone of this pointer does, and
        // only shared references to it are handed out.
        unsafe { &self.pointer.as_ref().value }
    }
}

impl<V> Clone for Shared<V> {
    fn clone(&self) -> Self {
        // SAFETY: as for `deref`.
        let count = unsafe { &self.pointer.as_ref().count };
        // Relaxed suffices: whoever clones already holds a reference.
        count.fetch_add(1, Ordering::Relaxed);
        Self { pointer: self.pointer }
    }
}

impl<V> Drop for Shared<V> {
    fn drop(&mut self) {
        // SAFETY: as for `deref`; this clone is still counted.
        let count = unsafe { &self.pointer.as_ref().count };
        if count.fetch_sub(1, Ordering::Release) != 1 {
            return;
        }
        // Makes what other holders did visible before the value is dropped.
        fence(Ordering::Acquire);
        // SAFETY: the pointer came from `Box::leak` and this was the last clone.
        drop(unsafe { Box::from_raw(self.pointer.as_ptr()) });
    }
}

/// Keeps a shared value, whatever its type.
pub(crate) struct Keeper {
    count: NonNull<AtomicUsize>,
    /// Drops a [`Shared`] of the value's type.
    let_go: unsafe fn(NonNull<AtomicUsize>),
}

// SAFETY: stands for a `Shared` of a value that is `Send` and `Sync`.
unsafe impl Send for Keeper {}
// SAFETY: see above.
unsafe impl Sync for Keeper {}

impl Keeper {
    /// One more owner of the value.
    pub(crate) fn of<V: Send + Sync + 'static>(value: &Shared<V>) -> Self {
        /// # Safety
        /// `count` is that of a value of this type, and stands for an owner.
        unsafe fn let_go<V>(count: NonNull<AtomicUsize>) {
            drop(Shared::<V> { pointer: count.cast() });
        }
        let owner = core::mem::ManuallyDrop::new(value.clone());
        Self { count: owner.pointer.cast(), let_go: let_go::<V> }
    }
}

impl Clone for Keeper {
    fn clone(&self) -> Self {
        // SAFETY: the count comes first, and lives as long as an owner does.
        unsafe { self.count.as_ref() }.fetch_add(1, Ordering::Relaxed);
        Self { count: self.count, let_go: self.let_go }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        // SAFETY: made for the type of the value, of which this is an owner.
        unsafe { (self.let_go)(self.count) };
    }
}

impl<V: core::fmt::Debug> core::fmt::Debug for Shared<V> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        (**self).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drops_the_value_with_the_last_clone() {
        let value = Shared::new(()).unwrap();
        let probe = Shared::new(value.clone()).unwrap();
        let other = probe.clone();
        assert!(other.ptr_eq(&probe));
        let count = |value: &Shared<()>| {
            // SAFETY: `value` is alive.
            unsafe { value.pointer.as_ref() }.count.load(Ordering::Relaxed)
        };
        drop(probe);
        assert_eq!(count(&value), 2);
        let keeper = Keeper::of(&other);
        drop(other);
        let clone = keeper.clone();
        drop(keeper);
        assert_eq!(count(&value), 2, "a keeper is an owner");
        drop(clone);
        assert_eq!(count(&value), 1);
    }
}
