//! Epochs and fuel.

use crate::support::{Setup, instance, module};
use alloc::vec::Vec;
use kernref::abi::Trap;
use kernref::{Caller, Config, Engine, Error, Instance, Linker, Misuse, Store, UpdateDeadline};

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
    let mut store = Store::new(&Engine::new(&setup.config()).unwrap(), ()).unwrap();
    assert!(matches!(store.set_fuel(1), Err(Error::Misuse(Misuse::InvalidConfig(_)))));
    assert!(matches!(store.get_fuel(), Err(Error::Misuse(Misuse::InvalidConfig(_)))));
}
