//! Kernel threads on all processors: fixed priorities, preempted by each
//! processor's timer, at equal or at random intervals.
//!
//! A thread is switched in one place, [`interrupted`], which every timer
//! interrupt, message between processors and wish of a thread comes to: there,
//! on the processor's own exception stack, the registers that the interruption
//! saved are exchanged for another thread's. So a thread's stack is not in use
//! once it is off its processor.
//!
//! Invariants: [`SCHEDULER`] is locked with interrupts masked, and whoever holds
//! it waits for nothing but a thread's name. A thread's context is written when it leaves a processor
//! and read when it gets one, both under that lock: which is how what a thread
//! did on one processor is visible to it on the next.

pub mod queue;
mod sync;
mod thread;

pub use sync::{Mutex, MutexGuard};
pub use thread::{
    JoinHandle, Thread, current, current_stack, give_way, name, name_of_failed, park, park_until,
    rename, sleep, spawn,
};

use crate::arch::{self, Frame};
use crate::smp;
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicU64, Ordering};
use queue::{Id, MAX_PROCESSORS, MAX_THREADS, Queue};
use spin::mutex::SpinMutex;

/// Why a processor came to [`interrupted`].
#[derive(Clone, Copy, Debug)]
pub(crate) enum Why {
    /// Its timer.
    Tick,
    /// Another processor's message.
    Told,
    /// The thread's wish: a number of [`wish`] and its argument.
    Wish(u64, u64),
}

/// What threads wish for, as numbers in a register.
pub(crate) mod wish {
    /// Another thread's turn.
    pub const GIVE_WAY: u64 = 0;
    /// To wait until it is unparked, or until a time.
    pub const PARK: u64 = 1;
    /// To end.
    pub const END: u64 = 2;
}

/// Times between two ticks of a processor.
#[derive(Clone, Copy, Debug)]
pub struct Ticks {
    /// On average, in nanoseconds.
    pub interval_ns: u64,
    /// From this generator's state, uniformly between none and twice as much.
    pub random: Option<u64>,
}

impl Ticks {
    /// Every millisecond.
    pub const USUAL: Self = Self { interval_ns: 1_000_000, random: None };
}

struct Scheduler {
    queue: Queue,
    ticks: Ticks,
}

static SCHEDULER: SpinMutex<Scheduler> =
    SpinMutex::new(Scheduler { queue: Queue::new(), ticks: Ticks::USUAL });

static SWITCHES: AtomicU64 = AtomicU64::new(0);

/// Registers of threads that run nowhere, and then of what idles.
struct Contexts([UnsafeCell<arch::Context>; MAX_THREADS + MAX_PROCESSORS]);

// SAFETY: used under the scheduler's lock alone.
unsafe impl Sync for Contexts {}

static CONTEXTS: Contexts =
    Contexts([const { UnsafeCell::new(arch::Context::EMPTY) }; MAX_THREADS + MAX_PROCESSORS]);

/// Where the context of a processor's thread is kept.
fn context(running: Option<Id>, processor: usize) -> *mut arch::Context {
    CONTEXTS.0[running.unwrap_or(MAX_THREADS + processor)].get()
}

/// Sets the number of processors and the times between ticks.
pub(crate) fn configure(processors: usize, ticks: Ticks) {
    locked(|scheduler| {
        scheduler.queue.configure(processors, true);
        scheduler.ticks = Ticks { interval_ns: ticks.interval_ns.max(10_000), ..ticks };
    });
}

/// Runs `body` under the lock. Then tells a processor if it has changed what
/// ought to run there.
fn locked<R>(body: impl FnOnce(&mut Scheduler) -> R) -> R {
    let enabled = arch::mask_interrupts();
    let this = smp::this();
    let mut scheduler = SCHEDULER.lock();
    let result = body(&mut scheduler);
    let told = scheduler.queue.should_look(this);
    drop(scheduler);
    if let Some(processor) = told {
        arch::tell(processor);
    }
    arch::restore_interrupts(enabled);
    result
}

/// For the interrupt handlers, with interrupts masked: `frame` is what the
/// handler will return to, and is exchanged if it is another thread's turn.
pub(crate) fn interrupted(frame: &mut Frame, why: Why) {
    let this = smp::this();
    locked(|scheduler| {
        let queue = &mut scheduler.queue;
        let before = queue.running(this);
        match why {
            Why::Tick => {
                queue.tick(this, arch::now_ns());
                arch::arm_timer(scheduler.ticks.next());
            }
            Why::Told => queue.look(this),
            Why::Wish(wish::GIVE_WAY, _) => queue.give_way(this),
            Why::Wish(wish::PARK, until) => queue.park(this, until),
            Why::Wish(_, _) => queue.end(this),
        }
        let after = scheduler.queue.running(this);
        if before != after {
            SWITCHES.fetch_add(1, Ordering::Relaxed);
            // SAFETY: under the lock. The thread before is off this processor, and
            // the one after is on no other.
            unsafe {
                (*context(before, this)).save(frame);
                (*context(after, this)).restore(frame);
            }
        }
    });
}

impl Ticks {
    /// The time until the next tick, in nanoseconds.
    fn next(&mut self) -> u64 {
        let Some(state) = &mut self.random else { return self.interval_ns };
        // Marsaglia, "Xorshift RNGs" (2003).
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        5_000 + *state % (2 * self.interval_ns)
    }
}

/// How often a processor has gone from one thread to another, or to idling.
pub fn switches() -> u64 {
    SWITCHES.load(Ordering::Relaxed)
}
