//! What needs `std`: unwinding and threads. Everything else is a case of
//! `testsuite`, which the kernels run as well.
#![cfg(all(feature = "compile", feature = "std"))]

use kernref::{
    Caller, Config, DeferralPolicy, Engine, Extern, ExternRef, Instance, Linker, Module, Rooted,
    Store, Trap,
};
use std::num::NonZeroU32;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

fn each_engine(case: impl Fn(&Engine)) {
    for policy in [DeferralPolicy::ZeroCount, DeferralPolicy::CloneOnRead] {
        for zeal in [None, NonZeroU32::new(1)] {
            let mut config = Config::new();
            config.deferral_policy(policy).gc_zeal(zeal).epoch_interruption(true);
            case(&Engine::new(&config).unwrap());
        }
    }
}

fn linked<T: 'static>(linker: &Linker<T>, data: T, text: &str) -> (Store<T>, Instance) {
    let mut store = Store::new(linker.engine(), data).unwrap();
    let module = Module::new(linker.engine(), wat::parse_str(text).unwrap()).unwrap();
    let instance = linker.instantiate(&mut store, &module).unwrap();
    (store, instance)
}

#[test]
fn panics_unwind_past_wasm() {
    each_engine(|engine| {
        let mut linker = Linker::<u32>::new(engine);
        linker
            .func_wrap("h", "panic", |mut caller: Caller<'_, u32>| -> () {
                *caller.data_mut() += 1;
                panic!("out of the host function")
            })
            .unwrap();
        linker.func_wrap("h", "fine", || 5).unwrap();
        let (mut store, instance) = linked(
            &linker,
            0,
            r#"(module
                (import "h" "panic" (func $panic))
                (import "h" "fine" (func $fine (result i32)))
                (func (export "panic") call $panic)
                (func (export "fine") (result i32) call $fine))"#,
        );
        let bad = instance.get_typed_func::<(), ()>(&mut store, "panic").unwrap();
        let fine = instance.get_typed_func::<(), i32>(&mut store, "fine").unwrap();
        for round in 1..3 {
            let payload = catch_unwind(AssertUnwindSafe(|| bad.call(&mut store, ()))).unwrap_err();
            assert_eq!(payload.downcast_ref::<&str>(), Some(&"out of the host function"));
            assert_eq!(*store.data(), round);
            assert_eq!(fine.call(&mut store, ()).unwrap(), 5);
        }
    });
}

#[test]
fn panics_unwind_through_nested_activations() {
    each_engine(|engine| {
        let alive = Arc::new(());
        let mut linker = Linker::<()>::new(engine);
        linker
            .func_wrap("h", "nest", |mut caller: Caller<'_, ()>, depth: u32, object: Rooted| {
                assert!(depth > 0, "deep enough");
                let run = caller.get_export("run").and_then(Extern::into_func).unwrap();
                let run = run.typed::<(u32, Rooted), ()>(&caller)?;
                run.call(&mut caller, (depth - 1, object))
            })
            .unwrap();
        let (mut store, instance) = linked(
            &linker,
            (),
            r#"(module
                (import "h" "nest" (func $nest (param i32 externref)))
                (func (export "run") (param i32 externref) local.get 0 local.get 1 call $nest))"#,
        );
        let run = instance.get_typed_func::<(u32, ExternRef), ()>(&mut store, "run").unwrap();
        let object = ExternRef::new(Arc::clone(&alive)).unwrap();
        let outcome = catch_unwind(AssertUnwindSafe(|| run.call(&mut store, (4, object))));
        assert!(outcome.is_err());
        assert_eq!(Arc::strong_count(&alive), 1);
    });
}

#[test]
fn an_endless_loop_is_interrupted() {
    each_engine(|engine| {
        let text = r#"(module
            (func (export "spin") (loop $l (br $l)))
            (func (export "count") (param i32) (result i32)
                (local $n i32)
                (loop $l
                    (local.set $n (i32.add (local.get $n) (i32.const 1)))
                    (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
                local.get $n))"#;
        let (mut store, instance) = linked(&Linker::new(engine), (), text);
        let spin = instance.get_typed_func::<(), ()>(&mut store, "spin").unwrap();
        let count = instance.get_typed_func::<i32, i32>(&mut store, "count").unwrap();
        assert_eq!(count.call(&mut store, 10).unwrap(), 10, "no deadline by default");
        store.set_epoch_deadline(1);
        let ticker = engine.clone();
        let timer = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(5));
            ticker.increment_epoch();
        });
        let error = spin.call(&mut store, ()).unwrap_err();
        assert_eq!(error.as_trap(), Some(Trap::Interrupt));
        timer.join().unwrap();
        store.set_epoch_deadline(1);
        assert_eq!(count.call(&mut store, 10).unwrap(), 10);
    });
}
