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
    use crate::engine::fault;
    use crate::error::Misuse;
    use core::mem::MaybeUninit;
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
            PREVIOUS.get_or_init(|| Some([current(SIGNALS[0])?, current(SIGNALS[1])?])).is_some()
                && SIGNALS.into_iter().all(replace)
        });
        match installed {
            true => Ok(()),
            false => Err(Misuse::InvalidConfig("the signal handler was refused").into()),
        }
    }

    fn current(signal: c_int) -> Option<sigaction> {
        let mut action = MaybeUninit::uninit();
        // SAFETY: only queries, and writes to the given place.
        let answer = unsafe { sigaction(signal, core::ptr::null(), action.as_mut_ptr()) };
        // SAFETY: written, as the call succeeded.
        (answer == 0).then(|| unsafe { action.assume_init() })
    }

    fn replace(signal: c_int) -> bool {
        // SAFETY: all fields are numbers, for which 0 is valid.
        let mut action: sigaction = unsafe { core::mem::zeroed() };
        action.sa_sigaction = handler as *const () as usize;
        // On the thread's alternate stack if it has one, as before: the fault
        // may be a stack overflow.
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        // SAFETY: the handler does only what a signal handler may do.
        unsafe {
            libc::sigemptyset(&raw mut action.sa_mask);
            sigaction(signal, &raw const action, core::ptr::null_mut()) == 0
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
        let action = previous.sa_sigaction;
        if action == libc::SIG_IGN && !is_fault {
            return;
        }
        // SAFETY: a handler that the process had installed, called as it asked
        // to be. Without one, the default is restored: a fault recurs when this
        // returns, and a signal that someone sent is sent again.
        unsafe {
            if action == libc::SIG_DFL || action == libc::SIG_IGN {
                sigaction(signal, previous, core::ptr::null_mut());
                if !is_fault {
                    libc::raise(signal);
                }
            } else if previous.sa_flags & libc::SA_SIGINFO != 0 {
                type Handler = unsafe extern "C" fn(c_int, *mut siginfo_t, *mut c_void);
                let action: Handler = core::mem::transmute(action);
                action(signal, info, context);
            } else {
                let action: unsafe extern "C" fn(c_int) = core::mem::transmute(action);
                action(signal);
            }
        }
    }
}
