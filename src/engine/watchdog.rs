//! [`Watchdog`]: ends guests that take too long, on a Linux host (feature `std`).
//!
//! A thread waits for the first of all deadlines. When it has passed, it sets the
//! store's word and sends a signal to the thread that runs the store, and does so
//! again every millisecond while that still runs. The signal's handler does what a
//! kernel's timer does: it stops generated code wherever that is.
//!
//! Invariant: a thread gets signals only while it is in the list, and it leaves the
//! list under the lock that the signal is sent under.

use super::fault;
use super::host_faults::CODE_RANGES;
use super::host_signals;
use super::interrupt::InterruptHandle;
use crate::abi::STATUS_OVERDUE;
use crate::alloc;
use crate::arch;
use crate::error::{Error, Misuse, Result};
use core::marker::PhantomData;
use core::time::Duration;
use libc::{c_int, c_void, sigaction, siginfo_t};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;
use std_alloc::sync::Arc;
use std_alloc::vec::Vec;

/// Does nothing unless someone handles it, and is not used by the C library.
const SIGNAL: c_int = libc::SIGURG;
/// How long after a signal the next one follows, if the guest has not ended.
const AGAIN: Duration = Duration::from_millis(1);

/// Ends guests that take too long: loops without end as well as long bulk
/// operations, with no instruction added to their code. One serves any number of
/// threads and stores. Linux only.
///
/// It uses the signal `SIGURG`. Signals that find no guest to end go on to the handler
/// that was there before.
pub struct Watchdog {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    list: Mutex<List>,
    changed: Condvar,
}

#[derive(Default)]
struct List {
    watches: Vec<Watch>,
    last_id: u64,
    is_over: bool,
}

struct Watch {
    id: u64,
    /// When it is to be ended, or to be told again.
    at: Instant,
    thread: libc::pid_t,
    handle: InterruptHandle,
    has_barked: bool,
}

impl Watchdog {
    /// Starts the thread, and installs the handler unless it has been.
    ///
    /// # Errors
    /// [`Misuse::InvalidConfig`] when the system refuses one of them;
    /// [`Error::OutOfMemory`].
    pub fn new() -> Result<Self> {
        install()?;
        let shared = Shared { list: Mutex::new(List::default()), changed: Condvar::new() };
        let shared = alloc::try_arc(shared)?;
        let watching = shared.clone();
        let builder = std::thread::Builder::new().name("kernref watchdog".into());
        let refused = |_| Error::from(Misuse::InvalidConfig("the watchdog's thread was refused"));
        let thread = builder.spawn(move || watching.watch()).map_err(refused)?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// From `limit` from now on, until the result is dropped, ends what this thread
    /// runs in the store that the handle is of.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub(crate) fn watch(&self, handle: InterruptHandle, limit: Duration) -> Result<Watched<'_>> {
        // Beyond what the clock can tell is never.
        let at = Instant::now().checked_add(limit);
        let mut list = self.shared.lock();
        list.last_id += 1;
        let id = list.last_id;
        if let Some(at) = at {
            // SAFETY: has no preconditions.
            let thread = unsafe { libc::syscall(libc::SYS_gettid) } as libc::pid_t;
            alloc::try_push(
                &mut list.watches,
                Watch { id, at, thread, handle, has_barked: false },
            )?;
            self.shared.changed.notify_one();
        }
        Ok(Watched { shared: &self.shared, id, _stays_on_its_thread: PhantomData })
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.shared.lock().is_over = true;
        self.shared.changed.notify_one();
        if let Some(thread) = self.thread.take() {
            // It does not panic.
            let _ = thread.join();
        }
    }
}

impl core::fmt::Debug for Watchdog {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let watches = self.shared.lock().watches.len();
        f.debug_struct("Watchdog").field("watches", &watches).finish_non_exhaustive()
    }
}

/// A store is watched while this lives.
pub(crate) struct Watched<'w> {
    shared: &'w Shared,
    id: u64,
    _stays_on_its_thread: PhantomData<*const ()>,
}

impl Watched<'_> {
    /// Whether the store was asked to end. It is not watched any longer.
    pub(crate) fn end(&mut self) -> bool {
        let watches = &mut self.shared.lock().watches;
        let at = watches.iter().position(|watch| watch.id == self.id);
        at.is_some_and(|at| watches.swap_remove(at).has_barked)
    }
}

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        self.end();
    }
}

impl Shared {
    /// Nothing that is done under the lock can leave the list half changed.
    fn lock(&self) -> MutexGuard<'_, List> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the thread does.
    fn watch(&self) {
        let mut list = self.lock();
        while !list.is_over {
            let now = Instant::now();
            list.bark(now);
            let next = list.watches.iter().map(|watch| watch.at).min();
            list = match next {
                None => self.changed.wait(list).unwrap_or_else(PoisonError::into_inner),
                Some(at) => {
                    let waited = self.changed.wait_timeout(list, at.saturating_duration_since(now));
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }
}

impl List {
    /// Tells those that have had their time.
    fn bark(&mut self, now: Instant) {
        for watch in self.watches.iter_mut().filter(|watch| watch.at <= now) {
            watch.handle.request(STATUS_OVERDUE);
            watch.has_barked = true;
            watch.at = now + AGAIN;
            // SAFETY: the thread is one of this process, whose handler is installed;
            // it runs, because it is in the list. Another of the same number, if it was
            // leaked, is told to look at what it runs, which has not been asked to end.
            unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), watch.thread, SIGNAL) };
        }
    }
}

/// What handled the signal before.
static PREVIOUS: OnceLock<Option<sigaction>> = OnceLock::new();

fn install() -> Result<()> {
    static INSTALLED: OnceLock<bool> = OnceLock::new();
    let installed = INSTALLED.get_or_init(|| {
        // Known before the handler can run.
        PREVIOUS.get_or_init(|| host_signals::current(SIGNAL)).is_some()
            && host_signals::replace(SIGNAL, handler, libc::SA_RESTART)
    });
    match installed {
        true => Ok(()),
        false => Err(Misuse::InvalidConfig("the signal handler was refused").into()),
    }
}

/// Calls nothing but what may be called in a signal handler.
unsafe extern "C" fn handler(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    // SAFETY: the system passes valid pointers, and the registers of this thread as
    // it was interrupted; it restores all of them.
    unsafe {
        let mut registers = arch::signal_registers(context);
        if fault::handle_interrupt(&CODE_RANGES, None, &mut registers) {
            return arch::set_signal_registers(context, &registers);
        }
        if let Some(Some(previous)) = PREVIOUS.get() {
            host_signals::call(previous, signal, info, context);
        }
    }
}
