//! [`RawBacktrace`]: where Wasm was when it last trapped, captured as addresses
//! into a fixed buffer, because a trap must not allocate.

use crate::abi::VmStoreContext;
use crate::engine::limits::BACKTRACE_FRAMES;
use core::ptr::NonNull;

/// Return addresses of the frames, innermost first.
#[derive(Default)]
pub(crate) struct RawBacktrace {
    addresses: [usize; BACKTRACE_FRAMES],
    len: usize,
}

impl RawBacktrace {
    /// What was captured last.
    pub(crate) fn addresses(&self) -> &[usize] {
        self.addresses.get(..self.len).unwrap_or_default()
    }

    pub(crate) fn clear(&mut self) {
        self.len = 0;
    }

    /// Captures the Wasm frames that are on the stack now.
    pub(crate) fn capture(&mut self, vm: NonNull<VmStoreContext>) {
        // SAFETY: the context is in its place (V1). Wasm has left for the host
        // through a stub that recorded where, or does not run at all: the walk
        // starts at a frame that exists (S2), and nothing changes the frames
        // meanwhile (S1).
        let found = unsafe { crate::stack::backtrace(vm.as_ptr(), &mut self.addresses) };
        self.len = found.min(BACKTRACE_FRAMES);
    }
}
