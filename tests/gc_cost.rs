//! The cost of collecting and reading. Run with `cargo test --release
//! --features std,compile --test gc_cost -- --ignored --nocapture`; it prints
//! times and checks only the results.
#![cfg(all(feature = "compile", feature = "std"))]

use kernref::{
    AsContextMut, Caller, Config, DeferralPolicy, Engine, ExternRef, Instance, Linker, Module,
    Result, Store,
};
use std::time::{Duration, Instant};

const MODULE: &str = r#"(module
    (import "h" "give" (func $give (result externref)))
    (import "h" "collect" (func $collect))
    (import "h" "steps" (func $steps))
    (import "h" "mark" (func $mark))
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
    (func $bare (export "bare") (param i32)
        (if (local.get 0)
            (then (call $bare (i32.sub (local.get 0) (i32.const 1))))
            (else (call $collect))))
    (func $many (param i32)
        (loop $again (drop (call $give))
            (br_if $again (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))))
    (func (export "many-and-mark") (param i32) (call $many (local.get 0)) (call $mark))
    (func (export "many-and-steps") (param i32) (call $many (local.get 0)) (call $steps))
    (func (export "fill") (table.fill $t (i32.const 0) (call $give) (i32.const 4)))
    (func (export "read") (param i32) (result i32) (local $n i32)
        (loop $again
            (local.set $n (i32.add (local.get $n)
                (ref.is_null (table.get $t (i32.and (local.get 0) (i32.const 3))))))
            (br_if $again (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
        local.get $n))"#;

/// How often each measurement is repeated.
const ROUNDS: usize = 21;
/// Depth of the recursion, in frames.
const FRAMES: u32 = 10_000;
/// Length of the long table, in entries.
const ENTRIES: u32 = 80_000;
/// Budget of a step, in entries.
const STEP: u32 = 1_000;

struct World {
    object: ExternRef,
    /// Times of whole collections, of first steps, and of later steps.
    whole: Vec<Duration>,
    first: Vec<Duration>,
    later: Vec<Duration>,
    /// When Wasm was about to return.
    marked: Instant,
}

fn timed<R>(body: impl FnOnce() -> R) -> (Duration, R) {
    let started = Instant::now();
    let result = body();
    (started.elapsed(), result)
}

/// Prints and empties the list; returns the median.
fn report(what: &str, times: &mut Vec<Duration>, per: u32) -> f64 {
    times.sort();
    let each = |time: Duration| time.as_nanos() as f64 / f64::from(per);
    let median = each(times[times.len() / 2]);
    let (best, worst) = (each(times[0]), each(times[times.len() - 1]));
    println!("  {what}: median {median:.2} ns, best {best:.2}, worst {worst:.2} (/{per})");
    times.clear();
    median
}

fn linker(engine: &Engine) -> Result<Linker<World>> {
    type C<'a> = Caller<'a, World>;
    type R = Option<ExternRef>;
    let mut linker = Linker::<World>::new(engine);
    linker.func_wrap("h", "give", |caller: C<'_>| caller.data().object.clone())?;
    linker.func_wrap("h", "take", |_: R, _: R, _: R, _: R| {})?;
    linker.func_wrap("h", "mark", |mut caller: C<'_>| caller.data_mut().marked = Instant::now())?;
    linker.func_wrap("h", "collect", |mut caller: C<'_>| -> Result<()> {
        for _ in 0..ROUNDS {
            let (took, outcome) = timed(|| caller.as_context_mut().gc());
            outcome?;
            caller.data_mut().whole.push(took);
        }
        Ok(())
    })?;
    linker.func_wrap("h", "steps", |mut caller: C<'_>| -> Result<()> {
        let (took, progress) = timed(|| caller.as_context_mut().gc_step(STEP));
        let mut finished = progress?.finished;
        caller.data_mut().first.push(took);
        while !finished {
            let (took, progress) = timed(|| caller.as_context_mut().gc_step(STEP));
            let progress = progress?;
            finished = progress.finished;
            if progress.examined == STEP {
                caller.data_mut().later.push(took);
            }
        }
        Ok(())
    })?;
    Ok(linker)
}

fn walks(store: &mut Store<World>, instance: &Instance) -> Result<()> {
    instance.get_typed_func::<u32, ()>(&mut *store, "bare")?.call(&mut *store, FRAMES - 1)?;
    let frame =
        report("walk of frames without references, a frame", &mut store.data_mut().whole, FRAMES);
    instance.get_typed_func::<u32, ()>(&mut *store, "deep")?.call(&mut *store, FRAMES - 1)?;
    let all = report(
        "collection of frames with 4 live references each, a frame",
        &mut store.data_mut().whole,
        FRAMES,
    );
    println!("  marking and keeping, a reference: {:.2} ns", (all - frame) / 4.0);
    Ok(())
}

fn tables(store: &mut Store<World>, instance: &Instance) -> Result<()> {
    store.set_auto_drain(false);
    let steps = instance.get_typed_func::<u32, ()>(&mut *store, "many-and-steps")?;
    let many = instance.get_typed_func::<u32, ()>(&mut *store, "many-and-mark")?;
    let (mut drains, mut returns) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        steps.call(&mut *store, ENTRIES)?;
        let (took, drained) = timed(|| store.drain_released(ENTRIES as usize));
        assert_eq!(drained, ENTRIES as usize);
        drains.push(took);
    }
    report("gc_step, later ones, an entry that dies", &mut store.data_mut().later, STEP);
    report("drain_released, a handle (the object stays)", &mut drains, ENTRIES);
    for _ in 0..ROUNDS {
        many.call(&mut *store, ENTRIES)?;
        returns.push(store.data().marked.elapsed());
        store.drain_released(usize::MAX);
    }
    report("outermost return, an entry that dies", &mut returns, ENTRIES);
    store.set_auto_drain(true);
    Ok(())
}

fn reads(store: &mut Store<World>, instance: &Instance) -> Result<()> {
    const TURNS: u32 = 10_000_000;
    instance.get_typed_func::<(), ()>(&mut *store, "fill")?.call(&mut *store, ())?;
    let read = instance.get_typed_func::<u32, u32>(&mut *store, "read")?;
    let mut times = Vec::new();
    for _ in 0..7 {
        let (took, nulls) = timed(|| read.call(&mut *store, TURNS));
        assert_eq!(nulls?, 0);
        times.push(took);
    }
    report("a loop around table.get, a turn", &mut times, TURNS);
    Ok(())
}

#[test]
#[ignore = "a measurement"]
fn measure() -> Result<()> {
    for policy in [DeferralPolicy::ZeroCount, DeferralPolicy::CloneOnRead] {
        let mut config = Config::new();
        config.deferral_policy(policy).reference_slots(100_000).max_wasm_stack(4 << 20);
        config.gc_threshold(Some(90_000));
        let engine = Engine::new(&config)?;
        let module = Module::new(&engine, wat::parse_str(MODULE).expect("text"))?;
        let body = move || -> Result<()> {
            println!("{policy:?}");
            let object = ExternRef::new(1_u32)?;
            let (whole, first, later) = (Vec::new(), Vec::new(), Vec::new());
            let world = World { object, whole, first, later, marked: Instant::now() };
            let mut store = Store::new(&engine, world)?;
            let instance = linker(&engine)?.instantiate(&mut store, &module)?;
            walks(&mut store, &instance)?;
            tables(&mut store, &instance)?;
            reads(&mut store, &instance)
        };
        let thread = std::thread::Builder::new().stack_size(64 << 20);
        thread.spawn(body).expect("a thread").join().expect("no panic")?;
    }
    Ok(())
}
