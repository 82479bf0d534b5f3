//! Behaviour through the public API. One binary, so that the compiler is
//! linked once. Every case runs under both deferral policies, with and
//! without zeal, unless it says otherwise.
#![cfg(all(feature = "compile", feature = "std"))]

mod calls;
mod errors;
mod host;
mod interrupt;
mod limits;
mod linking;
mod memory;
mod nesting;
mod references;
mod support;
mod tables;
mod traps;
