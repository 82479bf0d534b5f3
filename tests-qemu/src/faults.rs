//! Which engines may have raised a page fault: the handler asks those watched here.
//! A kernel watches every engine it makes with [`kernref::Config::hardware_traps`],
//! or with guests that others end ([`kernref::Store::interrupt_handle`]),
//! from before the engine's code first runs until none of it runs any more.
//!
//! Invariant: the handler never waits. A place that it finds locked is being
//! given to an engine, or taken from one, none of whose code is running; so the
//! engine whose code raised the fault is always found. Any number of processors
//! may run: handlers share the locks, and [`Watch`] waits for them.

use core::sync::atomic::{AtomicU64, Ordering};
use kernref::fault::FaultRegisters;
use kernref::{Engine, Error, LimitError, Result};
use spin::RwLock;

/// Maximum number of engines watched at a time.
pub const MOST_ENGINES: usize = 256;

static ENGINES: [RwLock<Option<Engine>>; MOST_ENGINES] =
    [const { RwLock::new(None) }; MOST_ENGINES];

static HANDLED: AtomicU64 = AtomicU64::new(0);
static ENDED: AtomicU64 = AtomicU64::new(0);

/// While this lives, a fault in one of the engine's guests ends only that guest.
pub struct Watch(&'static RwLock<Option<Engine>>);

/// Registers `engine` with the fault handler.
///
/// # Errors
/// [`Error::Limit`] if [`MOST_ENGINES`] are already watched.
pub fn watch(engine: &Engine) -> Result<Watch> {
    for place in &ENGINES {
        if let Some(mut free) = place.try_write().filter(|place| place.is_none()) {
            *free = Some(engine.clone());
            return Ok(Watch(place));
        }
    }
    let most = MOST_ENGINES as u64;
    let what = "engines whose faults the kernel handles";
    Err(Error::Limit(LimitError { what, requested: most + 1, limit: most }))
}

impl Drop for Watch {
    fn drop(&mut self) {
        // The engine is dropped after the lock is released.
        let engine = self.0.write().take();
        drop(engine);
    }
}

/// For the exception handlers: whether an engine handles the fault of an access
/// to `address`; if so, the registers hold the state to resume with.
///
/// # Safety
/// As for [`Engine::handle_fault`].
pub(crate) unsafe fn handle(registers: &mut FaultRegisters, address: usize) -> bool {
    // SAFETY: passed on to the caller.
    let handled = any(|engine| unsafe { engine.handle_fault(registers, address) });
    HANDLED.fetch_add(u64::from(handled), Ordering::Relaxed);
    handled
}

fn any(mut handles: impl FnMut(&Engine) -> bool) -> bool {
    ENGINES.iter().any(|place| {
        let engine = place.try_read();
        engine.as_ref().and_then(|engine| engine.as_ref()).is_some_and(&mut handles)
    })
}

/// For the handlers of timers and of messages between processors: whether the guest
/// that was interrupted is to end; if so, the registers hold the state to resume with.
///
/// # Safety
/// As for [`Engine::handle_interrupt`].
pub(crate) unsafe fn end_guest(registers: &mut FaultRegisters) -> bool {
    // SAFETY: passed on to the caller.
    let ended = any(|engine| unsafe { engine.handle_interrupt(registers) });
    ENDED.fetch_add(u64::from(ended), Ordering::Relaxed);
    ended
}

/// Number of guests so far that interrupts' handlers have ended.
pub fn ended() -> u64 {
    ENDED.load(Ordering::Relaxed)
}

/// Number of guest faults handled so far.
pub fn handled() -> u64 {
    HANDLED.load(Ordering::Relaxed)
}
