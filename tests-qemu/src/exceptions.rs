//! What happens on a processor exception: a guest's stray access ends the
//! guest, a probe is resumed, and anything else is reported and ends the run.

use crate::{Verdict, faults, println, probe, sched};
use kernref::fault::FaultRegisters;

/// Handles an exception in code running with these registers. Returns true if
/// they now hold the state to resume with. `accessed` is the address whose
/// access raised the exception, if it was an access.
///
/// # Safety
/// The registers are those of kernel code that the exception interrupted on
/// this processor, and its stack is not used meanwhile.
pub(crate) unsafe fn resume(registers: &mut FaultRegisters, accessed: Option<usize>) -> bool {
    // SAFETY: passed on to the caller.
    accessed.is_some_and(|address| unsafe { faults::handle(registers, address) })
        || probe::caught(registers)
}

/// Reports and ends the run.
pub(crate) fn fatal(what: &str, pc: usize, address: usize, details: core::fmt::Arguments<'_>) -> ! {
    println!("unexpected exception: {what} at pc {pc:#x}, address {address:#x}; {details}");
    if let Some(name) = sched::name_of_failed() {
        println!("exception in {name}");
    }
    crate::exit(Verdict::Exception)
}
