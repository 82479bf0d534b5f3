//! Cases that run on the host and inside kernels alike. A case asserts, and
//! ends by a panic if it fails: the driver on the host catches that, a kernel
//! reports it and is booted again for the cases that follow.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod cases;
mod support;

pub use cases::{CASES, GcOps, cases_about_references, slots_needed};
pub use support::{Hooks, Setup, install};

/// A case.
pub struct Case {
    /// Its name, with the module it stands in.
    pub name: &'static str,
    /// Runs it.
    pub run: fn(Setup),
}
