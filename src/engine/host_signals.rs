//! Installing signal handlers on a host, and calling those that were there before.

use core::mem::MaybeUninit;
use libc::{c_int, c_void, sigaction, siginfo_t};

/// A handler with `SA_SIGINFO`.
pub(super) type Handler = unsafe extern "C" fn(c_int, *mut siginfo_t, *mut c_void);

/// What handles a signal now.
pub(super) fn current(signal: c_int) -> Option<sigaction> {
    let mut action = MaybeUninit::uninit();
    // SAFETY: only queries, and writes to the given place.
    let answer = unsafe { sigaction(signal, core::ptr::null(), action.as_mut_ptr()) };
    // SAFETY: written, as the call succeeded.
    (answer == 0).then(|| unsafe { action.assume_init() })
}

/// Has `handler`, which does only what a signal handler may do, handle a signal.
/// Returns whether the system lets it.
pub(super) fn replace(signal: c_int, handler: Handler, flags: c_int) -> bool {
    // SAFETY: all fields are numbers, for which 0 is valid.
    let mut action: sigaction = unsafe { core::mem::zeroed() };
    action.sa_sigaction = handler as *const () as usize;
    // On the thread's alternate stack if it has one: the guest's may be exhausted.
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | flags;
    // SAFETY: the handler does only what a signal handler may do.
    unsafe {
        libc::sigemptyset(&raw mut action.sa_mask);
        sigaction(signal, &raw const action, core::ptr::null_mut()) == 0
    }
}

/// Calls the handler that `previous` names, if it names one. Returns whether it did.
///
/// # Safety
/// `previous` is what handled the signal before, and the other arguments are those
/// of a handler.
pub(super) unsafe fn call(
    previous: &sigaction,
    signal: c_int,
    info: *mut siginfo_t,
    context: *mut c_void,
) -> bool {
    let action = previous.sa_sigaction;
    if action == libc::SIG_DFL || action == libc::SIG_IGN {
        return false;
    }
    // SAFETY: a handler that the process had installed, called as it asked to be.
    unsafe {
        if previous.sa_flags & libc::SA_SIGINFO != 0 {
            let action: Handler = core::mem::transmute(action);
            action(signal, info, context);
        } else {
            let action: unsafe extern "C" fn(c_int) = core::mem::transmute(action);
            action(signal);
        }
    }
    true
}
