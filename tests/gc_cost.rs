//! What collecting and reading cost. Run with `cargo test --release --features
//! std,compile --test gc_cost -- --ignored --nocapture`; prints, and checks
//! nothing but the results.
#![cfg(all(feature = "compile", feature = "std"))]

use kernref::{
    AsContextMut, Caller, Config, DeferralPolicy, Engine, ExternRef, Linker, Module, Result, Store,
};
use std::time::{Duration, Instant};

const MODULE: &str = r#"(module
    (import "h" "give" (func $give (result externref)))
    (import "h" "collect" (func $collect))
    (import "h" "take" (func $take (param externref externref externref externref)))
    (table $t 4 externref)
    (func $deep (export "deep") (param i32)
        (local $a externref) (local $b externref) (local $c externref) (local $d externref)
        (local.set $a (call $give)) (local.set $b (call $give))
        (local.set $c (call $give)) (local.set $d (call $give))
        (if (local.get 0)
            (then (call $deep (i32.sub (local.get 0) (i32.const 1))))
            (else (call $collect)))
        (call $take (local.get $a) (local.get $b) (local.get $c) (local.get $d)))
    (func (export "fill") (table.fill $t (i32.const 0) (call $give) (i32.const 4)))
    (func (export "read") (param i32) (result i32) (local $n i32)
        (loop $again
            (local.set $n (i32.add (local.get $n)
                (ref.is_null (table.get $t (i32.and (local.get 0) (i32.const 3))))))
            (br_if $again (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
        local.get $n))"#;

type Times = (ExternRef, Vec<Duration>);

#[test]
#[ignore = "a measurement"]
fn measure() -> Result<()> {
    for policy in [DeferralPolicy::ZeroCount, DeferralPolicy::CloneOnRead] {
        let mut config = Config::new();
        config.deferral_policy(policy).reference_slots(100_000).max_wasm_stack(4 << 20);
        let engine = Engine::new(&config)?;
        let module = Module::new(&engine, wat::parse_str(MODULE).expect("text"))?;
        let mut linker = Linker::<Times>::new(&engine);
        linker.func_wrap("h", "give", |caller: Caller<'_, Times>| caller.data().0.clone())?;
        linker.func_wrap(
            "h",
            "take",
            |_: Option<ExternRef>,
             _: Option<ExternRef>,
             _: Option<ExternRef>,
             _: Option<ExternRef>| {},
        )?;
        linker.func_wrap("h", "collect", |mut caller: Caller<'_, Times>| -> Result<()> {
            for _ in 0..20 {
                let started = Instant::now();
                caller.as_context_mut().gc()?;
                let took = started.elapsed();
                caller.data_mut().1.push(took);
            }
            Ok(())
        })?;
        let (sender, receiver) = std::sync::mpsc::channel();
        let body = move || -> Result<()> {
            let mut store = Store::new(&engine, (ExternRef::new(1_u32)?, Vec::new()))?;
            let instance = linker.instantiate(&mut store, &module)?;
            let deep = instance.get_typed_func::<u32, ()>(&mut store, "deep")?;
            deep.call(&mut store, 9_999)?;
            let mut times = core::mem::take(&mut store.data_mut().1);
            times.sort();
            println!("{policy:?}: 10000 frames x 4: median {:?}, best {:?}", times[10], times[0]);
            instance.get_typed_func::<(), ()>(&mut store, "fill")?.call(&mut store, ())?;
            let read = instance.get_typed_func::<u32, u32>(&mut store, "read")?;
            let best = (0..7).map(|_| {
                let started = Instant::now();
                read.call(&mut store, 10_000_000).map(|nulls| (started.elapsed(), nulls))
            });
            let best = best.collect::<Result<Vec<_>>>()?.into_iter().min().expect("seven");
            println!("{policy:?}: a loop of table.get: {:.2} ns", best.0.as_nanos() as f64 / 1e7);
            Ok(())
        };
        let thread = std::thread::Builder::new().stack_size(64 << 20);
        let thread = thread.spawn(move || sender.send(body())).expect("a thread");
        receiver.recv().expect("an answer")?;
        thread.join().expect("no panic").expect("a receiver");
    }
    Ok(())
}
