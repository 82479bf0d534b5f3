//! `ExternRef` and the drop queue under loom, which runs each test with every
//! interleaving of its threads (up to a number of preemptions) and every value
//! the C11 memory model lets a load observe. The files under test are the
//! library's own, included unchanged, with loom's atomics for `sync.rs`.
#![cfg(test)]

mod alloc;
mod arch;
mod error;
mod gc;
mod tests;
