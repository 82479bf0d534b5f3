//! Timer interrupts that arrive while Wasm runs.

use crate::running::{engine, module};
use core::sync::atomic::{AtomicU64, Ordering};
use kernref::{Caller, Engine, Error, ExternRef, Linker, Store, Trap};
use kernref_qemu::timer;
use kernref_testsuite::Setup;
use spin::Once;

const HERTZ: u32 = 1000;
const ENOUGH_TICKS: u64 = 20;

const SUM: &str = include_str!("guests/sum.wat");

const CHURN: &str = include_str!("guests/churn.wat");

static NOISE: AtomicU64 = AtomicU64::new(0);

/// Uses floating-point and vector registers where the target has them.
pub(crate) fn noise() {
    let mut value = NOISE.load(Ordering::Relaxed) as f64;
    for at in 0..8 {
        value = value * 1.000_1 + f64::from(at);
    }
    NOISE.store(value as u64 & 0xffff, Ordering::Relaxed);
}

pub(crate) fn with_timer<R>(hook: fn(), body: impl FnOnce() -> R) -> R {
    timer::set_hook(Some(hook));
    timer::start(HERTZ);
    let result = body();
    timer::stop();
    timer::set_hook(None);
    result
}

pub fn results_survive_interrupts(setup: Setup) {
    let engine = engine(setup, |_| {});
    let mut store = Store::new(&engine, ()).expect("a store");
    let linker = Linker::new(&engine);
    let instance = linker.instantiate(&mut store, &module(&engine, SUM)).expect("an instance");
    let sum = instance.get_typed_func::<u32, f64>(&mut store, "sum").expect("sum");
    let quiet = sum.call(&mut store, 20_000).expect("no trap");
    with_timer(noise, || {
        let from = timer::ticks();
        while timer::ticks() - from < ENOUGH_TICKS {
            assert_eq!(sum.call(&mut store, 20_000).expect("no trap").to_bits(), quiet.to_bits());
        }
    });
}

pub fn collections_survive_interrupts(setup: Setup) {
    let engine = engine(setup, |config| {
        config.reference_slots(64);
    });
    let mut linker = Linker::<()>::new(&engine);
    let number = |caller: Caller<'_, ()>, object: kernref::Rooted| -> kernref::Result<u32> {
        Ok(*object.get(&caller)?.downcast_ref::<u32>()?)
    };
    linker.func_wrap("h", "make", |number: u32| ExternRef::new(number)).expect("a new name");
    linker.func_wrap("h", "number", number).expect("a new name");
    let mut store = Store::new(&engine, ()).expect("a store");
    let instance = linker.instantiate(&mut store, &module(&engine, CHURN)).expect("an instance");
    let churn = instance.get_typed_func::<u32, u32>(&mut store, "churn").expect("churn");
    with_timer(noise, || {
        let from = timer::ticks();
        while timer::ticks() - from < ENOUGH_TICKS {
            assert_eq!(churn.call(&mut store, 500).expect("no trap"), 0);
        }
    });
    assert!(store.gc_stats().slots_used <= 17, "{:?}", store.gc_stats());
}

pub fn a_timer_ends_an_endless_loop(setup: Setup) {
    static ENGINES: Once<spin::Mutex<Option<Engine>>> = Once::new();
    fn advance() {
        if let Some(engines) = ENGINES.get()
            && let Some(engine) = engines.try_lock()
            && let Some(engine) = engine.as_ref()
        {
            engine.increment_epoch();
        }
    }
    let engine = engine(setup, |config| {
        config.epoch_interruption(true);
    });
    *ENGINES.call_once(|| spin::Mutex::new(None)).lock() = Some(engine.clone());
    let mut store = Store::new(&engine, ()).expect("a store");
    let linker = Linker::new(&engine);
    let instance = linker.instantiate(&mut store, &module(&engine, SUM)).expect("an instance");
    let forever = instance.get_typed_func::<(), ()>(&mut store, "forever").expect("forever");
    store.set_epoch_deadline(5);
    let outcome = with_timer(advance, || forever.call(&mut store, ()));
    assert!(matches!(outcome, Err(Error::Trap(Trap::Interrupt))), "{outcome:?}");
}
