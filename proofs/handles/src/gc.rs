//! The library's files under test.

#[allow(dead_code, reason = "the arena's part of it is not modelled")]
#[path = "../../../src/gc/externref.rs"]
pub mod externref;

#[path = "../../../src/gc/drop_queue.rs"]
mod drop_queue;

mod sync;
