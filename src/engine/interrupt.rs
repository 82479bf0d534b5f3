//! [`InterruptHandle`]: asks, from elsewhere, that a guest or long work ends.
//!
//! Invariant: the word that a handle sets is part of what the handle keeps, and
//! is only ever accessed as an atomic.

use super::shared::Keeper;
#[cfg(feature = "compile")]
use super::shared::Shared;
use crate::abi::STATUS_REQUESTED;
#[cfg(feature = "compile")]
use crate::error::Result;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU64, Ordering};

/// Ends what runs in a store ([`Store::interrupt_handle`](crate::Store::interrupt_handle)),
/// or a compilation, from another thread, another processor, or an interrupt
/// handler. Cheap to clone; outlives what it was made for, and then does nothing.
#[derive(Clone)]
pub struct InterruptHandle {
    word: NonNull<AtomicU64>,
    _keeps: Keeper,
}

// SAFETY: all that is reached through the pointer is an atomic, which lives as
// long as what is kept.
unsafe impl Send for InterruptHandle {}
// SAFETY: as above.
unsafe impl Sync for InterruptHandle {}

impl InterruptHandle {
    /// # Safety
    /// `word` lives as long as what `keeps` keeps.
    pub(crate) unsafe fn new(word: NonNull<AtomicU64>, keeps: Keeper) -> Self {
        Self { word, _keeps: keeps }
    }

    /// One with a word of its own.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`].
    #[cfg(feature = "compile")]
    pub(super) fn with_word() -> Result<Self> {
        let shared = Shared::new(AtomicU64::new(0))?;
        // SAFETY: the word is what is kept.
        Ok(unsafe { Self::new(NonNull::from(&*shared), Keeper::of(&shared)) })
    }

    /// Asks for the end. Neither waits nor allocates; may be called anywhere, and
    /// any number of times.
    ///
    /// A store's guest ends with [`Trap::Interrupt`](crate::Trap): see
    /// [`Store::interrupt_handle`](crate::Store::interrupt_handle) for when. A
    /// compilation ends soon, with [`Error::Interrupted`](crate::Error::Interrupted);
    /// that may be asked before it begins, and cannot be taken back.
    pub fn interrupt(&self) {
        self.request(STATUS_REQUESTED);
    }

    /// Asks with these bits.
    pub(super) fn request(&self, kind: u64) {
        self.word().fetch_or(kind, Ordering::Relaxed);
    }

    /// Whether anyone has asked. For a store: and the end has neither been
    /// reported since nor been taken back.
    pub fn is_interrupted(&self) -> bool {
        self.word().load(Ordering::Relaxed) != 0
    }

    fn word(&self) -> &AtomicU64 {
        // SAFETY: it lives, because what it is part of is kept.
        unsafe { self.word.as_ref() }
    }
}

impl core::fmt::Debug for InterruptHandle {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let is_interrupted = self.is_interrupted();
        f.debug_struct("InterruptHandle").field("is_interrupted", &is_interrupted).finish()
    }
}
