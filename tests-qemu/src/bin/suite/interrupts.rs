//! Timer interrupts that arrive while Wasm runs.

use crate::running::{engine, module};
use core::sync::atomic::{AtomicU64, Ordering};
use kernref::{Caller, Engine, Error, ExternRef, Linker, Store, Trap};
use kernref_qemu::timer;
use kernref_testsuite::Setup;
use spin::Once;

const HERTZ: u32 = 1000;
const ENOUGH_TICKS: u64 = 20;

const SUM: &str = r#"(module
    (func (export "sum") (param $n i32) (result f64)
        (local $sum f64) (local $at i32) (local $lanes v128)
        (loop $again
            (local.set $sum (f64.add (local.get $sum) (f64.sqrt (f64.convert_i32_u (local.get $at)))))
            (local.set $lanes (i32x4.add (local.get $lanes) (i32x4.splat (i32.const 1))))
            (local.set $at (i32.add (local.get $at) (i32.const 1)))
            (br_if $again (i32.lt_u (local.get $at) (local.get $n))))
        (f64.add (local.get $sum)
            (f64.convert_i32_u (i32x4.extract_lane 3 (local.get $lanes)))))
    (func (export "forever") (loop $again (br $again))))"#;

const CHURN: &str = r#"(module
    (import "h" "make" (func $make (param i32) (result externref)))
    (import "h" "number" (func $number (param externref) (result i32)))
    (table $kept 16 externref)
    (func (export "churn") (param $n i32) (result i32)
        (local $object externref) (local $wrong i32)
        (loop $again
            (local.set $object (call $make (local.get $n)))
            (table.set $kept (i32.and (local.get $n) (i32.const 15)) (local.get $object))
            (local.set $wrong
                (i32.or (local.get $wrong)
                    (i32.ne (local.get $n)
                        (call $number (table.get $kept (i32.and (local.get $n) (i32.const 15)))))))
            (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
        (local.get $wrong)))"#;

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
