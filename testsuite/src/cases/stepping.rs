//! Incremental collections: they find what a full collection finds, Wasm may
//! run between steps, and an abandoned one loses nothing.

use crate::support::{Census, Setup, linked, tools};
use kernref::{AsContextMut, Caller, Linker};

/// A linker with `h.step(budget) -> examined, finished, queued`.
fn stepping(engine: &kernref::Engine) -> Linker<Census> {
    let mut linker = tools(engine);
    let step = |mut caller: Caller<'_, Census>, budget: u32| -> kernref::Result<(u32, u32, u32)> {
        let progress = caller.as_context_mut().gc_step(budget)?;
        assert!(progress.examined <= budget, "{progress:?} with a budget of {budget}");
        Ok((progress.examined, progress.finished.into(), progress.queued))
    };
    linker.func_wrap("h", "step", step).unwrap();
    let stepped = |mut caller: Caller<'_, Census>, budget: u32| -> kernref::Result<u32> {
        for round in 1..10_000 {
            let progress = caller.as_context_mut().gc_step(budget)?;
            assert!(progress.examined == budget || progress.finished, "{progress:?}");
            if progress.finished {
                return Ok(round);
            }
        }
        panic!("never finished");
    };
    linker.func_wrap("h", "stepped", stepped).unwrap();
    linker
}

pub fn steps_find_what_a_collection_finds(setup: Setup) {
    // Not under zeal, which collects before there is anything to step through.
    let setup = Setup { zeal: false, ..setup };
    setup.each_engine(|engine| {
        for (budget, rounds) in [(1, 30), (7, 5), (29, 2), (30, 1), (u32::MAX, 1)] {
            let census = Census::default();
            let (mut store, instance) = linked(
                &stepping(engine),
                census.clone(),
                r#"(module
                    (import "h" "make" (func $make (param i32) (result externref)))
                    (import "h" "use" (func $use (param externref)))
                    (import "h" "stepped" (func $stepped (param i32) (result i32)))
                    (table $t 5 externref)
                    (func (export "run") (param $budget i32) (param $n i32) (result i32)
                        (local $a externref) (local $b externref)
                        (local.set $a (call $make (i32.const 1)))
                        (loop $again
                            (drop (call $make (local.get $n)))
                            (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
                        (table.set $t (i32.const 2) (call $make (i32.const 2)))
                        (local.set $b (call $make (i32.const 3)))
                        (call $stepped (local.get $budget))
                        (call $use (local.get $a))
                        (call $use (local.get $b))))"#,
            );
            let run = instance.get_typed_func::<(u32, u32), u32>(&mut store, "run").unwrap();
            assert_eq!(run.call(&mut store, (budget, 27)).unwrap(), rounds, "{budget}");
            assert_eq!(census.alive(), 1, "what is in the table");
            assert_eq!(store.gc_stats().released, 29);
        }
    });
}

pub fn wasm_runs_between_steps(setup: Setup) {
    setup.each_engine(|engine| {
        let census = Census::default();
        let (mut store, instance) = linked(
            &stepping(engine),
            census.clone(),
            r#"(module
                (import "h" "make" (func $make (param i32) (result externref)))
                (import "h" "number" (func $number (param externref) (result i32)))
                (import "h" "step" (func $step (param i32) (result i32 i32 i32)))
                (table $t 8 externref)
                (global $g (mut externref) (ref.null extern))
                (func $some (call $step (i32.const 1)) drop drop drop)
                (func (export "run") (param $n i32) (result i32)
                    (local $held externref) (local $fresh externref) (local $sum i32)
                    (loop $fill
                        (table.set $t (i32.and (local.get $n) (i32.const 7))
                            (call $make (local.get $n)))
                        (br_if $fill (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
                    (local.set $n (i32.const 64))
                    (loop $again
                        (call $some)
                        ;; Read, then overwrite while a step is under way.
                        (local.set $held (table.get $t (i32.and (local.get $n) (i32.const 7))))
                        (call $some)
                        (local.set $fresh (call $make (local.get $n)))
                        (table.set $t (i32.and (local.get $n) (i32.const 7)) (local.get $fresh))
                        (call $some)
                        (global.set $g (local.get $held))
                        (call $some)
                        (global.set $g (local.get $fresh))
                        (call $some)
                        (local.set $sum (i32.add (local.get $sum)
                            (i32.add (call $number (local.get $held))
                                (call $number (local.get $fresh)))))
                        (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
                    (local.get $sum)))"#,
        );
        let run = instance.get_typed_func::<u32, u32>(&mut store, "run").unwrap();
        // The eight initial ones, then each fresh one is held eight rounds later.
        let fresh: u32 = (1..=64).sum();
        let held: u32 = (1..=8).sum::<u32>() + (9..=64).sum::<u32>();
        assert_eq!(run.call(&mut store, 16).unwrap(), fresh + held);
        assert_eq!(census.alive(), 8);
        store.gc().unwrap();
        assert_eq!(census.alive(), 8);
        assert_eq!(census.released(), 16 + 64 - 8);
        drop(store);
        assert_eq!((census.alive(), census.released()), (0, 80));
    });
}

/// Makes ten objects that nothing holds and one that a local holds, takes a
/// step, then runs `then`.
fn half_collected(then: &str) -> alloc::string::String {
    alloc::format!(
        r#"(module
            (import "h" "make" (func $make (param i32) (result externref)))
            (import "h" "use" (func $use (param externref)))
            (import "h" "alive" (func $alive (result i32)))
            (import "h" "step" (func $step (param i32) (result i32 i32 i32)))
            (import "h" "stepped" (func $stepped (param i32) (result i32)))
            (table $t 5 externref)
            (func (export "run") (result i32)
                (local $n i32) (local $a externref)
                (local.set $a (call $make (i32.const 0)))
                (table.set $t (i32.const 0) (call $make (i32.const 1)))
                (local.set $n (i32.const 10))
                (loop $again
                    (drop (call $make (local.get $n)))
                    (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
                (call $step (i32.const 3)) drop drop drop
                {then}
                (call $use (local.get $a))))"#
    )
}

pub fn an_abandoned_step_loses_nothing(setup: Setup) {
    setup.each_engine(|engine| {
        for (then, expected) in [
            // Two are alive: one in the local, one in the table.
            ("(call $alive)", Some(2)),
            ("(drop (call $stepped (i32.const 2))) (call $alive)", Some(2)),
            ("(i32.const 7)", Some(7)),
            ("(unreachable)", None),
        ] {
            let census = Census::default();
            let linker = stepping(engine);
            let (mut store, instance) = linked(&linker, census.clone(), &half_collected(then));
            let run = instance.get_typed_func::<(), u32>(&mut store, "run").unwrap();
            assert_eq!(run.call(&mut store, ()).ok(), expected, "{then}");
            assert_eq!(census.alive(), 1, "{then}");
            assert_eq!(run.call(&mut store, ()).ok(), expected, "{then}");
            assert_eq!((census.alive(), census.released()), (1, 23), "{then}");
            drop(store);
            assert_eq!((census.alive(), census.released()), (0, 24), "{then}");
        }
    });
}

pub fn a_store_dropped_in_the_middle_of_a_step(setup: Setup) {
    setup.each_engine(|engine| {
        let census = Census::default();
        let (mut store, instance) =
            linked(&stepping(engine), census.clone(), &half_collected("(i32.const 1)"));
        store.set_auto_drain(false);
        let run = instance.get_typed_func::<(), u32>(&mut store, "run").unwrap();
        assert_eq!(run.call(&mut store, ()).unwrap(), 1);
        // A collection step outside any call, without draining.
        store.gc_step(0).unwrap();
        assert_eq!(census.alive(), 12);
        drop(store);
        assert_eq!((census.alive(), census.released()), (0, 12));
    });
}

pub fn what_a_step_marks_late_goes_one_collection_later(setup: Setup) {
    // Invariant G7 of `gc`: an entry overwritten after it was examined but before
    // the incremental collection ends may survive the next collection, but not two.
    let setup = Setup { zeal: false, ..setup };
    setup.each_engine(|engine| {
        let census = Census::default();
        let (mut store, instance) = linked(
            &stepping(engine),
            census.clone(),
            r#"(module
                (import "h" "make" (func $make (param i32) (result externref)))
                (import "h" "step" (func $step (param i32) (result i32 i32 i32)))
                (import "h" "alive" (func $alive (result i32)))
                (table $t 1 externref)
                (func $held (param externref))
                (func (export "run") (param $n i32) (result i32 i32 i32)
                    (loop $again
                        (drop (call $make (local.get $n)))
                        (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
                    ;; The newest entry: examined first, while the table counts it.
                    (table.set $t (i32.const 0) (call $make (i32.const 1)))
                    (call $held (table.get $t (i32.const 0)))
                    (call $step (i32.const 1)) drop drop drop
                    (table.set $t (i32.const 0) (ref.null extern))
                    (call $step (i32.const 1000)) drop drop drop
                    (call $alive) (call $alive) (call $alive)))"#,
        );
        let run = instance.get_typed_func::<u32, (u32, u32, u32)>(&mut store, "run").unwrap();
        let (first, second, third) = run.call(&mut store, 5).unwrap();
        assert!(first <= 1, "{first} alive after a collection");
        assert_eq!((second, third), (0, 0));
        assert_eq!((census.alive(), census.released()), (0, 6));
    });
}
