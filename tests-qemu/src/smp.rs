//! Several processors: which one this is, and how the others are started.
//!
//! Until [`run`] there is one processor, the first, and no thread. From then on
//! every processor takes threads from [`crate::sched`], and idles otherwise.

use crate::sched::{self, Ticks, queue};
use crate::{Verdict, arch, exit, heap, println};
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Most processors.
pub const MAX_PROCESSORS: usize = queue::MAX_PROCESSORS;
/// How long a processor may take to start, in nanoseconds: the emulator's host
/// may be busy.
const START_NS: u64 = 30_000_000_000;

static STARTED: AtomicBool = AtomicBool::new(false);
/// How many processors run, which are the first ones.
static ONLINE: AtomicUsize = AtomicUsize::new(1);

/// The number of the processor that runs this. It may change whenever interrupts
/// are not masked.
pub fn this() -> usize {
    arch::this_processor()
}

/// How many processors run.
pub fn processors() -> usize {
    ONLINE.load(Ordering::Acquire)
}

/// Whether there are threads.
pub fn is_started() -> bool {
    STARTED.load(Ordering::Acquire)
}

/// How to run on several processors.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// How many.
    pub processors: usize,
    /// When they switch threads.
    pub ticks: Ticks,
}

impl Request {
    /// What a kernel's arguments ask for, if that is several processors: `smp=N`,
    /// with `tick-us=N` and `random=SEED`.
    pub fn of(args: &[&str]) -> Option<Self> {
        let number = |name| args.iter().find_map(|arg| arg.strip_prefix(name)?.parse::<u64>().ok());
        let ticks = Ticks {
            interval_ns: number("tick-us=").map_or(Ticks::USUAL.interval_ns, |us| us * 1000),
            // The generator's state must not be zero.
            random: number("random=").map(|seed| seed | 1 << 40),
        };
        Some(Self { processors: number("smp=")? as usize, ticks })
    }
}

/// Starts processors until as many run as are asked for, and runs `main` in a thread on any
/// of them. Its verdict ends the run. The processor that calls this idles.
///
/// # Panics
/// If the machine has fewer processors, or one does not start.
pub fn run(request: Request, main: impl FnOnce() -> Verdict + Send + 'static) -> ! {
    let Request { processors, ticks } = request;
    assert!((1..=MAX_PROCESSORS).contains(&processors), "{processors} processors");
    arch::mask_interrupts();
    sched::configure(processors, ticks);
    arch::prepare_processors();
    for number in 1..processors {
        arch::start_processor(number);
        let from = arch::now_ns();
        while self::processors() <= number {
            assert!(arch::now_ns() - from < START_NS, "processor {number} does not start");
            core::hint::spin_loop();
        }
    }
    println!("{processors} processors");
    heap::share();
    STARTED.store(true, Ordering::Release);
    let main = sched::spawn("main", 3, move || -> () { exit(main()) });
    core::mem::forget(main);
    arch::idle()
}

/// What a processor that was started does once it is set up: it waits for the
/// others, and then for threads.
pub(crate) fn join_in(number: usize) -> ! {
    ONLINE.store(number + 1, Ordering::Release);
    while !is_started() {
        core::hint::spin_loop();
    }
    arch::idle()
}
