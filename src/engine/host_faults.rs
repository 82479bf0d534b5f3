//! Hardware traps on a host (feature `std`, Linux): the handler of SIGSEGV and
//! SIGBUS, one for the process and all its engines. Faults that are not
//! Kernref's go to the handler that was there before.
//!
//! The handler changes the registers that the kernel restores when it returns.
//! The kernel restores the signal mask, too: generated code goes on in
//! [`crate::arch::resume_fault`] with the mask it was interrupted with.

use super::code_ranges::CodeRanges;
use crate::error::Result;

/// The code of all engines. Never dropped.
pub(crate) static CODE_RANGES: CodeRanges = CodeRanges::new();

#[cfg(not(target_os = "linux"))]
pub(crate) fn install() -> Result<()> {
    let missing = "hardware traps on a host need Linux";
    Err(crate::error::Misuse::InvalidConfig(missing).into())
}

#[cfg(target_os = "linux")]
pub(crate) use linux::install;

#[cfg(target_os = "linux")]
mod linux {
    use super::{CODE_RANGES, Result};
    use crate::arch;
    use crate::engine::{fault, host_signals};
    use crate::error::Misuse;
    use libc::{c_int, c_void, sigaction, siginfo_t};
    use std::sync::OnceLock;

    /// What raises a fault: access without permission, and beyond a mapped file.
    const SIGNALS: [c_int; 2] = [libc::SIGSEGV, libc::SIGBUS];

    /// What was there before, in the order of [`SIGNALS`].
    static PREVIOUS: OnceLock<Option<[sigaction; 2]>> = OnceLock::new();

    /// Installs the handler, unless it has been.
    ///
    /// # Errors
    /// [`Misuse::InvalidConfig`] when the system refuses.
    pub(crate) fn install() -> Result<()> {
        static INSTALLED: OnceLock<bool> = OnceLock::new();
        let installed = INSTALLED.get_or_init(|| {
            // Known before the handler can run.
            PREVIOUS.get_or_init(previous).is_some()
                && SIGNALS.into_iter().all(|signal| host_signals::replace(signal, handler, 0))
        });
        match installed {
            true => Ok(()),
            false => Err(Misuse::InvalidConfig("the signal handler was refused").into()),
        }
    }

    /// Calls nothing but what may be called in a signal handler.
    unsafe extern "C" fn handler(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
        // SAFETY: the system passes valid pointers. A positive code says that
        // the kernel found a fault, and then there is an address.
        unsafe {
            let is_fault = (*info).si_code > 0;
            let mut registers = arch::signal_registers(context);
            let address = (*info).si_addr() as usize;
            if is_fault && fault::handle(&CODE_RANGES, None, &mut registers, address) {
                return arch::set_signal_registers(context, &registers);
            }
            chain(signal, is_fault, info, context);
        }
    }

    /// Passes a signal on.
    ///
    /// # Safety
    /// The arguments are those of a handler.
    unsafe fn chain(signal: c_int, is_fault: bool, info: *mut siginfo_t, context: *mut c_void) {
        let at = SIGNALS.iter().position(|known| *known == signal);
        let previous = PREVIOUS.get().and_then(|known| known.as_ref()?.get(at?));
        let Some(previous) = previous else { return };
        if previous.sa_sigaction == libc::SIG_IGN && !is_fault {
            return;
        }
        // SAFETY: the arguments are those of a handler. Without a previous one, the
        // default is restored: a fault recurs when this returns, and a signal that
        // someone sent is sent again.
        unsafe {
            if !host_signals::call(previous, signal, info, context) {
                sigaction(signal, previous, core::ptr::null_mut());
                if !is_fault {
                    libc::raise(signal);
                }
            }
        }
    }

    fn previous() -> Option<[sigaction; 2]> {
        Some([host_signals::current(SIGNALS[0])?, host_signals::current(SIGNALS[1])?])
    }
}
