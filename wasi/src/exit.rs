//! How programs end: [`I32Exit`], [`Raised`], and what runs them.

use crate::types::Signal;
use core::fmt;
use kernref::{AsContextMut, Error, Instance, LinkReason, Result};

/// The error with which `proc_exit` ends a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct I32Exit(pub i32);

impl fmt::Display for I32Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "exited with status {}", self.0)
    }
}

impl core::error::Error for I32Exit {}

/// The error with which `proc_raise` ends a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Raised(pub Signal);

impl Raised {
    /// The exit status that shells show for it.
    pub const fn status(self) -> i32 {
        128 + self.0 as i32
    }
}

impl fmt::Display for Raised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ended by the signal {:?}", self.0)
    }
}

impl core::error::Error for Raised {}

/// A guest that calls functions of WASI, but exports no memory named `memory`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoMemory;

impl fmt::Display for NoMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the guest exports no memory named `memory`, which WASI functions need")
    }
}

impl core::error::Error for NoMemory {}

/// The exit status, if this is how a program ended: by [`I32Exit`] or [`Raised`].
pub fn exit_status(error: &Error) -> Option<i32> {
    let Error::Host(error) = error else { return None };
    if let Some(I32Exit(status)) = error.downcast_ref() {
        return Some(*status);
    }
    error.downcast_ref::<Raised>().map(|raised| raised.status())
}

/// Runs a command module: calls `_start`. Returns the exit status: 0 when that
/// returns, or what the program gave `proc_exit`.
///
/// # Errors
/// A trap, or another error that is not a program's end; [`Error::Link`] when the
/// instance exports no such function.
pub fn run_command(mut store: impl AsContextMut, instance: &Instance) -> Result<i32> {
    let start = instance.get_typed_func::<(), ()>(&mut store, "_start")?;
    match start.call(&mut store, ()) {
        Ok(()) => Ok(0),
        Err(error) => exit_status(&error).ok_or(error),
    }
}

/// Prepares a reactor module: calls `_initialize` if there is such a function. Call
/// it once, before any other export.
///
/// # Errors
/// As for [`run_command`]; [`I32Exit`] if the program ends meanwhile.
pub fn initialize(mut store: impl AsContextMut, instance: &Instance) -> Result<()> {
    match instance.get_typed_func::<(), ()>(&mut store, "_initialize") {
        Ok(initialize) => initialize.call(&mut store, ()),
        Err(Error::Link(error)) if error.reason == LinkReason::UnknownExport => Ok(()),
        Err(error) => Err(error),
    }
}
