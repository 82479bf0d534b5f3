//! Accesses that may fault, for testing page protection.

use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use kernref::fault::FaultRegisters;

/// Where to resume if the running probe faults.
pub static RESUME_PC: AtomicUsize = AtomicUsize::new(0);
/// The stack pointer to resume with.
pub static RESUME_SP: AtomicUsize = AtomicUsize::new(0);
static ACTIVE: AtomicBool = AtomicBool::new(false);

pub(crate) fn caught(registers: &mut FaultRegisters) -> bool {
    let active = ACTIVE.swap(false, Ordering::SeqCst);
    if active {
        registers.pc = RESUME_PC.load(Ordering::SeqCst);
        registers.sp = RESUME_SP.load(Ordering::SeqCst);
    }
    active
}

fn run(probe: unsafe extern "C" fn(usize) -> u64, address: usize) -> bool {
    ACTIVE.store(true, Ordering::SeqCst);
    // SAFETY: the access either succeeds, which callers allow, or faults, and
    // then the exception handler resumes at the recorded place.
    let faulted = unsafe { probe(address) } != 0;
    ACTIVE.store(false, Ordering::SeqCst);
    faulted
}

/// Whether writing back the byte at `address` faults.
///
/// # Safety
/// The byte may be written if that does not fault.
pub unsafe fn write_faults(address: usize) -> bool {
    run(crate::arch::probe_write, address)
}

/// Whether reading the byte at `address` faults.
///
/// # Safety
/// Reading has no side effects.
pub unsafe fn read_faults(address: usize) -> bool {
    run(crate::arch::probe_read, address)
}

/// Whether calling `address` faults.
///
/// # Safety
/// If it does not fault, the code there is a function without parameters that
/// returns.
pub unsafe fn call_faults(address: usize) -> bool {
    run(crate::arch::probe_call, address)
}
