//! Cases that run both on the host and inside kernels. A case asserts, and
//! panics if it fails: the host driver catches the panic; a kernel reports it
//! and is rebooted for the remaining cases.
#![no_std]
#![deny(unsafe_code)]

extern crate alloc;

mod cases;
pub mod ending;
mod support;

pub use cases::{CASES, GcOps, cases_about_references, slots_needed};
pub use support::{Hooks, Setup, install};

/// A case.
pub struct Case {
    /// Its name, prefixed with its module.
    pub name: &'static str,
    /// Runs it.
    pub run: fn(Setup),
}
