//! What happens on a processor exception: a guest's stray access ends the guest,
//! a probe is resumed, any other is reported and ends the run.

use crate::{Verdict, faults, println, probe};
use kernref::fault::FaultRegisters;

/// Decides on an exception in code that runs with these registers. True: they
/// are now those to resume with. `accessed` is the address whose access raised
/// it, if that is what did.
///
/// # Safety
/// The registers are those of kernel code that the exception interrupted on
/// this processor, whose stack is not in use meanwhile.
pub(crate) unsafe fn resume(registers: &mut FaultRegisters, accessed: Option<usize>) -> bool {
    // SAFETY: passed on to the caller.
    accessed.is_some_and(|address| unsafe { faults::handle(registers, address) })
        || probe::caught(registers)
}

/// Reports and ends the run.
pub(crate) fn fatal(what: &str, pc: usize, address: usize, details: core::fmt::Arguments<'_>) -> ! {
    println!("unexpected exception: {what} at pc {pc:#x}, address {address:#x}; {details}");
    crate::exit(Verdict::Exception)
}
