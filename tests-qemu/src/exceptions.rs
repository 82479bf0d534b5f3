//! What happens on a processor exception: a probe's is resumed, any other is
//! reported and ends the run.

use crate::probe;
use crate::{Verdict, println};

/// Decides on an exception at `pc`. Returns the place to resume at, and the
/// stack pointer there, if a probe expected it.
pub(crate) fn resume_after(pc: usize, address: usize) -> Option<(usize, usize)> {
    probe::caught(pc, address)
}

/// Reports and ends the run.
pub(crate) fn fatal(what: &str, pc: usize, address: usize, details: core::fmt::Arguments<'_>) -> ! {
    println!("unexpected exception: {what} at pc {pc:#x}, address {address:#x}; {details}");
    crate::exit(Verdict::Exception)
}
