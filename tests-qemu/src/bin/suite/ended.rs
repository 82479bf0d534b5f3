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

/// What a guest and who ends it share.
struct Watched {
    handle: Lock<Option<InterruptHandle>>,
    is_running: AtomicBool,
    is_done: AtomicBool,
}

struct Made(Arc<AtomicUsize>);

impl Drop for Made {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Runs guests that never end, and looks at the store each time that one was ended.
fn run(engine: &Engine, module: &Module, watched: &Watched, alive: &Arc<AtomicUsize>) {
    let mut linker = Linker::<()>::new(engine);
    let own = Arc::new(AtomicUsize::new(0));
    let (ours, all) = (own.clone(), alive.clone());
    let make = move || {
        ours.fetch_add(1, Ordering::Relaxed);
        all.fetch_add(1, Ordering::Relaxed);
        ExternRef::new((Made(ours.clone()), Made(all.clone())))
    };
    linker.func_wrap("h", "make", make).expect("a new name");
    let mut store = Store::new(engine, ()).expect("a store");
    let instance = linker.instantiate(&mut store, module).expect("an instance");
    let count = instance.get_typed_func::<(), u32>(&mut store, "count").expect("count");
    *watched.handle.lock() = Some(store.interrupt_handle());
    for way in WAYS.into_iter().cycle().take(WAYS.len() * ROUNDS) {
        let func = instance.get_typed_func::<(), ()>(&mut store, way).expect("an export");
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
            let watched = Arc::new(Watched {
                handle: Lock::new(None),
                is_running: AtomicBool::new(false),
                is_done: AtomicBool::new(false),
            });
            let (engine, module) = (engine.clone(), module.clone());
            let (shared, alive) = (watched.clone(), alive.clone());
            let name = sched::name().expect("a thread");
            let body = move || run(&engine, &module, &shared, &alive);
            (watched, sched::spawn(&name, 1 + number as u8 % 2, body))
        })
        .collect();
    while !guests.iter().all(|(watched, _)| watched.is_done.load(Ordering::Acquire)) {
        sched::sleep(700_000);
        for (watched, _) in &guests {
            if watched.is_running.swap(false, Ordering::Acquire)
                && let Some(handle) = watched.handle.lock().as_ref()
            {
                handle.interrupt();
            }
        }
    }
    guests.into_iter().for_each(|(_, thread)| thread.join());
    assert_eq!(alive.load(Ordering::Relaxed), 0);
    assert!(faults::ended() > before, "no tick found a guest in its code");
}
