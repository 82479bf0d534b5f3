//! WebAssembly script files (`.wast`): a compact form, made from text on a
//! host, and a runner for that form on Kernref, for hosts and kernels.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(any(feature = "encode", test))]
extern crate std;

mod codec;
#[cfg(feature = "encode")]
mod encode;
mod features;
mod host;
mod matching;
mod report;
mod run;
mod script;

pub use codec::Malformed;
#[cfg(feature = "encode")]
pub use encode::encode;
pub use features::features_of;
pub use report::report;
pub use run::{Options, Totals, run};
pub use script::{Action, Argument, Directive, Execute, Expected, Float, Script};
