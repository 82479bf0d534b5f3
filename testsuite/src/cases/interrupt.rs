//! Epochs and fuel.

use crate::support::{Census, Setup, instance, linked, module, tools};
use alloc::vec::Vec;
use kernref::{
    Caller, Config, Error, Extern, Instance, Linker, Misuse, Store, Trap, UpdateDeadline,
};

const SPIN: &str = r#"(module
    (func (export "spin") (loop $l (br $l)))
    (func (export "count") (param i32) (result i32)
        (local $n i32)
        (loop $l
            (local.set $n (i32.add (local.get $n) (i32.const 1)))
            (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
        local.get $n))"#;

fn with_epochs(config: &mut Config) {
    config.epoch_interruption(true);
}

pub fn a_callback_extends_the_deadline(setup: Setup) {
    setup.each_config(with_epochs, |engine| {
        let mut store = Store::new(engine, 0_u32).unwrap();
        let instance = Instance::new(&mut store, &module(engine, SPIN), &[]).unwrap();
        let spin = instance.get_typed_func::<(), ()>(&mut store, "spin").unwrap();
        let ticker = engine.clone();
        store
            .epoch_deadline_callback(move |mut store| {
                *store.data_mut() += 1;
                ticker.increment_epoch();
                Ok(match *store.data() {
                    ..=3 => UpdateDeadline::Continue(0),
                    _ => UpdateDeadline::Interrupt,
                })
            })
            .unwrap();
        store.set_epoch_deadline(0);
        let error = spin.call(&mut store, ()).unwrap_err();
        assert_eq!((error.as_trap(), *store.data()), (Some(Trap::Interrupt), 4));
        store.epoch_deadline_callback(|_| Err(Error::Misuse(Misuse::Busy))).unwrap();
        store.set_epoch_deadline(0);
        assert!(matches!(spin.call(&mut store, ()), Err(Error::Misuse(Misuse::Busy))));
        store.epoch_deadline_trap();
        let error = spin.call(&mut store, ()).unwrap_err();
        assert_eq!(error.as_trap(), Some(Trap::Interrupt));
    });
}

fn with_fuel(config: &mut Config) {
    config.consume_fuel(true);
}

pub fn fuel_runs_out_deterministically(setup: Setup) {
    setup.each_config(with_fuel, |engine| {
        let (mut store, instance) = instance(engine, SPIN);
        let count = instance.get_typed_func::<i32, i32>(&mut store, "count").unwrap();
        assert_eq!(count.call(&mut store, 5).unwrap_err().as_trap(), Some(Trap::OutOfFuel));
        let mut used = Vec::new();
        for rounds in [10, 10, 20] {
            store.set_fuel(1000).unwrap();
            count.call(&mut store, rounds).unwrap();
            used.push(1000 - store.get_fuel().unwrap());
        }
        assert!(used[0] == used[1] && used[2] > used[0] && used[0] > 10, "{used:?}");
        store.set_fuel(used[0]).unwrap();
        count.call(&mut store, 10).unwrap();
        assert_eq!(store.get_fuel().unwrap(), 0);
        store.set_fuel(1000).unwrap();
        let spin = instance.get_typed_func::<(), ()>(&mut store, "spin").unwrap();
        assert_eq!(spin.call(&mut store, ()).unwrap_err().as_trap(), Some(Trap::OutOfFuel));
    });
}

pub fn host_functions_see_and_set_fuel(setup: Setup) {
    setup.each_config(with_fuel, |engine| {
        let mut linker = Linker::<u64>::new(engine);
        linker
            .func_wrap("h", "refuel", |mut caller: Caller<'_, u64>| -> kernref::Result<()> {
                *caller.data_mut() = caller.get_fuel()?;
                caller.set_fuel(500)
            })
            .unwrap();
        let text =
            r#"(module (import "h" "refuel" (func $r)) (func (export "f") call $r nop nop))"#;
        let (mut store, instance) = crate::support::linked(&linker, 0, text);
        store.set_fuel(100).unwrap();
        let func = instance.get_typed_func::<(), ()>(&mut store, "f").unwrap();
        func.call(&mut store, ()).unwrap();
        assert!((50..100).contains(store.data()), "{} left in the host call", store.data());
        assert!((490..=500).contains(&store.get_fuel().unwrap()));
    });
}

pub fn fuel_needs_the_switch(setup: Setup) {
    let mut store = Store::new(&setup.engine(), ()).unwrap();
    assert!(matches!(store.set_fuel(1), Err(Error::Misuse(Misuse::InvalidConfig(_)))));
    assert!(matches!(store.get_fuel(), Err(Error::Misuse(Misuse::InvalidConfig(_)))));
}

/// Holds references across a loop that runs until it is stopped.
const HOLDING: &str = r#"(module
    (import "h" "make" (func $make (param i32) (result externref)))
    (import "h" "number" (func $number (param externref) (result i32)))
    (table $t 1 externref)
    (func $inner (param externref) (result i32)
        (local $mine externref) (local $n i32)
        (local.set $mine (call $make (i32.const 2)))
        (loop $l
            (br_if $l (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1)))
                (i32.const 100000))))
        (i32.add (call $number (local.get $mine)) (call $number (local.get 0))))
    (func (export "run") (result i32)
        (local $held externref)
        (table.set $t (i32.const 0) (call $make (i32.const 10)))
        (local.set $held (call $make (i32.const 1)))
        (drop (call $make (i32.const 100)))
        (i32.add (call $inner (local.get $held)) (call $number (local.get $held)))))"#;

pub fn a_deadline_callback_collects(setup: Setup) {
    // At a loop header, where frames hold references.
    setup.each_config(with_epochs, |engine| {
        let census = Census::default();
        let (mut store, instance) = linked(&tools(engine), census.clone(), HOLDING);
        let run = instance.get_typed_func::<(), u32>(&mut store, "run").unwrap();
        let ticker = engine.clone();
        store
            .epoch_deadline_callback(move |mut store| {
                // Everything frames hold, with or without what was dropped.
                let before = store.data().alive();
                store.gc()?;
                let after = store.data().alive();
                assert!(after <= before && after <= 3, "{before}, then {after}");
                ticker.increment_epoch();
                Ok(UpdateDeadline::Continue(1))
            })
            .unwrap();
        store.set_epoch_deadline(0);
        assert_eq!(run.call(&mut store, ()).unwrap(), 4);
        assert_eq!((census.alive(), census.released()), (1, 3));
        assert!(store.gc_stats().collections > 0);
    });
}

pub fn an_interrupt_releases_what_frames_held(setup: Setup) {
    setup.each_config(with_epochs, |engine| {
        let census = Census::default();
        let (mut store, instance) = linked(&tools(engine), census.clone(), HOLDING);
        let run = instance.get_typed_func::<(), u32>(&mut store, "run").unwrap();
        for round in 1..4 {
            store.set_epoch_deadline(1);
            let calls = core::sync::atomic::AtomicU32::new(0);
            let ticker = engine.clone();
            store
                .epoch_deadline_callback(move |_| {
                    // From the second call on, the loop is running.
                    let call = calls.fetch_add(1, core::sync::atomic::Ordering::Relaxed);
                    ticker.increment_epoch();
                    Ok(match call {
                        0..20 => UpdateDeadline::Continue(0),
                        _ => UpdateDeadline::Interrupt,
                    })
                })
                .unwrap();
            engine.increment_epoch();
            let error = run.call(&mut store, ()).unwrap_err();
            assert_eq!(error.as_trap(), Some(Trap::Interrupt));
            assert_eq!((census.alive(), census.released()), (1, 4 * round - 1));
        }
        // The deadline has passed, and stays so until it is set again.
        store.epoch_deadline_trap();
        let error = run.call(&mut store, ()).unwrap_err();
        assert_eq!(error.as_trap(), Some(Trap::Interrupt));
        store.set_epoch_deadline(u64::MAX);
        assert_eq!(run.call(&mut store, ()).unwrap(), 4);
    });
}

pub fn a_recursion_without_loops_is_interrupted(setup: Setup) {
    setup.each_config(with_epochs, |engine| {
        let text = r#"(module
            (func $f (export "f") (param i32) (result i32)
                (if (result i32) (i32.lt_u (local.get 0) (i32.const 2))
                    (then (local.get 0))
                    (else (i32.add (call $f (i32.sub (local.get 0) (i32.const 1)))
                        (call $f (i32.sub (local.get 0) (i32.const 2))))))))"#;
        let mut store = Store::new(engine, 0_u32).unwrap();
        let instance = Instance::new(&mut store, &module(engine, text), &[]).unwrap();
        let f = instance.get_typed_func::<u32, u32>(&mut store, "f").unwrap();
        assert_eq!(f.call(&mut store, 10).unwrap(), 55);
        store
            .epoch_deadline_callback(|mut store| {
                *store.data_mut() += 1;
                Ok(match *store.data() {
                    ..=50 => UpdateDeadline::Continue(0),
                    _ => UpdateDeadline::Interrupt,
                })
            })
            .unwrap();
        store.set_epoch_deadline(0);
        let error = f.call(&mut store, 30).unwrap_err();
        assert_eq!((error.as_trap(), *store.data()), (Some(Trap::Interrupt), 51));
    });
}

pub fn nested_activations_share_deadline_and_fuel(setup: Setup) {
    let both = |config: &mut Config| {
        config.epoch_interruption(true).consume_fuel(true);
    };
    setup.each_config(both, |engine| {
        let mut linker = Linker::<u32>::new(engine);
        let again = |mut caller: Caller<'_, u32>, depth: u32| -> kernref::Result<u32> {
            *caller.data_mut() += 1;
            let run = caller.get_export("run").and_then(Extern::into_func).unwrap();
            run.typed::<u32, u32>(&caller)?.call(&mut caller, depth)
        };
        linker.func_wrap("h", "again", again).unwrap();
        let (mut store, instance) = linked(
            &linker,
            0,
            r#"(module
                (import "h" "again" (func $again (param i32) (result i32)))
                (func (export "run") (param i32) (result i32)
                    (if (result i32) (local.get 0)
                        (then (i32.add (i32.const 1)
                            (call $again (i32.sub (local.get 0) (i32.const 1)))))
                        (else (loop $l (br $l)) (unreachable)))))"#,
        );
        let run = instance.get_typed_func::<u32, u32>(&mut store, "run").unwrap();
        store.set_fuel(10_000).unwrap();
        let error = run.call(&mut store, 5).unwrap_err();
        assert_eq!((error.as_trap(), *store.data()), (Some(Trap::OutOfFuel), 5));
        assert_eq!(store.get_fuel().unwrap(), 0);
        store.set_fuel(u64::MAX).unwrap();
        let ticker = engine.clone();
        store
            .epoch_deadline_callback(move |store| {
                ticker.increment_epoch();
                Ok(match *store.data() {
                    10 => UpdateDeadline::Interrupt,
                    _ => UpdateDeadline::Continue(0),
                })
            })
            .unwrap();
        store.set_epoch_deadline(0);
        let error = run.call(&mut store, 5).unwrap_err();
        assert_eq!((error.as_trap(), *store.data()), (Some(Trap::Interrupt), 10));
        assert!(store.get_fuel().unwrap() > 1 << 60);
    });
}

pub fn running_out_of_fuel_releases_what_frames_held(setup: Setup) {
    setup.each_config(with_fuel, |engine| {
        let census = Census::default();
        let (mut store, instance) = linked(&tools(engine), census.clone(), HOLDING);
        let run = instance.get_typed_func::<(), u32>(&mut store, "run").unwrap();
        // Wherever it runs out.
        for fuel in (0..120).chain([1000, 5000]) {
            store.set_fuel(fuel).unwrap();
            let error = run.call(&mut store, ()).unwrap_err();
            assert_eq!(error.as_trap(), Some(Trap::OutOfFuel));
            assert!(census.alive() <= 1, "{} alive with {fuel}", census.alive());
        }
        store.set_fuel(100_000_000).unwrap();
        assert_eq!(run.call(&mut store, ()).unwrap(), 4);
        assert_eq!(census.alive(), 1);
    });
}
