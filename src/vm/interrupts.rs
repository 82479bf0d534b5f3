//! Ending what runs in a store, because someone has asked for it
//! ([`crate::InterruptHandle`]).
//!
//! The request is a word in the store's context. It is looked at by the handler of
//! interrupts, when a host function or a builtin returns to Wasm, and between pieces
//! of bulk work. Whoever finds it set ends the newest activation with
//! [`Trap::Interrupt`]. It stays set until the outermost call has ended, so that the
//! activations above end in turn, whatever the host functions in between make of
//! the trap. The embedder may take it back.
//!
//! Invariant: the word is cleared by whoever has the store exclusively; others only
//! set it.

use super::store::StoreOpaque;
use crate::abi::{STATUS_OK, STATUS_OVERDUE, STATUS_REQUESTED, Trap, VmStoreContext};
use crate::engine::InterruptHandle;
use crate::error::Error;
use core::sync::atomic::Ordering;

/// Whether someone has asked that what runs in the store end.
///
/// # Safety
/// `vm` is the context of a live store.
#[inline(always)]
pub(crate) unsafe fn is_interrupted(vm: *const VmStoreContext) -> bool {
    // SAFETY: by this function's contract; the word is atomic.
    unsafe { requested_status(vm) != STATUS_OK }
}

/// [`STATUS_OK`], or [`STATUS_REQUESTED`] or more if someone has asked that what runs in
/// the store end.
///
/// # Safety
/// As for [`is_interrupted`].
#[inline(always)]
pub(crate) unsafe fn requested_status(vm: *const VmStoreContext) -> u64 {
    // SAFETY: by this function's contract; the word is atomic.
    unsafe { (*vm).interrupt.load(Ordering::Relaxed) }
}

impl StoreOpaque {
    /// A handle that asks for the end of what runs here.
    pub(crate) fn interrupt_handle(&self) -> InterruptHandle {
        self.shared_block().interrupt_handle()
    }

    /// Takes all requests back.
    pub(crate) fn clear_interrupt(&mut self) {
        self.take_back(STATUS_REQUESTED | STATUS_OVERDUE);
    }

    /// Takes requests of these kinds back.
    pub(crate) fn take_back(&mut self, kinds: u64) {
        // SAFETY: the context is in its place (V1); the word is atomic.
        let word = unsafe { &(*self.vm().as_ptr()).interrupt };
        if word.fetch_and(!kinds, Ordering::Relaxed) & !kinds == 0 {
            self.interrupt_delivered = false;
        }
    }

    /// Records that an activation ends because someone has asked for it.
    #[cold]
    #[inline(never)]
    pub(crate) fn interrupted(&mut self) -> Trap {
        self.interrupt_delivered = true;
        self.trap_passes = false;
        self.record_failure(Trap::Interrupt.into())
    }

    /// The status of the activation that ends because a host function has returned
    /// `status`, which is not [`STATUS_OK`].
    pub(crate) fn host_failed(&mut self, status: u64) -> u64 {
        if status < STATUS_REQUESTED { status } else { self.interrupted() as u64 }
    }

    /// The outermost call has failed: if an activation was ended because someone had
    /// asked for it, the request has been met.
    pub(crate) fn outermost_failed(&mut self) {
        if self.interrupt_delivered {
            self.clear_interrupt();
        }
    }

    /// The error of work that is not done by generated code, and that ends because
    /// someone has asked for it.
    #[cold]
    pub(crate) fn interrupted_work(&mut self) -> Error {
        self.interrupt_delivered = true;
        Trap::Interrupt.into()
    }
}
