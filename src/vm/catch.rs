//! [`catch`]: runs embedder code that may have generated code among its
//! callers.
//!
//! Invariant: a panic never unwinds into generated code. It becomes an error,
//! and resumes when the activation has ended.

use super::store::StorePtr;
#[cfg(feature = "std")]
use crate::error::Error;
use crate::error::Result;

/// Keeps a panic's payload until the activation has ended. Out of line, so that
/// host calls do not save registers for it.
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

/// Runs embedder code that may have generated code among its callers. A panic
/// becomes an error, and resumes when the activation has ended.
#[cfg(feature = "std")]
#[inline(always)]
pub(crate) fn catch<V>(store: StorePtr, body: impl FnOnce() -> Result<V>) -> Result<V> {
    match std::panic::catch_unwind(core::panic::AssertUnwindSafe(body)) {
        Ok(outcome) => outcome,
        // SAFETY: the panic has unwound the code that used the store.
        Err(payload) => Err(unsafe { panicked(store, payload) }),
    }
}

/// Runs embedder code that may have generated code among its callers. Without
/// `std` a panic does not unwind.
#[cfg(not(feature = "std"))]
#[inline(always)]
pub(crate) fn catch<V>(_store: StorePtr, body: impl FnOnce() -> Result<V>) -> Result<V> {
    body()
}
