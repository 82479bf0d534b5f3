//! [`InterruptHandle`]: asks, from elsewhere, that long work ends.

use super::shared::Shared;
use crate::error::Result;
use core::sync::atomic::{AtomicBool, Ordering};

/// Ends a [`Compilation`](crate::Compilation) from another thread, another
/// processor, or an interrupt handler. Cheap to clone.
#[derive(Clone)]
pub struct InterruptHandle {
    requested: Shared<AtomicBool>,
}

impl InterruptHandle {
    pub(super) fn new() -> Result<Self> {
        Ok(Self { requested: Shared::new(AtomicBool::new(false))? })
    }

    /// Asks for the end; it comes soon, as [`Error::Interrupted`](crate::Error::Interrupted). Neither waits
    /// nor allocates. May be called before the work begins, and any number of
    /// times; it cannot be taken back.
    pub fn interrupt(&self) {
        self.requested.store(true, Ordering::Relaxed);
    }

    /// Whether anyone has asked.
    pub fn is_interrupted(&self) -> bool {
        self.requested.load(Ordering::Relaxed)
    }
}

impl core::fmt::Debug for InterruptHandle {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let is_interrupted = self.is_interrupted();
        f.debug_struct("InterruptHandle").field("is_interrupted", &is_interrupted).finish()
    }
}
