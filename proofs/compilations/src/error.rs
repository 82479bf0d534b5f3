//! The library's own errors.

pub use kernref::{Error, Misuse, Result};
