//! What happens on a processor exception: a guest's stray access ends the
//! guest, a probe is resumed, and anything else is reported and ends the run.

use crate::{Verdict, faults, println, probe};
use core::sync::atomic::{AtomicU64, Ordering};
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

/// How many faults the engines took of those that Kernref's stub asked about.
static BY_STUB: AtomicU64 = AtomicU64::new(0);

/// Number of guest faults that Kernref's stub handled, before the kernel's own entry.
pub fn handled_by_stub() -> u64 {
    BY_STUB.load(Ordering::Relaxed)
}

/// For Kernref's stub: whether an engine handles the fault.
///
/// # Safety
/// As for [`resume`].
pub(crate) unsafe extern "C" fn ask_engines(
    registers: &mut FaultRegisters,
    address: usize,
) -> bool {
    // SAFETY: passed on to the caller.
    let handled = unsafe { faults::handle(registers, address) };
    BY_STUB.fetch_add(u64::from(handled), Ordering::Relaxed);
    handled
}

/// Where faults of accesses to memory enter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultEntry {
    /// The kernel's own entry.
    Own,
    /// Kernref's stub before it.
    Stub,
    /// An entry that records what it finds: [`crate::arch::record_fault`].
    Recording,
    /// Kernref's stub before that.
    StubAndRecording,
}

/// Runs `body` while faults enter so.
pub fn while_faults_enter<R>(entry: FaultEntry, body: impl FnOnce() -> R) -> R {
    crate::arch::set_fault_entry(entry);
    let result = body();
    crate::arch::set_fault_entry(FaultEntry::Own);
    result
}

/// Reports and ends the run.
pub(crate) fn fatal(what: &str, pc: usize, address: usize, details: core::fmt::Arguments<'_>) -> ! {
    println!("unexpected exception: {what} at pc {pc:#x}, address {address:#x}; {details}");
    crate::exit(Verdict::Exception)
}
