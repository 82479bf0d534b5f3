//! Walking the frames of running Wasm code, architecture-neutral.
//!
//! ```text
//! high   arch::enter      fp = record.entry_fp: the walk of an activation ends here
//!        entry shim       saved fp → entry_fp; its call has a map
//!        Wasm frame …     [fp] caller's fp, [fp + 8] return address into the caller
//!        exit stub        fp = exit_fp, returns to exit_pc: the walk starts here
//! low    host code, perhaps with another activation below
//! ```
//!
//! Fails closed: a link that is misaligned, out of order or outside its
//! activation, or a return address without an exact map, ends the walk with a
//! [`WalkError`]. Return addresses and links are data that compiled code wrote
//! to a stack; nothing else about them is believed.
//!
//! Invariants:
//! - **S1** Between two accesses nothing else runs that changes the walked
//!   frames: the walker is called by the thread whose frames they are.
//! - **S2** Every address read lies between a recorded exit frame pointer and
//!   the entry frame pointer of the same activation. The fault handler and
//!   a failed check, which know no exit, follow links from the frame that faulted
//!   or failed, through frames of generated code alone.
//! - **S3** A frame pointer is followed only after it was found to be aligned,
//!   above the one before, and no higher than the chain may lead.
//!
//! | file | owns |
//! |---|---|
//! | `links` | following frame pointers, with all checks of them |
//! | `cursor` | the frames of one activation, and the cells that maps name in one |
//! | `entry` | from a frame of generated code to the store it runs for |
//! | `walk` | all activations of a store |

mod cursor;
mod entry;
mod links;
mod walk;

pub(crate) use entry::{record_of_entry, store_of_frame};
pub(crate) use links::Links;
pub use links::WalkError;
#[cfg(test)]
pub use walk::WalkStats;
pub use walk::{backtrace, walk};

#[cfg(test)]
pub(crate) mod tests;
