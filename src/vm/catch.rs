//! [`catch`]: runs embedder code below which generated code is on the stack.
//!
//! Invariant: a panic never unwinds into generated code. It becomes an error,
//! and goes on when the activation has ended.

use super::store::StorePtr;
#[cfg(feature = "std")]
use crate::error::Error;
use crate::error::Result;

/// Keeps what a panic carries until the activation has ended. Out of line, so
/// that host calls do not save registers for it.
///
/// # Safety
/// The code that used the store has been unwound.
#[cfg(feature = "std")]
#[cold]
#[inline(never)]
unsafe fn panicked(store: StorePtr, payload: super::store::PanicPayload) -> Error {
    // SAFETY: passed on to the caller.
    unsafe { store.get() }.panic = Some(payload);
    crate::abi::Trap::HostError.into()
}

/// Runs embedder code below which generated code is on the stack. A panic
/// becomes an error; it goes on when the activation has ended.
#[cfg(feature = "std")]
#[inline(always)]
pub(crate) fn catch<V>(store: StorePtr, body: impl FnOnce() -> Result<V>) -> Result<V> {
    match std::panic::catch_unwind(core::panic::AssertUnwindSafe(body)) {
        Ok(outcome) => outcome,
        // SAFETY: it has been.
        Err(payload) => Err(unsafe { panicked(store, payload) }),
    }
}

/// Runs embedder code below which generated code is on the stack. Without
/// `std` a panic does not unwind.
#[cfg(not(feature = "std"))]
#[inline(always)]
pub(crate) fn catch<V>(_store: StorePtr, body: impl FnOnce() -> Result<V>) -> Result<V> {
    body()
}
