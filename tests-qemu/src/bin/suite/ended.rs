//! Guests that one thread ends while others run them: by the tick of whichever
//! processor has them.

use crate::running::{engine, module};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use kernref::{Engine, ExternRef, InterruptHandle, Linker, Module, Store, Trap};
use kernref_qemu::lock::Lock;
use kernref_qemu::{faults, sched};
use kernref_testsuite::Setup;

const ENDLESS: &str = include_str!("guests/endless.wat");
/// More than there are processors, so that some are to end while they wait for one.
const GUESTS: usize = 6;
const WAYS: [&str; 4] = ["spin", "tail", "fill", "churn"];
const ROUNDS: usize = 2;
/// What it makes before its loop begins.
const FIRST_OBJECTS: usize = 8;

/// What a guest and who ends it share.
struct Watched {
    handle: Lock<Option<InterruptHandle>>,
    is_running: AtomicBool,
    /// Whether the next end may come at any time, or in its loop.
    at_any_time: AtomicBool,
    /// Objects that it has made since it began.
    made: AtomicUsize,
    is_done: AtomicBool,
}

impl Watched {
    fn new() -> Self {
        let no = || AtomicBool::new(false);
        let (is_running, at_any_time, is_done) = (no(), no(), no());
        let made = AtomicUsize::new(0);
        Self { handle: Lock::new(None), is_running, at_any_time, made, is_done }
    }

    /// Whether it is to be asked now: it runs, and has done so at the last look too.
    fn is_due(&self, has_begun: &mut bool) -> bool {
        let begins = self.made.load(Ordering::Acquire) >= FIRST_OBJECTS;
        let due = self.at_any_time.load(Ordering::Relaxed) || (begins && *has_begun);
        *has_begun = begins;
        due && self.is_running.swap(false, Ordering::Acquire)
    }
}

struct Made(Arc<AtomicUsize>);

impl Drop for Made {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Runs guests that never end, and looks at the store each time that one was ended.
fn run(engine: &Engine, module: &Module, watched: &Arc<Watched>, alive: &Arc<AtomicUsize>) {
    let mut linker = Linker::<()>::new(engine);
    let own = Arc::new(AtomicUsize::new(0));
    let (ours, all, making) = (own.clone(), alive.clone(), watched.clone());
    let make = move || {
        making.made.fetch_add(1, Ordering::Release);
        ours.fetch_add(1, Ordering::Relaxed);
        all.fetch_add(1, Ordering::Relaxed);
        ExternRef::new((Made(ours.clone()), Made(all.clone())))
    };
    linker.func_wrap("h", "make", make).expect("a new name");
    let mut store = Store::new(engine, ()).expect("a store");
    let instance = linker.instantiate(&mut store, module).expect("an instance");
    let count = instance.get_typed_func::<(), u32>(&mut store, "count").expect("count");
    *watched.handle.lock() = Some(store.interrupt_handle());
    for (at, way) in WAYS.into_iter().cycle().take(WAYS.len() * ROUNDS).enumerate() {
        let func = instance.get_typed_func::<(), ()>(&mut store, way).expect("an export");
        watched.at_any_time.store(at >= WAYS.len(), Ordering::Relaxed);
        watched.made.store(0, Ordering::Relaxed);
        watched.is_running.store(true, Ordering::Release);
        let error = func.call(&mut store, ()).expect_err("it never ends by itself");
        assert_eq!(error.as_trap(), Some(Trap::Interrupt), "{way}: {error}");
        // As usable as ever: nobody asks again until it runs.
        let held = count.call(&mut store, ()).expect("no trap") as usize;
        store.gc().expect("a collection");
        assert_eq!(own.load(Ordering::Relaxed), held, "objects after {way}");
    }
    watched.is_done.store(true, Ordering::Release);
    drop(store);
    assert_eq!(own.load(Ordering::Relaxed), 0, "objects that outlive the store");
}

pub fn guests_are_ended_wherever_they_run(setup: Setup) {
    let engine = engine(setup, |_| {});
    let module = module(&engine, ENDLESS);
    let alive = Arc::new(AtomicUsize::new(0));
    let before = faults::ended();
    let guests: Vec<_> = (0..GUESTS)
        .map(|number| {
            let watched = Arc::new(Watched::new());
            let (engine, module) = (engine.clone(), module.clone());
            let (shared, alive) = (watched.clone(), alive.clone());
            let name = sched::name().expect("a thread");
            let body = move || run(&engine, &module, &shared, &alive);
            (watched, sched::spawn(&name, 1 + number as u8 % 2, body))
        })
        .collect();
    let mut begun = [false; GUESTS];
    while !guests.iter().all(|(watched, _)| watched.is_done.load(Ordering::Acquire)) {
        sched::sleep(700_000);
        for ((watched, _), begun) in guests.iter().zip(&mut begun) {
            if watched.is_due(begun)
                && let Some(handle) = watched.handle.lock().as_ref()
            {
                handle.interrupt();
            }
        }
    }
    guests.into_iter().for_each(|(_, thread)| thread.join());
    assert_eq!(alive.load(Ordering::Relaxed), 0);
    // With zeal, loops are in the collector most of the time.
    assert!(setup.zeal || faults::ended() > before, "no tick found a guest in its code");
}
