//! A spin lock for what threads on all processors share.
//!
//! Invariant: while one is held, interrupts are masked, so that its holder is
//! never preempted, and nobody waits for longer than the others' bodies take.
//! Who waits with interrupts masked answers the requests of other processors
//! ([`crate::arch::serve_requests`]): a holder may wait for those answers.

use crate::arch;
use core::mem::ManuallyDrop;
use core::ops::{Deref, DerefMut};
use spin::mutex::{SpinMutex, SpinMutexGuard};

/// A value behind the lock.
pub struct Lock<V>(SpinMutex<V>);

impl<V> Lock<V> {
    /// An unlocked value.
    pub const fn new(value: V) -> Self {
        Self(SpinMutex::new(value))
    }

    /// Waits for the lock, and masks interrupts until the guard is dropped.
    pub fn lock(&self) -> Guard<'_, V> {
        loop {
            if let Some(guard) = self.try_lock() {
                return guard;
            }
            arch::serve_requests();
            core::hint::spin_loop();
        }
    }

    /// The same without waiting; `None` if it is held.
    pub fn try_lock(&self) -> Option<Guard<'_, V>> {
        let enabled = arch::mask_interrupts();
        match self.0.try_lock() {
            Some(inner) => Some(Guard { inner: ManuallyDrop::new(inner), enabled }),
            None => {
                arch::restore_interrupts(enabled);
                None
            }
        }
    }
}

/// Holds the lock.
pub struct Guard<'l, V> {
    inner: ManuallyDrop<SpinMutexGuard<'l, V>>,
    enabled: bool,
}

impl<V> Deref for Guard<'_, V> {
    type Target = V;

    fn deref(&self) -> &V {
        &self.inner
    }
}

impl<V> DerefMut for Guard<'_, V> {
    fn deref_mut(&mut self) -> &mut V {
        &mut self.inner
    }
}

impl<V> Drop for Guard<'_, V> {
    fn drop(&mut self) {
        // SAFETY: not used afterwards. Unlocked before interrupts are back.
        unsafe { ManuallyDrop::drop(&mut self.inner) };
        arch::restore_interrupts(self.enabled);
    }
}
