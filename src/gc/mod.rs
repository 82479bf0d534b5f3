//! Deferred reference counting of host objects that Wasm holds.
//!
//! Host code counts through Rust's ownership ([`ExternRef`]). A store owns
//! one `ExternRef` per **slot** of a fixed arena; Wasm names slots by number.
//! Counted places (table elements, globals, segments, the host's roots) count
//! their slot. What Wasm frames hold is not counted: the **activations table**
//! lists, in over-approximation, the slots that only frames may hold.
//!
//! A **collection** walks the frames, marks the **precise set**, and sweeps the
//! table: what is neither marked nor counted is released. It is
//! O(frames + table), allocates nothing, and cannot panic.
//!
//! | policy | reading a counted place | count goes to zero |
//! |---|---|---|
//! | [`CloneOnRead`](crate::DeferralPolicy) | enters the slot into the table | releases unless in the table |
//! | [`ZeroCount`](crate::DeferralPolicy) | nothing | enters the slot into the table |
//!
//! `docs/gc.md` describes all of it. Invariants, cited by `SAFETY` notes:
//!
//! - **G1** A slot that a Wasm frame or host frame holds is live: it is counted
//!   or in the table. Collections run at safepoints only, where maps are exact.
//! - **G2** A live slot owns exactly one `ExternRef`; a free or queued-and-drained
//!   slot owns none. `payload` changes hands only in `arena.rs` and `drain`.
//! - **G3** A slot is in the table at most once ([`crate::abi::SlotFlags::IN_TABLE`]), and the
//!   table has room for every slot: entering never overflows.
//! - **G4** Slot numbers that the heap hands out, and those in the table, are
//!   below the arena's number of slots. A number from elsewhere is checked.
//! - **G5** The region belongs to the heap for its whole life. Nobody else
//!   touches it but compiled barriers, which keep G3 and never run while the
//!   heap's own code does.
//! - **G6** A slot leaves the release queue before its destructor runs, so that a
//!   destructor finds the heap consistent and never runs twice.
//! - **G7** While a sweep is under way, a count that goes to zero marks its slot.
//!   A mark that outlives its collection keeps a slot one collection longer,
//!   never shorter.
//! - **G8** Wherever generated code is ended, no count is lower than the number of the
//!   slot's places, and no slot lacks the entry or flag that protects what a frame
//!   holds: a barrier counts before it stores, and uncounts after; it writes an
//!   entry, then the flag, then the end of the table. What may be too high, or
//!   forgotten, is found by a recount (`recount.rs`).

mod arena;
mod barrier;
mod collect;
mod counts;
mod drop_queue;
mod externref;
mod heap;
mod recount;
mod release;
mod stats;
mod sync;
mod table;
#[cfg_attr(kernref_panic_check, allow(dead_code))]
mod verify;

pub use collect::StepProgress;
pub use externref::ExternRef;
pub use heap::{HeapConfig, RefHeap};
pub use stats::GcStats;

#[cfg(test)]
mod tests;
