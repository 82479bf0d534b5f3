//! [`StackBounds`]: where the stack lies on which Wasm is called.
//!
//! Invariant: Kernref looks at these numbers only, never at what lies there.

use core::ops::Range;

/// What is kept free of Wasm at the end of a stack whose bounds are known, in
/// bytes: 4 KiB below the limit for compiled code, as much for recording a trap,
/// and 8 KiB for host functions, destructors and interrupt handlers.
pub const STACK_RESERVE_BYTES: usize = 16 << 10;

/// Knows the stack of whoever asks: what an operating system notes for each of
/// its threads.
///
/// # Safety
/// Every byte of the range that an implementation gives, below the stack pointer
/// at which it is called, can be read and written, is used by nobody but the
/// calling thread, and stays so until what that thread calls has returned.
pub unsafe trait StackBounds: Send + Sync {
    /// The stack that this is called on, from its lowest usable byte to its upper
    /// end. A guard page is no part of it. `None`: unknown; Wasm is not entered.
    ///
    /// Called for each call into Wasm from outside, so it should be a look at a
    /// variable. An embedder whose host functions or interrupt handlers need more than half
    /// of [`STACK_RESERVE_BYTES`] gives a range that begins so much higher.
    fn current(&self) -> Option<Range<usize>>;
}
