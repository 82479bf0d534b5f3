//! [`Store`]: owner of every runtime object of one guest, and of the
//! embedder's data beside them.
//!
//! ```text
//! Store<T> ─▶ StoreInner<T> { StoreOpaque | hooks | T }      pinned
//!                               │ ▲
//!                               ▼ │ owner
//!             VmBlock { VmStoreContext | owner }              seen by generated code
//! ```
//! The store is reached through one raw pointer. A `&mut Store` is an
//! exclusive claim to what that pointer points to, not a reference to it, so
//! generated code and host functions can use the store while a call on it is
//! in progress without any reference being invalidated.

mod context;
#[forbid(unsafe_code)]
pub(super) mod dropping;
pub(super) mod figures;
mod hooks;
#[forbid(unsafe_code)]
mod inner;

pub use context::{AsContext, AsContextMut, StoreContext, StoreContextMut};

use super::backtrace::WasmBacktrace;
use crate::alloc;
use crate::engine::{Engine, InterruptHandle};
use crate::error::Result;
use crate::gc::{GcStats, StepProgress};
use crate::vm::store::StoreOpaque;
use core::marker::PhantomData;
use core::mem::MaybeUninit;
use core::ptr::NonNull;
use inner::StoreInner;
use std_alloc::{boxed::Box, vec::Vec};

pub use inner::UpdateDeadline;

/// Holds instances and everything they consist of, and `T`, which is yours.
pub struct Store<T: 'static> {
    inner: NonNull<StoreInner<T>>,
}

// SAFETY: a store owns all that its pointers point to, or shares it with the
// engine's other users through types that are `Send` and `Sync` themselves.
// Host functions and host objects must be both. What remains is `T`.
unsafe impl<T: Send> Send for Store<T> {}
// SAFETY: as above; through a shared store nothing changes but the code map's
// cache, which is atomic.
unsafe impl<T: Sync> Sync for Store<T> {}

impl<T: 'static> Store<T> {
    /// A store with a reference arena of its own.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`].
    pub fn new(engine: &Engine, data: T) -> Result<Self> {
        Self::with_region(engine, data, None)
    }

    /// Size in bytes of a region for [`Self::with_reference_region`] that holds
    /// this many references; `None` if that is more than a store can have.
    pub const fn reference_region_bytes(slots: u32) -> Option<usize> {
        crate::gc::RefHeap::region_bytes(slots)
    }

    /// A store whose reference arena lies in `region`; see
    /// [`Self::reference_region_bytes`] for how large that must be.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`], or [`crate::Error::Misuse`] when the
    /// region is too small for the engine's configuration.
    pub fn with_reference_region(
        engine: &Engine,
        data: T,
        region: &'static mut [MaybeUninit<u8>],
    ) -> Result<Self> {
        Self::with_region(engine, data, Some(NonNull::from(region)))
    }

    fn with_region(
        engine: &Engine,
        data: T,
        region: Option<NonNull<[MaybeUninit<u8>]>>,
    ) -> Result<Self> {
        let opaque = StoreOpaque::new(engine, region, crate::vm::FUNCTIONS)?;
        let (limiter, epoch_callback, spare_values) = (None, None, Vec::new());
        let inner = StoreInner { opaque, limiter, epoch_callback, spare_values, data };
        let inner = NonNull::from(Box::leak(alloc::try_box(inner)?));
        // SAFETY: just leaked, and nobody else knows it.
        unsafe {
            let block = (*inner.as_ptr()).opaque.block();
            (*block.as_ptr()).owner = inner.cast();
        }
        Ok(Self { inner })
    }

    /// The embedder's data.
    pub fn data(&self) -> &T {
        self.as_context().data()
    }

    /// The embedder's data.
    pub fn data_mut(&mut self) -> &mut T {
        self.as_context_mut().into_data_mut()
    }

    /// Drops the store and returns the embedder's data.
    pub fn into_data(self) -> T {
        let inner = self.inner;
        core::mem::forget(self);
        // SAFETY: leaked from a box by the constructor; the store is gone.
        let StoreInner { opaque, data, .. } = *unsafe { Box::from_raw(inner.as_ptr()) };
        drop(opaque);
        data
    }

    /// The engine of the store.
    pub fn engine(&self) -> &Engine {
        self.as_context().engine()
    }

    /// Collects: releases every reference that is held neither by a frame of
    /// Wasm or host code nor by a table, a global or the host.
    ///
    /// # Errors
    /// A [`crate::Trap`] when a frame could not be accounted for; nothing is
    /// released then.
    pub fn gc(&mut self) -> Result<()> {
        self.as_context_mut().gc()
    }

    /// Does part of a collection: about `budget` table entries. If a guest was ended
    /// between two instructions ([`Self::interrupt_handle`]), first finds out again where
    /// references are held, with the same budget in slots, elements and globals;
    /// inside a host function, all of that at once.
    ///
    /// # Errors
    /// As for [`Self::gc`].
    pub fn gc_step(&mut self, budget: u32) -> Result<StepProgress> {
        self.as_context_mut().gc_step(budget)
    }

    /// Runs up to `budget` destructors of released references. Returns how
    /// many it ran.
    pub fn drain_released(&mut self, budget: usize) -> usize {
        self.as_context_mut().drain_released(budget)
    }

    /// Whether destructors of released references run by themselves when a
    /// call returns or a host function is called. On by default; off, they
    /// wait for [`Self::drain_released`], or until a reference needs a slot and
    /// only released ones are left.
    pub fn set_auto_drain(&mut self, enable: bool) {
        self.as_context_mut().set_auto_drain(enable);
    }

    /// What the collector has done, and what it holds.
    pub fn gc_stats(&self) -> GcStats {
        self.as_context().gc_stats()
    }

    /// What ends the guest from elsewhere: another thread or processor, or an interrupt
    /// handler. After [`InterruptHandle::interrupt`], Wasm code of this store
    /// ends with [`Trap::Interrupt`](crate::Trap)
    ///
    /// - when an interrupt's handler finds it running
    ///   ([`Engine::handle_interrupt`]; on a Linux host, `Watchdog` does that), at
    ///   whichever instruction that is;
    /// - when a host function returns to it;
    /// - after 64 KiB or 4096 elements of bulk work.
    ///
    /// Only the newest activation ends. Those that wait for it end when the host
    /// functions which they called return, whatever these return, unless one of
    /// them takes the request back ([`Self::clear_interrupt`]). When the outermost call
    /// has ended, the request has been met. One that comes too late, or while nothing
    /// runs, ends the next call.
    ///
    /// What the guest held is released exactly once, and the store can be used
    /// again. The next call, or [`Self::gc`], first goes through all slots, tables and
    /// globals once, because it is not known what the guest was about to count;
    /// [`Self::gc_step`] does that in bounded steps.
    pub fn interrupt_handle(&self) -> InterruptHandle {
        self.as_context().opaque().interrupt_handle()
    }

    /// Takes back what was asked for through an [`InterruptHandle`], if it has not been
    /// met.
    pub fn clear_interrupt(&mut self) {
        self.as_context_mut().clear_interrupt();
    }

    /// Lets Wasm run until the engine's epoch has advanced `ticks` times.
    /// Without a deadline, Wasm is never interrupted.
    pub fn set_epoch_deadline(&mut self, ticks: u64) {
        self.as_context_mut().set_epoch_deadline(ticks);
    }

    /// Sets the fuel that is left; [`crate::Config::consume_fuel`] says what costs how much.
    /// A new store has none.
    ///
    /// # Errors
    /// [`crate::Misuse::InvalidConfig`] unless the engine consumes fuel.
    pub fn set_fuel(&mut self, fuel: u64) -> Result<()> {
        self.as_context_mut().set_fuel(fuel)
    }

    /// Fuel left.
    ///
    /// # Errors
    /// [`crate::Misuse::InvalidConfig`] unless the engine consumes fuel.
    pub fn get_fuel(&self) -> Result<u64> {
        self.as_context().get_fuel()
    }

    /// Lets Wasm use the native stack down to `address` instead of a number of
    /// bytes below the outermost call; `None` restores what
    /// [`crate::Config::max_wasm_stack`] and [`crate::Config::stack_bounds`] say. Takes effect with the next
    /// outermost call.
    ///
    /// # Safety
    /// As long as calls are made with this limit: the memory from the stack pointer
    /// at each outermost call down to `address`, and as much below it as host
    /// functions need, 8 KiB at least, is the stack's and unused.
    pub unsafe fn set_stack_limit(&mut self, address: Option<usize>) {
        let mut context = self.as_context_mut();
        context.opaque_mut().set_stack_limit(address);
    }

    /// Where the last trap happened.
    pub fn last_backtrace(&self) -> Option<WasmBacktrace<'_>> {
        self.as_context().last_backtrace()
    }
}

impl<T> AsContext for Store<T> {
    type Data = T;

    #[inline]
    fn as_context(&self) -> StoreContext<'_, T> {
        StoreContext { inner: self.inner, _borrow: PhantomData }
    }
}

impl<T> AsContextMut for Store<T> {
    #[inline]
    fn as_context_mut(&mut self) -> StoreContextMut<'_, T> {
        StoreContextMut { inner: self.inner, _borrow: PhantomData }
    }
}

impl<T: 'static> Drop for Store<T> {
    fn drop(&mut self) {
        // SAFETY: leaked from a box by the constructor; dropped once, here.
        drop(unsafe { Box::from_raw(self.inner.as_ptr()) });
    }
}

impl<T: 'static> core::fmt::Debug for Store<T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let store = self.as_context();
        f.debug_struct("Store").field("id", &store.opaque().id).finish_non_exhaustive()
    }
}
