//! The limits that the runtime enforces, taken from the one table of limits,
//! and sizes of its own.

pub use crate::artifact::limits::{
    COUNTED_PLACES_PER_STORE, INSTANCES_PER_STORE, Limit, MEMORY32_PAGES, MEMORY64_PAGES, PARAMS,
    RESULTS, TABLE_ELEMENTS,
};

/// Frames that a backtrace keeps.
pub const BACKTRACE_FRAMES: usize = 32;
/// Argument cells that a call keeps on the native stack; more are allocated.
pub const INLINE_CELLS: usize = 16;
