//! [`Clock`]: time.

use crate::types::Result;
use alloc::sync::Arc;

/// A clock. What its nanoseconds count from depends on what it is handed over as.
pub trait Clock: Send + Sync {
    /// Nanoseconds.
    ///
    /// # Errors
    /// Whatever the guest is to be told.
    fn now_ns(&self) -> Result<u64>;

    /// Nanoseconds between two ticks, at least 1.
    fn resolution_ns(&self) -> u64 {
        1
    }
}

impl<C: Clock + ?Sized> Clock for Arc<C> {
    fn now_ns(&self) -> Result<u64> {
        C::now_ns(self)
    }

    fn resolution_ns(&self) -> u64 {
        C::resolution_ns(self)
    }
}
