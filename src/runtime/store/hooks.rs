//! What the embedder attaches to a store: its limiter and its epoch callback.
//! The store's opaque part calls them through functions made for the data type.

use super::Store;
use super::context::{AsContextMut, StoreContextMut};
use super::inner::{EpochFn, LimiterFn, StoreInner, UpdateDeadline};
use crate::abi::Trap;
use crate::alloc;
use crate::engine::ResourceLimiter;
use crate::error::Result;
use crate::vm::store::StorePtr;
use core::ptr::NonNull;

impl<T: 'static> Store<T> {
    /// Sets the limiter, which lives in the store's data.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`].
    pub fn limiter(
        &mut self,
        limiter: impl FnMut(&mut T) -> &mut (dyn ResourceLimiter) + Send + Sync + 'static,
    ) -> Result<()> {
        let limiter: LimiterFn<T> = alloc::try_box(limiter)?;
        let mut context = self.as_context_mut();
        let inner = context.inner_mut();
        inner.limiter = Some(limiter);
        inner.opaque.limiter = Some(ask_limiter::<T>);
        Ok(())
    }

    /// Asks `callback` when the epoch deadline has passed, instead of trapping.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`].
    pub fn epoch_deadline_callback(
        &mut self,
        callback: impl FnMut(StoreContextMut<'_, T>) -> Result<UpdateDeadline> + Send + Sync + 'static,
    ) -> Result<()> {
        let callback: EpochFn<T> = alloc::try_box(callback)?;
        let mut context = self.as_context_mut();
        let inner = context.inner_mut();
        inner.epoch_callback = Some(callback);
        inner.opaque.epoch_callback = Some(epoch_reached::<T>);
        Ok(())
    }

    /// Traps when the epoch deadline has passed. The default.
    pub fn epoch_deadline_trap(&mut self) {
        let mut context = self.as_context_mut();
        let inner = context.inner_mut();
        inner.opaque.epoch_callback = None;
        inner.epoch_callback = None;
    }
}

/// # Safety
/// `store` has data of type `T`; neither that nor its limiter is borrowed.
unsafe fn ask_limiter<T: 'static>(
    store: StorePtr,
    ask: &mut dyn FnMut(&mut dyn ResourceLimiter) -> bool,
) -> bool {
    let inner = store.as_non_null().cast::<StoreInner<T>>().as_ptr();
    // SAFETY: two disjoint fields, neither of which is borrowed elsewhere (V2, V3).
    let (limiter, data) = unsafe { (&mut (*inner).limiter, &mut (*inner).data) };
    match limiter {
        Some(limiter) => ask(limiter(data)),
        None => true,
    }
}

/// # Safety
/// `store` has data of type `T`, and nothing of it is borrowed.
unsafe fn epoch_reached<T: 'static>(store: StorePtr) -> Result<()> {
    let inner = store.as_non_null().cast::<StoreInner<T>>();
    // SAFETY: no reference to the store is in use (V3).
    let Some(callback) = (unsafe { (*inner.as_ptr()).epoch_callback.take() }) else {
        return Err(Trap::Interrupt.into());
    };
    let mut taken = Taken { inner, callback: Some(callback) };
    // SAFETY: as above.
    let mut context = unsafe { StoreContextMut::<T>::from_ptr(store) };
    let answer = match &mut taken.callback {
        Some(callback) => callback(context.as_context_mut()),
        None => Ok(UpdateDeadline::Interrupt),
    };
    drop(taken);
    match answer? {
        UpdateDeadline::Continue(ticks) => {
            context.set_epoch_deadline(ticks);
            Ok(())
        }
        UpdateDeadline::Interrupt => Err(Trap::Interrupt.into()),
    }
}

/// The callback while it runs, taken out because it gets the whole store. Put
/// back when this is dropped, also by a panic.
struct Taken<T: 'static> {
    inner: NonNull<StoreInner<T>>,
    callback: Option<EpochFn<T>>,
}

impl<T: 'static> Drop for Taken<T> {
    fn drop(&mut self) {
        // SAFETY: the store outlives its callback, whose borrow is over (V3).
        unsafe { (*self.inner.as_ptr()).epoch_callback = self.callback.take() };
    }
}
