//! [`Rooted`]: an argument of the running host call, borrowed where it is.
//!
//! Invariant: while the host frame with its serial number is linked, the
//! collector keeps the slot; after that, every use fails. Using one costs no
//! atomic operation.

use super::caller::Caller;
use super::store::{StoreId, StoreOpaque};
use crate::abi::HostFrame;
use crate::error::{Misuse, Result};
use crate::gc::ExternRef;

/// A host reference that Wasm passed to the running host call. `Copy`, and
/// free of counting; good for the duration of that call.
#[derive(Clone, Copy, Debug)]
pub struct Rooted {
    pub(super) slot: u32,
    pub(super) serial: u64,
    pub(super) store: StoreId,
}

impl Rooted {
    /// The reference.
    ///
    /// # Errors
    /// [`Misuse::StaleReference`] when the call that it was an argument of has
    /// ended, [`Misuse::WrongStore`] in another store.
    #[inline]
    pub fn get<'c, T: 'static>(&self, caller: &'c Caller<'_, T>) -> Result<&'c ExternRef> {
        let store = caller.opaque();
        if self.store != store.id || self.serial != caller.serial() {
            self.check(store)?;
        }
        store.heap.borrow(self.slot).ok_or(crate::Error::Bug("rooted slot is not in use"))
    }

    /// Whether the frame that keeps the slot is still linked.
    pub(super) fn check(&self, store: &StoreOpaque) -> Result<()> {
        if self.store != store.id {
            return Err(Misuse::WrongStore.into());
        }
        // SAFETY: the context is alive.
        let mut frame: *const HostFrame = unsafe { (*store.vm().as_ptr()).host_frames };
        while !frame.is_null() {
            // SAFETY: linked frames live on the stack of host calls that are
            // in progress; each unlinks itself when it ends.
            let (serial, previous) = unsafe { ((*frame).serial, (*frame).previous) };
            if serial == self.serial {
                return Ok(());
            }
            frame = previous;
        }
        Err(Misuse::StaleReference.into())
    }
}
