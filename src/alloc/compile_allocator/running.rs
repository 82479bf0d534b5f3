//! [`Running`]: one compilation in memory of its own, from before its stack is
//! entered until it has been left. And [`Inside`]: what it may do about that.

use super::region::Region;
use crate::arch;
use core::alloc::Layout;
use core::cell::{Cell, UnsafeCell};
use core::ptr::{NonNull, null_mut};
#[cfg(feature = "std")]
use std_alloc::boxed::Box;

/// Why a compilation ended before it was finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The region has no room for so many bytes.
    OutOfMemory { bytes: usize },
    /// It was asked to.
    Asked,
    /// Allocations on its stack do not come here.
    AllocatorUnused,
    /// The compiler panicked.
    #[cfg(feature = "std")]
    Panicked,
    /// A callback panicked, with what [`Running::panic`] has.
    #[cfg(feature = "std")]
    CallbackPanicked,
}

/// A compilation. Used by the thread on its stack alone.
pub(super) struct Running<'a> {
    region: NonNull<Region>,
    ended: &'a dyn Fn() -> bool,
    /// What leaving the stack wants.
    left: UnsafeCell<usize>,
    /// How many calls of `outside` there are around what runs.
    outside: Cell<u32>,
    end: Cell<Option<End>>,
    /// Refuses when it goes to zero: the n-th request from now.
    refuse: Cell<Option<u64>>,
    #[cfg(feature = "std")]
    pub(super) panic: Cell<Option<Box<dyn core::any::Any + Send>>>,
    /// Whether the thread was unwinding already when this began.
    #[cfg(feature = "std")]
    unwinding: bool,
}

impl<'a> Running<'a> {
    pub(super) fn new(
        region: NonNull<Region>,
        ended: &'a dyn Fn() -> bool,
        refuse: Option<u64>,
    ) -> Self {
        Self {
            region,
            ended,
            left: UnsafeCell::new(0),
            outside: Cell::new(0),
            end: Cell::new(None),
            refuse: Cell::new(refuse),
            #[cfg(feature = "std")]
            panic: Cell::new(None),
            #[cfg(feature = "std")]
            unwinding: std::thread::panicking(),
        }
    }

    pub(super) fn left(&self) -> *mut usize {
        self.left.get()
    }

    pub(super) fn end(&self) -> Option<End> {
        self.end.get()
    }

    pub(super) fn set_end(&self, end: End) {
        self.end.set(Some(end));
    }

    /// Whether requests made now are the region's business.
    #[inline]
    pub(super) fn serves(&self) -> bool {
        // What a panic leaves in caches may live as long as the process does.
        #[cfg(feature = "std")]
        if std::thread::panicking() && !self.unwinding {
            return false;
        }
        self.outside.get() == 0
    }

    /// Runs `body` while requests go to the embedder's allocator.
    pub(super) fn outside<R>(&self, body: impl FnOnce() -> R) -> R {
        struct Back<'r>(&'r Cell<u32>);
        impl Drop for Back<'_> {
            fn drop(&mut self) {
                self.0.set(self.0.get() - 1);
            }
        }
        self.outside.set(self.outside.get() + 1);
        let _back = Back(&self.outside);
        body()
    }

    /// Does not return if the request is refused, or the end is asked for.
    #[inline]
    pub(super) fn allocate(&self, layout: Layout) -> NonNull<u8> {
        self.request(layout.size(), |region| region.allocate(layout))
    }

    /// `None` only if it is refused where requests are none of the region's business:
    /// what unwinds must not be left.
    ///
    /// # Safety
    /// As for [`Region::reallocate`].
    #[inline]
    pub(super) unsafe fn reallocate(
        &self,
        block: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Option<NonNull<u8>> {
        // SAFETY: by this function's contract.
        let from = |region: &mut Region| unsafe { region.reallocate(block, old, new) };
        match self.serves() {
            true => Some(self.request(new.size(), from)),
            false => self.with_region(from),
        }
    }

    /// # Safety
    /// As for [`Region::deallocate`].
    #[inline]
    pub(super) unsafe fn deallocate(&self, block: NonNull<u8>, layout: Layout) {
        // SAFETY: by this function's contract.
        self.with_region(|region| unsafe { region.deallocate(block, layout) });
    }

    #[inline]
    fn request(
        &self,
        bytes: usize,
        from: impl FnOnce(&mut Region) -> Option<NonNull<u8>>,
    ) -> NonNull<u8> {
        if (self.ended)() {
            self.leave(End::Asked);
        }
        if let Some(requests) = self.refuse.get() {
            if requests <= 1 {
                self.leave(End::OutOfMemory { bytes });
            }
            self.refuse.set(Some(requests - 1));
        }
        match self.with_region(from) {
            Some(block) => block,
            None => self.leave(End::OutOfMemory { bytes }),
        }
    }

    #[inline]
    pub(super) fn with_region<R>(&self, body: impl FnOnce(&mut Region) -> R) -> R {
        // SAFETY: the region belongs to this compilation, which one thread is in;
        // no reference to it is kept, and none of its functions calls back.
        body(unsafe { &mut *self.region.as_ptr() })
    }

    /// Ends the compilation here and now.
    #[cold]
    fn leave(&self, end: End) -> ! {
        self.end.set(Some(end));
        // SAFETY: requests are served on the compilation's stack only, so its call
        // has not returned. Nothing relies on the frames between (C3).
        unsafe { arch::leave_stack(*self.left.get()) }
    }
}

/// What a compilation that runs in memory of its own may do about it.
pub struct Inside<'r> {
    pub(super) running: &'r Running<'r>,
}

impl Inside<'_> {
    /// Runs `body`, whose allocations are served by the embedder's allocator
    /// and stay when the compilation has ended.
    pub fn outside<R>(&self, body: impl FnOnce() -> R) -> R {
        self.running.outside(body)
    }

    /// Runs `body`, the embedder's code, on the stack that the compilation was
    /// called from. If it panics, the compilation ends and the panic goes on
    /// there.
    pub fn on_callers_stack(&self, body: &mut dyn FnMut()) {
        let mut call = Call { body, running: self.running };
        let mut unused = 0;
        // SAFETY: where the compilation's call left that stack is its end, and it
        // waits there. `callback` catches what unwinds, or does not unwind.
        unsafe {
            let top = *self.running.left() & !15;
            let top = null_mut::<u8>().with_addr(top);
            arch::call_on_stack(top, callback, (&raw mut call).cast(), &raw mut unused);
        }
        #[cfg(feature = "std")]
        if self.running.end() == Some(End::CallbackPanicked) {
            self.running.leave(End::CallbackPanicked);
        }
    }
}

struct Call<'c> {
    body: &'c mut dyn FnMut(),
    #[cfg_attr(not(feature = "std"), expect(dead_code, reason = "nothing unwinds there"))]
    running: &'c Running<'c>,
}

unsafe extern "C" fn callback(data: *mut ()) {
    // SAFETY: `on_callers_stack` passes its own, and waits.
    let call = unsafe { &mut *data.cast::<Call<'_>>() };
    #[cfg(not(feature = "std"))]
    (call.body)();
    #[cfg(feature = "std")]
    {
        let body = std::panic::AssertUnwindSafe(&mut *call.body);
        if let Err(payload) = std::panic::catch_unwind(|| { body }.0()) {
            call.running.panic.set(Some(payload));
            call.running.set_end(End::CallbackPanicked);
        }
    }
}
