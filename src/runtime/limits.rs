//! Every limit of this layer in one place. A limit that is reached is an
//! [`crate::LimitError`] that names it, or the −1 of a `grow` instruction.

use crate::error::{Error, LimitError, Result};

/// Pages (64 KiB) that a memory with 32-bit addresses can have.
pub const MEMORY32_PAGES: u64 = 1 << 16;
/// Pages that a memory with 64-bit addresses can have: 64 GiB.
pub const MEMORY64_PAGES: u64 = 1 << 20;
/// Elements that a table can have.
pub const TABLE_ELEMENTS: u64 = 10_000_000;
/// Instances in a store.
pub const INSTANCES_PER_STORE: u64 = 1 << 20;
/// Places of a store that count references (table elements, globals): keeps
/// the 32-bit count of a slot from overflowing.
pub const COUNTED_PLACES_PER_STORE: u64 = 1 << 31;
/// Parameters, and results, of a function that host and Wasm share.
pub const PARAMS: u64 = 1000;
/// Frames that a backtrace keeps.
pub const BACKTRACE_FRAMES: usize = 32;
/// Argument cells that a call keeps on the native stack; more are allocated.
pub const INLINE_CELLS: usize = 16;

/// Refuses `requested` if it is above `limit`.
pub(crate) fn check(what: &'static str, requested: u64, limit: u64) -> Result<()> {
    if requested <= limit {
        return Ok(());
    }
    Err(Error::Limit(LimitError { what, requested, limit }))
}
