//! The library's own errors.

pub use kernref::error::{Error, Misuse, Result};
