//! Guests that never end, or not soon, ended on a host: by a watchdog, and by a
//! handle.
#![cfg(all(feature = "compile", feature = "std", target_os = "linux"))]

use kernref::{Caller, Config, Engine, Instance, Linker, Module, Store, Trap, Watchdog};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

const MODULE: &str = r#"(module
    (import "h" "slow" (func $slow (param i32)))
    (memory (export "m") 16384)
    (table $t 1000000 externref)
    (func (export "spin") (loop (br 0)))
    (func $tail (export "tail") (return_call $wide (i64.const 1) (i64.const 2) (i64.const 3)
        (i64.const 4) (i64.const 5) (i64.const 6) (i64.const 7) (i64.const 8) (i64.const 9)))
    (func $wide (param i64 i64 i64 i64 i64 i64 i64 i64 i64) (return_call $tail))
    (func (export "fill")
        (memory.fill (i32.const 0) (i32.const 1) (i32.const 0x3fff0000)))
    (func (export "fills") (loop
        (memory.fill (i32.const 0) (i32.const 1) (i32.const 0x3fff0000)) (br 0)))
    (func (export "copies") (loop
        (memory.copy (i32.const 1) (i32.const 0) (i32.const 0x3fff0000)) (br 0)))
    (func (export "tables") (loop
        (table.fill $t (i32.const 0) (ref.null extern) (i32.const 1000000)) (br 0)))
    (func (export "short") (loop
        (memory.fill (i32.const 0) (i32.const 1) (global.get $some)) (br 0)))
    (global $some (mut i32) (i32.const 60000))
    (func (export "slow") (param i32) (call $slow (local.get 0)) (loop (br 0)))
    (func $deep (export "deep") (param i32)
        (if (local.get 0)
            (then (call $deep (i32.sub (local.get 0) (i32.const 1))))
            (else (loop (br 0)))))
    (func (export "one") (result i32) (i32.const 1)))"#;

/// Beyond the limit: what a busy machine may add to a millisecond. Most of what is ended
/// here would never end.
const BOUND: Duration = Duration::from_secs(5);

struct Guest {
    store: Store<()>,
    instance: Instance,
}

impl Guest {
    fn new(engine: &Engine) -> Self {
        let mut linker = Linker::<()>::new(engine);
        let slow = |_: Caller<'_, ()>, ms: u32| {
            let end = Instant::now() + Duration::from_millis(ms.into());
            while Instant::now() < end {}
        };
        linker.func_wrap("h", "slow", slow).unwrap();
        let module = Module::new(engine, wat::parse_str(MODULE).unwrap()).unwrap();
        let mut store = Store::new(engine, ()).unwrap();
        let instance = linker.instantiate(&mut store, &module).unwrap();
        Self { store, instance }
    }

    fn is_well(&mut self) {
        let one = self.instance.get_typed_func::<(), u32>(&mut self.store, "one").unwrap();
        assert_eq!(one.call(&mut self.store, ()).unwrap(), 1);
        assert!(!self.store.interrupt_handle().is_interrupted());
    }

    /// Runs a function until the watchdog ends it; how long after the limit it did.
    fn ended_after(&mut self, watchdog: &Watchdog, name: &str, argument: Option<u32>) -> Duration {
        let limit = Duration::from_millis(20);
        let (instance, started) = (self.instance, Instant::now());
        let outcome = watchdog.run(&mut self.store, limit, |store| match argument {
            Some(argument) => {
                instance.get_typed_func::<u32, ()>(&mut *store, name)?.call(store, argument)
            }
            None => instance.get_typed_func::<(), ()>(&mut *store, name)?.call(store, ()),
        });
        let took = started.elapsed();
        assert_eq!(outcome.unwrap().unwrap_err().as_trap(), Some(Trap::Interrupt), "{name}");
        self.is_well();
        took - limit
    }
}

#[test]
fn guests_without_end_are_ended() {
    let engine = Engine::new(&Config::new()).unwrap();
    let watchdog = Watchdog::new().unwrap();
    let mut guest = Guest::new(&engine);
    for name in ["spin", "tail", "fills", "copies", "tables", "short"] {
        let took = guest.ended_after(&watchdog, name, None);
        println!("{name}: {took:?} after the limit");
        assert!(took < BOUND, "{name}: {took:?}");
    }
    let took = guest.ended_after(&watchdog, "deep", Some(1000));
    println!("deep: {took:?} after the limit");
    assert!(took < BOUND);
    // The host function has its time.
    let took = guest.ended_after(&watchdog, "slow", Some(100));
    println!("slow: {took:?} after the limit");
    assert!((Duration::from_millis(79)..Duration::from_millis(80) + BOUND).contains(&took));
}

#[test]
fn a_single_fill_of_a_gibibyte_does_not_run_to_its_end() {
    let engine = Engine::new(&Config::new()).unwrap();
    let watchdog = Watchdog::new().unwrap();
    let mut guest = Guest::new(&engine);
    // Nearly no time: on a busy machine a limit might pass after the fill.
    let (instance, limit) = (guest.instance, Duration::from_micros(1));
    let fill = instance.get_typed_func::<(), ()>(&mut guest.store, "fill").unwrap();
    let outcome = watchdog.run(&mut guest.store, limit, |store| fill.call(store, ()));
    assert_eq!(outcome.unwrap().unwrap_err().as_trap(), Some(Trap::Interrupt));
    let memory = guest.instance.get_memory(&mut guest.store, "m").unwrap();
    let bytes = memory.data(&guest.store).unwrap();
    assert!(bytes[0x3fff_0000 - 1] == 0, "the end was not reached");
    guest.is_well();
}

#[test]
fn what_ends_in_time_is_left_alone() {
    let engine = Engine::new(&Config::new()).unwrap();
    let watchdog = Watchdog::new().unwrap();
    let mut guest = Guest::new(&engine);
    for limit in [Duration::from_secs(3600), Duration::MAX] {
        watchdog.run(&mut guest.store, limit, |_| ()).unwrap();
        guest.is_well();
    }
    // The limit passes while nothing runs that could be ended.
    let nap = |_: &mut Store<()>| std::thread::sleep(Duration::from_millis(20));
    watchdog.run(&mut guest.store, Duration::from_millis(1), nap).unwrap();
    guest.is_well();
    let panics = std::panic::AssertUnwindSafe(|| {
        watchdog.run(&mut guest.store, Duration::from_millis(1), |_| {
            std::thread::sleep(Duration::from_millis(20));
            panic!("on purpose");
        })
    });
    assert!(std::panic::catch_unwind(panics).is_err());
    guest.is_well();
}

#[test]
fn other_threads_go_on() {
    let engine = Engine::new(&Config::new()).unwrap();
    let watchdog = Watchdog::new().unwrap();
    let (done, calls) = (AtomicBool::new(false), AtomicU32::new(0));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut guest = Guest::new(&engine);
                let hour = Duration::from_secs(3600);
                while !done.load(Ordering::Relaxed) {
                    let one = guest.instance.get_typed_func::<(), u32>(&mut guest.store, "one");
                    let one = one.unwrap();
                    let outcome = watchdog.run(&mut guest.store, hour, |store| one.call(store, ()));
                    assert_eq!(outcome.unwrap().unwrap(), 1);
                    calls.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let ended: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let mut guest = Guest::new(&engine);
                    for _ in 0..10 {
                        guest.ended_after(&watchdog, "spin", None);
                    }
                })
            })
            .collect();
        ended.into_iter().for_each(|thread| thread.join().unwrap());
        done.store(true, Ordering::Relaxed);
    });
    assert!(calls.load(Ordering::Relaxed) > 100);
}

/// A handle may be used when its store is gone, or has nothing to do.
#[test]
fn handles_outlive_their_stores() {
    let engine = Engine::new(&Config::new()).unwrap();
    let mut guest = Guest::new(&engine);
    let handle = guest.store.interrupt_handle();
    let other = handle.clone();
    other.interrupt();
    assert!(handle.is_interrupted());
    guest.store.clear_interrupt();
    assert!(!other.is_interrupted());
    guest.is_well();
    drop(guest);
    handle.interrupt();
    assert!(other.is_interrupted());
}
