//! Many guests at once: a thread and a store for each, with priorities, on all
//! processors. A guest that has not ended after its time is ended at whichever
//! instruction the next tick finds it: its code has no polls. The console tells what
//! each held at its end, and that everything was released.
//!
//! Invariant: nothing of a guest's is left when its thread has ended, and of all of
//! them no page frame: or the verdict is [`Verdict::Failure`].

use crate::objects::{self, List};
use crate::request::Request;
use crate::values::{self, Shown};
use crate::{choose, report};
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use kernref::{Error, InterruptHandle, Linker, Module, Store, Trap, Val};
use kernref_qemu::lock::Lock;
use kernref_qemu::sched::{self, JoinHandle};
use kernref_qemu::timer::now_ns;
use kernref_qemu::{Verdict, faults, frames, println, smp};

/// How often guests' times are looked at.
const LOOK_NS: u64 = 5_000_000;
/// After this time from when it was told, a guest is taken to be beyond control.
const PATIENCE_NS: u64 = 60_000_000_000;
/// Priorities of guests; the thread that watches them has a higher one.
const PRIORITIES: u8 = 3;
/// References that are released at a time when a store is dropped.
const DROP_STEP: usize = 64;

/// What all guests share.
struct Shared {
    request: Request,
    module: Module,
    linker: Linker<()>,
    /// Until the last guest is gone.
    _watch: faults::Watch,
}

/// What a guest and the thread that watches it share.
struct Watched {
    handle: Lock<Option<InterruptHandle>>,
    /// When it began, and when it was told to end; zero until then.
    began_ns: AtomicU64,
    told_ns: AtomicU64,
    has_ended: AtomicBool,
}

impl Watched {
    fn new() -> Self {
        let never = || AtomicU64::new(0);
        let has_ended = AtomicBool::new(false);
        Self { handle: Lock::new(None), began_ns: never(), told_ns: never(), has_ended }
    }
}

/// What became of a guest.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Returned,
    Ended,
    Trapped,
    Refused,
}

struct Guest {
    number: usize,
    watched: Arc<Watched>,
    thread: JoinHandle<(Outcome, bool)>,
}

/// Runs as many guests as are asked for on so many processors. Does not return.
pub fn run(
    request: Request,
    processors: smp::Request,
    module: Module,
    linker: Linker<()>,
    watch: faults::Watch,
) -> ! {
    let shared = Arc::new(Shared { request, module, linker, _watch: watch });
    smp::run(processors, move || {
        let verdict = run_all(&shared, processors.processors);
        println!("[kernel] shutting down");
        verdict
    })
}

fn run_all(shared: &Arc<Shared>, processors: usize) -> Verdict {
    let seconds = shared.request.timeout_seconds;
    let count = shared.request.guests.unwrap_or(2 * processors);
    println!("[kernel] {count} guests on {processors} processors, with {seconds} s for each");
    let before = frames::available();
    objects::keep_lists();
    let guests: Vec<Guest> = (1..=count).map(|number| begin(shared, number)).collect();
    if !watch(&guests, u64::from(seconds) * 1_000_000_000) {
        return Verdict::Failure;
    }
    let outcomes: Vec<_> = guests.into_iter().map(|guest| guest.thread.join()).collect();
    let with = |outcome| outcomes.iter().filter(|(other, _)| *other == outcome).count();
    println!(
        "[kernel] {} guests returned, {} were ended, {} trapped, {} were refused; {} switches",
        with(Outcome::Returned),
        with(Outcome::Ended),
        with(Outcome::Trapped),
        with(Outcome::Refused),
        sched::switches(),
    );
    crate::host::forget_counters();
    report::objects();
    let missing = before - frames::available();
    println!("[kernel] page frames that were not given back: {missing}");
    let (made, released) = objects::census();
    match outcomes.iter().all(|(_, released)| *released) && made == released && missing == 0 {
        false => {
            println!("[kernel] not everything was released");
            Verdict::Failure
        }
        true if with(Outcome::Refused) > 0 => Verdict::Refused,
        true => {
            println!("[kernel] everything was released");
            Verdict::Success
        }
    }
}

fn begin(shared: &Arc<Shared>, number: usize) -> Guest {
    let (shared, watched) = (shared.clone(), Arc::new(Watched::new()));
    let priority = number as u8 % PRIORITIES;
    let thread = sched::spawn(&format!("guest {number}"), priority, {
        let watched = watched.clone();
        move || {
            objects::belong_to(number);
            let result = serve(&shared, &watched, number, priority);
            objects::belong_to(0);
            watched.has_ended.store(true, Ordering::Release);
            result
        }
    });
    Guest { number, watched, thread }
}

/// Ends guests whose time is over, until all have ended; false if one does not.
fn watch(guests: &[Guest], time_ns: u64) -> bool {
    loop {
        sched::sleep(LOOK_NS);
        let mut all = true;
        for Guest { number, watched, .. } in guests {
            if watched.has_ended.load(Ordering::Acquire) {
                continue;
            }
            all = false;
            let (began, told) = (&watched.began_ns, &watched.told_ns);
            let (began, told) = (began.load(Ordering::Acquire), told.load(Ordering::Relaxed));
            if began != 0 && told == 0 && now_ns() - began > time_ns {
                watched.told_ns.store(now_ns(), Ordering::Relaxed);
                if let Some(handle) = watched.handle.lock().as_ref() {
                    handle.interrupt();
                }
            }
            if told != 0 && now_ns() - told > PATIENCE_NS {
                println!("[kernel] guest {number} does not end");
                return false;
            }
        }
        if all {
            return true;
        }
    }
}

/// A guest from its store to the end of it; whether all that it held was released.
fn serve(shared: &Shared, watched: &Watched, number: usize, priority: u8) -> (Outcome, bool) {
    let name = format!("guest {number} (priority {priority})");
    let mut store = match Store::new(shared.linker.engine(), ()) {
        Ok(store) => store,
        Err(error) => {
            println!("{name} refused: {error}");
            return (Outcome::Refused, true);
        }
    };
    *watched.handle.lock() = Some(store.interrupt_handle());
    let began = now_ns();
    watched.began_ns.store(began, Ordering::Release);
    let (outcome, told) = call(shared, &mut store);
    let (ended, asked) = (now_ns(), watched.told_ns.load(Ordering::Relaxed));
    let after = match (outcome, asked) {
        (Outcome::Ended, 1..) => {
            format!("{} us after its time was over", ended.saturating_sub(asked) / 1000)
        }
        _ => format!("after {} ms", (ended - began) / 1_000_000),
    };
    println!("{name} {told} {after}, still holding {}", List(number));
    if shared.request.keep && number == 1 {
        objects::keep_one();
    }
    let mut rest = store.drop_step(DROP_STEP);
    while let Some(more) = rest {
        rest = more.drop_step(DROP_STEP);
    }
    let released = objects::held_by(number) == 0;
    match released {
        true => println!("{name} holds nothing any more"),
        false => println!("{name} is gone, and of it remain {}", List(number)),
    }
    (outcome, released)
}

/// Calls the guest; what became of it, in words.
fn call(shared: &Shared, store: &mut Store<()>) -> (Outcome, String) {
    let failed = |error: Error| match error.as_trap() {
        Some(Trap::Interrupt) => (Outcome::Ended, "was ended".into()),
        Some(trap) => (Outcome::Trapped, format!("trapped ({trap})")),
        None if matches!(error, Error::Host(_)) => (Outcome::Trapped, format!("failed ({error})")),
        None => (Outcome::Refused, format!("was refused ({error})")),
    };
    let instance = match shared.linker.instantiate(&mut *store, &shared.module) {
        Ok(instance) => instance,
        Err(error) => return failed(error),
    };
    let (name, func) = match choose(&shared.request, store, instance) {
        Ok(Some(chosen)) => chosen,
        Ok(None) => return (Outcome::Returned, "was instantiated".into()),
        Err(()) => return (Outcome::Refused, "was refused".into()),
    };
    let ty = match func.ty(&*store) {
        Ok(ty) => ty,
        Err(error) => return failed(error),
    };
    let args = match values::parse_all(&shared.request.args, &ty) {
        Ok(args) => args,
        Err(message) => return (Outcome::Refused, format!("was refused: {name}: {message}")),
    };
    let mut results: Vec<Val> = ty.results().iter().map(|ty| Val::default_for_ty(*ty)).collect();
    match func.call(&mut *store, &args, &mut results) {
        Ok(()) => (Outcome::Returned, format!("returned {}", Shown(&results))),
        Err(error) => failed(error),
    }
}
