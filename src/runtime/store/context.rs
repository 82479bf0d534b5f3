//! [`StoreContext`] and [`StoreContextMut`]: borrows of a store, and the traits
//! through which functions take one.

use super::inner::StoreInner;
use crate::engine::{Engine, InterruptHandle};
use crate::error::{Misuse, Result};
use crate::gc::{GcStats, StepProgress};
use crate::runtime::backtrace::WasmBacktrace;
use crate::runtime::value::Val;
use crate::vm::bulk;
use crate::vm::store::{StoreOpaque, StorePtr};
use core::marker::PhantomData;
use core::ptr::NonNull;
use std_alloc::vec::Vec;

/// A shared borrow of a store.
pub struct StoreContext<'a, T: 'static> {
    pub(super) inner: NonNull<StoreInner<T>>,
    pub(super) _borrow: PhantomData<&'a StoreInner<T>>,
}

/// An exclusive borrow of a store.
pub struct StoreContextMut<'a, T: 'static> {
    pub(super) inner: NonNull<StoreInner<T>>,
    pub(super) _borrow: PhantomData<&'a mut StoreInner<T>>,
}

// SAFETY: stands for `&StoreInner<T>`; see `Store` for why that may be sent.
unsafe impl<T: Sync> Send for StoreContext<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for StoreContext<'_, T> {}
// SAFETY: stands for `&mut StoreInner<T>`; see `Store`.
unsafe impl<T: Send> Send for StoreContextMut<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for StoreContextMut<'_, T> {}

/// Anything that holds a store.
pub trait AsContext {
    /// The embedder's data in the store.
    type Data: 'static;

    /// Borrows the store.
    fn as_context(&self) -> StoreContext<'_, Self::Data>;
}

/// Anything that holds a store exclusively.
pub trait AsContextMut: AsContext {
    /// Borrows the store exclusively.
    fn as_context_mut(&mut self) -> StoreContextMut<'_, Self::Data>;
}

impl<C: AsContext> AsContext for &C {
    type Data = C::Data;

    #[inline]
    fn as_context(&self) -> StoreContext<'_, C::Data> {
        C::as_context(self)
    }
}

impl<C: AsContext> AsContext for &mut C {
    type Data = C::Data;

    #[inline]
    fn as_context(&self) -> StoreContext<'_, C::Data> {
        C::as_context(self)
    }
}

impl<C: AsContextMut> AsContextMut for &mut C {
    #[inline]
    fn as_context_mut(&mut self) -> StoreContextMut<'_, C::Data> {
        C::as_context_mut(self)
    }
}

impl<T> AsContext for StoreContext<'_, T> {
    type Data = T;

    #[inline]
    fn as_context(&self) -> StoreContext<'_, T> {
        StoreContext { inner: self.inner, _borrow: PhantomData }
    }
}

impl<T> AsContext for StoreContextMut<'_, T> {
    type Data = T;

    #[inline]
    fn as_context(&self) -> StoreContext<'_, T> {
        StoreContext { inner: self.inner, _borrow: PhantomData }
    }
}

impl<T> AsContextMut for StoreContextMut<'_, T> {
    #[inline]
    fn as_context_mut(&mut self) -> StoreContextMut<'_, T> {
        StoreContextMut { inner: self.inner, _borrow: PhantomData }
    }
}

impl<'a, C: AsContext> From<&'a C> for StoreContext<'a, C::Data> {
    fn from(context: &'a C) -> Self {
        context.as_context()
    }
}

impl<'a, C: AsContextMut> From<&'a mut C> for StoreContextMut<'a, C::Data> {
    fn from(context: &'a mut C) -> Self {
        context.as_context_mut()
    }
}

impl<'a, T: 'static> StoreContext<'a, T> {
    /// The embedder's data.
    pub fn data(&self) -> &'a T {
        // SAFETY: borrowed for `'a`: nobody changes the data meanwhile (V2).
        unsafe { &(*self.inner.as_ptr()).data }
    }

    /// The engine of the store.
    pub fn engine(&self) -> &'a Engine {
        &self.opaque().engine
    }

    /// What the collector has done, and what it holds.
    pub fn gc_stats(&self) -> GcStats {
        self.opaque().heap.stats()
    }

    /// Fuel left.
    ///
    /// # Errors
    /// [`Misuse::InvalidConfig`] unless the engine consumes fuel.
    pub fn get_fuel(&self) -> Result<u64> {
        fuel_left(self.opaque()).ok_or(NO_FUEL.into())
    }

    /// Where the last trap happened.
    pub fn last_backtrace(&self) -> Option<WasmBacktrace<'a>> {
        WasmBacktrace::new(self.opaque())
    }

    #[inline]
    pub(crate) fn opaque(&self) -> &'a StoreOpaque {
        // SAFETY: borrowed for `'a`, and no exclusive reference is in use (V3).
        unsafe { &(*self.inner.as_ptr()).opaque }
    }
}

impl<'a, T: 'static> StoreContextMut<'a, T> {
    /// # Safety
    /// `store` is a live store with data of type `T`, borrowed for `'a`.
    #[inline]
    pub(crate) unsafe fn from_ptr(store: StorePtr) -> Self {
        Self { inner: store.as_non_null().cast(), _borrow: PhantomData }
    }

    /// The embedder's data.
    pub fn data(&self) -> &T {
        self.as_context().data()
    }

    /// The embedder's data.
    pub fn data_mut(&mut self) -> &mut T {
        // SAFETY: exclusively borrowed (V2).
        unsafe { &mut (*self.inner.as_ptr()).data }
    }

    /// The embedder's data for as long as the store is borrowed.
    pub fn into_data_mut(self) -> &'a mut T {
        // SAFETY: exclusively borrowed for `'a` (V2).
        unsafe { &mut (*self.inner.as_ptr()).data }
    }

    /// The part that does not depend on `T`, and the embedder's data, for as
    /// long as the store is borrowed.
    pub(crate) fn into_parts(self) -> (&'a mut StoreOpaque, &'a mut T) {
        // SAFETY: exclusively borrowed for `'a` (V2); two disjoint fields.
        unsafe {
            let inner = self.inner.as_ptr();
            (&mut (*inner).opaque, &mut (*inner).data)
        }
    }

    /// The engine of the store.
    pub fn engine(&self) -> &Engine {
        self.as_context().engine()
    }

    /// Collects: releases every reference that is held neither by a frame of
    /// Wasm or host code nor by a table, a global or the host.
    ///
    /// # Errors
    /// A [`crate::Trap`] when a frame could not be accounted for; nothing
    /// is released then.
    pub fn gc(&mut self) -> Result<()> {
        self.opaque_mut().collect()
    }

    /// Does part of a collection: see [`Store::gc_step`](super::Store::gc_step).
    ///
    /// # Errors
    /// As for [`Self::gc`].
    pub fn gc_step(&mut self, budget: u32) -> Result<StepProgress> {
        let store = self.opaque_mut();
        let Some(left) = store.recount_step(budget.into()) else {
            return Ok(StepProgress {
                examined: 0,
                finished: false,
                queued: store.heap.stats().queued,
            });
        };
        let progress = store.heap.step(left as u32, &store.code)?;
        store.drain_if_due();
        Ok(progress)
    }

    /// What ends the guest from elsewhere: see
    /// [`Store::interrupt_handle`](super::Store::interrupt_handle).
    pub fn interrupt_handle(&self) -> InterruptHandle {
        self.opaque().interrupt_handle()
    }

    /// Takes back what was asked for through an [`InterruptHandle`], if it has not
    /// been met.
    pub fn clear_interrupt(&mut self) {
        self.opaque_mut().clear_interrupt();
    }

    /// Runs up to `budget` destructors of released references. Returns how
    /// many it ran.
    pub fn drain_released(&mut self, budget: usize) -> usize {
        self.opaque_mut().heap.drain(budget)
    }

    /// Whether destructors of released references run by themselves when a
    /// call returns or a host function is called. On by default; off, they
    /// wait for [`Self::drain_released`], or until a reference needs a slot and
    /// only released ones are left.
    pub fn set_auto_drain(&mut self, enable: bool) {
        self.opaque_mut().auto_drain = enable;
    }

    /// What the collector has done, and what it holds.
    pub fn gc_stats(&self) -> GcStats {
        self.as_context().gc_stats()
    }

    /// Lets Wasm run until the engine's epoch has advanced `ticks` times.
    pub fn set_epoch_deadline(&mut self, ticks: u64) {
        let store = self.opaque_mut();
        let now = store.engine.epoch().load(core::sync::atomic::Ordering::Relaxed);
        // SAFETY: in its place (V1), and generated code does not run (V4).
        unsafe { (*store.vm().as_ptr()).epoch_deadline = now.saturating_add(ticks) };
    }

    /// Sets the fuel that is left.
    ///
    /// # Errors
    /// [`Misuse::InvalidConfig`] unless the engine consumes fuel.
    pub fn set_fuel(&mut self, fuel: u64) -> Result<()> {
        let store = self.opaque_mut();
        let left = fuel_left(store).ok_or(NO_FUEL)?;
        store.fuel_consumed = store.fuel_consumed(left);
        let fuel = i64::try_from(fuel).unwrap_or(i64::MAX);
        // SAFETY: in its place (V1), and generated code does not run (V4).
        unsafe { (*store.vm().as_ptr()).fuel = fuel };
        store.fuel_given = fuel as u64;
        Ok(())
    }

    /// Fuel left.
    ///
    /// # Errors
    /// [`Misuse::InvalidConfig`] unless the engine consumes fuel.
    pub fn get_fuel(&self) -> Result<u64> {
        self.as_context().get_fuel()
    }

    /// Where the last trap happened.
    pub fn last_backtrace(&self) -> Option<WasmBacktrace<'_>> {
        self.as_context().last_backtrace()
    }

    /// See [`crate::Caller::checkpoint`].
    pub(in crate::runtime) fn checkpoint(&mut self, bytes: u64) -> Result<()> {
        bulk::pay_for_bytes(self.opaque(), bytes)?;
        // SAFETY: exclusively borrowed (V2), and no reference to it is in use (V3).
        unsafe { bulk::check(self.ptr()) }
    }

    #[inline]
    pub(crate) fn ptr(&mut self) -> StorePtr {
        StorePtr::new(self.inner.cast())
    }

    pub(crate) fn opaque(&self) -> &StoreOpaque {
        // SAFETY: borrowed, and no exclusive reference is in use (V3).
        unsafe { &(*self.inner.as_ptr()).opaque }
    }

    #[inline]
    pub(crate) fn opaque_mut(&mut self) -> &mut StoreOpaque {
        // SAFETY: exclusively borrowed for as long as the result is used (V2).
        unsafe { &mut (*self.inner.as_ptr()).opaque }
    }

    /// A vector that is empty while nobody uses it.
    #[inline]
    pub(crate) fn spare_values(&mut self) -> &mut Vec<Val> {
        &mut self.inner_mut().spare_values
    }

    #[inline]
    pub(super) fn inner_mut(&mut self) -> &mut StoreInner<T> {
        // SAFETY: exclusively borrowed for as long as the result is used (V2).
        unsafe { &mut *self.inner.as_ptr() }
    }
}

/// Fuel left, if the engine consumes fuel.
pub(super) fn fuel_left(store: &StoreOpaque) -> Option<u64> {
    // SAFETY: in its place (V1), and generated code does not run (V4).
    let left = unsafe { (*store.vm().as_ptr()).fuel }.max(0) as u64;
    store.engine.config().consume_fuel.then_some(left)
}

const NO_FUEL: Misuse = Misuse::InvalidConfig("Config::consume_fuel is off");
