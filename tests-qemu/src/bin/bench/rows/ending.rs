//! From the request to end a guest to the error at the host, in ticks of the timer: one
//! of them finds the guest in its own code, and what is in the runtime looks by itself.

use crate::guest::Guest;
use crate::measure::Rows;
use core::sync::atomic::{AtomicU64, Ordering};
use kernref::{Error, InterruptHandle, Result};
use kernref_qemu::lock::Lock;
use kernref_qemu::timer;

const HERTZ: u32 = 1000;
/// Requests for each row.
const REQUESTS: u32 = 5;
/// Ticks from the begin of a guest to the request.
const TICKS: u64 = 3;

static HANDLE: Lock<Option<InterruptHandle>> = Lock::new(None);
/// The tick at which the request is made.
static ASK_AT: AtomicU64 = AtomicU64::new(u64::MAX);

/// Runs in interrupt context.
fn ask() {
    if timer::ticks() == ASK_AT.load(Ordering::Relaxed)
        && let Some(handle) = HANDLE.lock().as_ref()
    {
        handle.interrupt();
    }
}

/// # Errors
/// Any error of the runtime but that of a guest that was ended.
pub fn run(rows: Rows) -> Result<()> {
    for (export, what) in
        [("spin", "a loop"), ("tail", "tail calls"), ("fill", "fills of four MiB")]
    {
        let mut guest = Guest::new(rows.0, "ending")?;
        let _watch = guest.watch()?;
        *HANDLE.lock() = Some(guest.interrupt_handle());
        let mut call = guest.func::<(), ()>(export)?;
        let mut ticks = 0;
        timer::set_hook(Some(ask));
        timer::start(HERTZ);
        for _ in 0..REQUESTS {
            let asked = timer::ticks() + TICKS;
            ASK_AT.store(asked, Ordering::Relaxed);
            match call(()) {
                Err(error) if error.as_trap() == Some(kernref::Trap::Interrupt) => {}
                Err(error) => return Err(error),
                Ok(()) => return Err(Error::Bug("it never ends")),
            }
            ticks += timer::ticks() - asked;
        }
        timer::stop();
        timer::set_hook(None);
        drop(HANDLE.lock().take());
        rows.put(&alloc::format!("interrupt to end, in ticks: {what}"), ticks as i64, REQUESTS);
    }
    Ok(())
}
