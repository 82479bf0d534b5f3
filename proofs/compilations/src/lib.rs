//! The list of running compilations, which every allocation looks at, under loom:
//! each test runs with every interleaving of its threads (up to a number of
//! preemptions) and every value the C11 memory model lets a load observe. The
//! file under test is the library's own, included unchanged, with loom's atomics
//! for `sync.rs`.
#![cfg(test)]

mod error;
mod running;
#[allow(dead_code, reason = "the library uses all of it")]
#[path = "../../../src/alloc/compile_allocator/slots.rs"]
mod slots;
mod sync;
mod tests;
