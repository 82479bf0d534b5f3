//! [`ExternRef`]: a counted, type-erased handle to a host object.
//!
//! One pointer to a box of header and value, allocated by the embedder's
//! [`ObjectAllocator`]. Not tied to a store: the same object can be held by
//! many stores on many processors, so the count is atomic. Orderings are those
//! of every atomic reference count: relaxed up, release down, acquire last. A
//! handle that finds itself the only one writes nothing: there are no weak
//! handles, so nobody can make another.

use super::drop_queue;
use super::sync::{AtomicBool, AtomicPtr, AtomicUsize, Ordering, fence};
use crate::alloc::{GLOBAL_OBJECTS, ObjectAllocator};
use crate::error::{Error, Misuse, Result};
use core::alloc::Layout;
use core::any::{Any, TypeId};
use core::mem::ManuallyDrop;
use core::ptr::{NonNull, drop_in_place, null_mut};

/// Beyond this, counting stops: the object then lives forever, instead of being
/// freed while it is held.
const SATURATED: usize = usize::MAX / 2;

/// What a box knows about its value's type.
struct ValueType {
    id: TypeId,
    name: fn() -> &'static str,
    layout: Layout,
    needs_drop: bool,
    /// # Safety
    /// The header is that of a `Boxed` of this very type, its value live and
    /// not used again.
    drop_value: unsafe fn(NonNull<Header>),
}

/// Head of every box.
pub(super) struct Header {
    strong: AtomicUsize,
    revoked: AtomicBool,
    ty: &'static ValueType,
    allocator: &'static dyn ObjectAllocator,
    /// Next on a list of dead objects.
    pub(super) link: AtomicPtr<Header>,
}

#[repr(C)]
struct Boxed<T> {
    header: Header,
    value: T,
}

impl<T: Any + Send + Sync> Boxed<T> {
    const TYPE: &'static ValueType = &ValueType {
        id: TypeId::of::<T>(),
        name: core::any::type_name::<T>,
        layout: Layout::new::<Boxed<T>>(),
        needs_drop: core::mem::needs_drop::<T>(),
        drop_value: |header| {
            // SAFETY: by the field's contract the header heads a `Boxed<T>`.
            unsafe { drop_in_place(&raw mut (*header.cast::<Boxed<T>>().as_ptr()).value) }
        },
    };
}

impl Header {
    /// Runs the value's destructor and frees the box, even if it panics.
    ///
    /// # Safety
    /// No handle is left; called once.
    pub(super) unsafe fn destroy(object: NonNull<Header>) {
        struct Free(NonNull<Header>);
        impl Drop for Free {
            fn drop(&mut self) {
                // SAFETY: the value is gone and the box is no longer used.
                unsafe { Header::free(self.0) };
            }
        }
        let _free = Free(object);
        // SAFETY: the type in the header is the box's own; called once.
        unsafe { (object.as_ref().ty.drop_value)(object) };
    }

    /// Frees the box without looking at the value.
    ///
    /// # Safety
    /// No handle is left; called once; the value is gone or needs no drop.
    unsafe fn free(object: NonNull<Header>) {
        // SAFETY: the box is no longer used; it was allocated by this allocator
        // with this layout.
        unsafe {
            let (allocator, layout) = (object.as_ref().allocator, object.as_ref().ty.layout);
            allocator.deallocate(object.cast(), layout);
        }
    }
}

/// A counted handle to a host object. `Clone` counts up, `Drop` counts down,
/// moving and borrowing are free. The last handle's drop runs the value's
/// destructor; objects that own each other are destroyed without recursion.
pub struct ExternRef {
    object: NonNull<Header>,
}

// SAFETY: `new_in` admits only values that are `Send + Sync`, and all else in
// the box is atomic or immutable.
unsafe impl Send for ExternRef {}
// SAFETY: as above.
unsafe impl Sync for ExternRef {}

impl ExternRef {
    /// Boxes a value with the global allocator.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]; the value is dropped.
    pub fn new<T: Any + Send + Sync>(value: T) -> Result<Self> {
        Self::new_in(value, &GLOBAL_OBJECTS)
    }

    /// Boxes a value with the embedder's allocator.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]; the value is dropped.
    pub fn new_in<T: Any + Send + Sync>(
        value: T,
        allocator: &'static dyn ObjectAllocator,
    ) -> Result<Self> {
        let layout = Layout::new::<Boxed<T>>();
        let memory = allocator
            .allocate(layout)
            .ok_or(Error::OutOfMemory { bytes: layout.size() })?
            .cast::<Boxed<T>>();
        let header = Header {
            strong: AtomicUsize::new(1),
            revoked: AtomicBool::new(false),
            ty: Boxed::<T>::TYPE,
            allocator,
            link: AtomicPtr::new(null_mut()),
        };
        // SAFETY: fresh memory of this layout.
        unsafe { memory.write(Boxed { header, value }) };
        Ok(Self { object: memory.cast() })
    }

    fn header(&self) -> &Header {
        // SAFETY: the box lives while a handle does.
        unsafe { self.object.as_ref() }
    }

    /// The value, if it is a `T`.
    ///
    /// # Errors
    /// [`Misuse::WrongReferent`] if it is of another type, [`Misuse::Revoked`]
    /// after [`ExternRef::revoke`].
    pub fn downcast_ref<T: Any>(&self) -> Result<&T, Misuse> {
        let header = self.header();
        if header.revoked.load(Ordering::Acquire) {
            return Err(Misuse::Revoked);
        }
        if header.ty.id != TypeId::of::<T>() {
            return Err(Misuse::WrongReferent);
        }
        // SAFETY: the type was just compared; the box lives while `self` does.
        Ok(unsafe { &(*self.object.cast::<Boxed<T>>().as_ptr()).value })
    }

    /// Whether both are handles to the same object.
    pub fn ptr_eq(&self, other: &Self) -> bool {
        self.object == other.object
    }

    /// Number of handles, including those of stores. Others may change it
    /// meanwhile.
    pub fn strong_count(&self) -> usize {
        self.header().strong.load(Ordering::Relaxed)
    }

    /// Name of the value's type, for messages.
    pub fn type_name(&self) -> &'static str {
        (self.header().ty.name)()
    }

    /// Takes the capability away: from now on, [`ExternRef::downcast_ref`] fails
    /// on every handle to this object, whoever holds it. O(1). The value lives
    /// until the last handle is dropped; existing borrows stay valid.
    pub fn revoke(&self) {
        self.header().revoked.store(true, Ordering::Release);
    }

    /// Whether [`ExternRef::revoke`] was called.
    pub fn is_revoked(&self) -> bool {
        self.header().revoked.load(Ordering::Acquire)
    }

    /// The handle as a pointer that owns it: nothing else is in a handle.
    pub(super) fn into_raw(self) -> *mut () {
        ManuallyDrop::new(self).object.as_ptr().cast()
    }

    /// The handle back. `None` for null.
    ///
    /// # Safety
    /// `raw` came from [`ExternRef::into_raw`]; it owns the handle, and is not
    /// used as an owner again (or the result is not dropped).
    pub(super) unsafe fn from_raw(raw: *mut ()) -> Option<Self> {
        NonNull::new(raw.cast()).map(|object| Self { object })
    }
}

impl Clone for ExternRef {
    fn clone(&self) -> Self {
        let strong = &self.header().strong;
        if strong.fetch_add(1, Ordering::Relaxed) >= SATURATED {
            strong.store(SATURATED, Ordering::Relaxed);
        }
        Self { object: self.object }
    }
}

impl Drop for ExternRef {
    fn drop(&mut self) {
        let header = self.header();
        // Acquire: if this is the only handle, the others are done.
        let handles = header.strong.load(Ordering::Acquire);
        if handles != 1 {
            if handles >= SATURATED || header.strong.fetch_sub(1, Ordering::Release) != 1 {
                return;
            }
            fence(Ordering::Acquire);
        }
        if header.ty.needs_drop {
            drop_queue::destroy(self.object);
        } else {
            // SAFETY: this was the last handle, and the value needs no drop.
            unsafe { Header::free(self.object) };
        }
    }
}

impl core::fmt::Debug for ExternRef {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "ExternRef({} at {:p})", self.type_name(), self.object)
    }
}
