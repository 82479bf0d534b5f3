//! What a store records of a failure while generated code is being unwound.
//!
//! Invariant: a failed activation yields exactly one error: what was recorded
//! is taken when it has ended.

use super::store::StoreOpaque;
use crate::abi::Trap;
use crate::error::Error;

impl StoreOpaque {
    /// Records an error, and turns it into the trap code that generated code
    /// and the entry pass on.
    #[cold]
    #[inline(never)]
    pub(crate) fn record_failure(&mut self, error: Error) -> Trap {
        if !self.trap_passes {
            self.backtrace.capture(self.vm());
        }
        match error {
            Error::Trap(trap) => trap,
            other => {
                self.pending = Some(other);
                Trap::HostError
            }
        }
    }

    /// The error of an activation that ended with `status`.
    #[cold]
    pub(crate) fn take_failure(&mut self, status: u64, is_outermost: bool) -> Error {
        self.trap_passes = !is_outermost;
        if is_outermost {
            self.outermost_failed();
        }
        #[cfg(feature = "std")]
        if let Some(payload) = self.panic.take() {
            self.call_returned();
            std::panic::resume_unwind(payload);
        }
        match Trap::from_code(status) {
            Some(Trap::HostError) => self.pending.take().unwrap_or(Trap::HostError.into()),
            Some(trap) => {
                // An interrupt may end an activation whose host function has just failed.
                self.pending = None;
                trap.into()
            }
            None => Error::Bug("activation ended with an unknown status"),
        }
    }
}
