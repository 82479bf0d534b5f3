//! `ExternRef` and the drop queue under loom, which runs each test with every
//! interleaving of its threads (up to a number of preemptions) and every value
//! that the C11 memory model lets a load see. The files under test are those
//! of the library, included as they stand, with loom's atomics for `sync.rs`.
#![cfg(test)]

mod alloc;
mod arch;
mod error;
mod gc;
mod tests;
