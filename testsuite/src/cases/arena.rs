//! Small or full arenas, and quotas: a call either gives the right result or is
//! refused, and nothing leaks.

use crate::support::{Census, Maybe, Setup, instance, linked, module, number, tools};
use alloc::boxed::Box;
use alloc::vec::Vec;
use alloc::{format, vec};
use core::mem::MaybeUninit;
use kernref::{
    Caller, Config, Engine, Error, Extern, ExternRef, Global, GlobalType, Linker, Misuse, RefType,
    Rooted, Store, Table, TableType, Trap, Val, ValType,
};

type Five = (Maybe, Maybe, Maybe, Maybe, Maybe);
type Four = (Maybe, Maybe, Maybe, Maybe);

fn slots(count: u32) -> impl Fn(&mut Config) {
    move |config| {
        config.reference_slots(count);
    }
}

fn five(census: &Census) -> Five {
    let object = |number| Some(census.object(number));
    (object(1), object(2), object(3), object(4), object(5))
}

fn numbers(found: &Four) -> [u32; 4] {
    [&found.0, &found.1, &found.2, &found.3].map(|found| found.as_ref().map_or(0, number))
}

fn is_full<R: core::fmt::Debug>(outcome: &kernref::Result<R>) -> bool {
    matches!(outcome, Err(Error::Trap(Trap::ReferenceArenaFull)))
}

/// Passes five references to a host function that returns four; the calling
/// Wasm keeps none of the five.
fn five_to_four(name: &str) -> alloc::string::String {
    let five = "externref externref externref externref externref";
    let four = "externref externref externref externref";
    format!(
        r#"(module
            (import "h" "{name}" (func $host (param {five}) (result {four})))
            (func (export "run") (param {five}) (result {four})
                (call $host (local.get 0) (local.get 1) (local.get 2) (local.get 3)
                    (local.get 4))))"#
    )
}

fn sum_of(a: [&ExternRef; 5]) -> u32 {
    a.into_iter().map(number).sum()
}

fn hosts(engine: &Engine) -> Linker<Census> {
    let mut linker = Linker::<Census>::new(engine);
    let fresh = |census: &Census, sum: u32| -> Four {
        let object = |number| Some(census.object(number));
        (object(sum), object(sum + 1), None, object(sum + 3))
    };
    type E = ExternRef;
    let owned = move |caller: Caller<'_, Census>, a: E, b: E, c: E, d: E, e: E| {
        let sum = sum_of([&a, &b, &c, &d, &e]);
        drop((a, b, c, d, e));
        fresh(caller.data(), sum)
    };
    linker.func_wrap("h", "owned", owned).unwrap();
    type R = Rooted;
    let rooted = move |caller: Caller<'_, Census>, a: R, b: R, c: R, d: R, e: R| {
        let all = [a.get(&caller)?, b.get(&caller)?, c.get(&caller)?, d.get(&caller)?];
        let sum = sum_of([all[0], all[1], all[2], all[3], e.get(&caller)?]);
        kernref::Result::Ok(fresh(caller.data(), sum))
    };
    linker.func_wrap("h", "rooted", rooted).unwrap();
    let back = |a: R, b: R, _: R, _: R, e: R| (Some(e), None::<Rooted>, Some(b), Some(a));
    linker.func_wrap("h", "back", back).unwrap();
    let ty = kernref::FuncType::new([ValType::EXTERNREF; 5], [ValType::EXTERNREF; 4]).unwrap();
    let dynamic = |caller: Caller<'_, Census>, params: &[Val], results: &mut [Val]| {
        let sum = params.iter().filter_map(|p| p.extern_ref().flatten().map(number)).sum::<u32>();
        for (at, result) in results.iter_mut().enumerate().filter(|(at, _)| *at != 2) {
            *result = caller.data().object(sum + at as u32).into();
        }
        Ok(())
    };
    linker.func_new("h", "dynamic", ty, dynamic).unwrap();
    linker
}

pub fn five_in_and_four_out(setup: Setup) {
    for count in [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 20] {
        setup.each_config(slots(count), |engine| {
            let linker = hosts(engine);
            // The fewest slots with which it must succeed: borrowed arguments
            // stay during the call, so the results need three or four more.
            for (name, needed) in [("owned", 5), ("rooted", 9), ("back", 5), ("dynamic", 5)] {
                let census = Census::default();
                let (mut store, instance) = linked(&linker, census.clone(), &five_to_four(name));
                let run = instance.get_typed_func::<Five, Four>(&mut store, "run").unwrap();
                for _ in 0..3 {
                    let outcome = run.call(&mut store, five(&census));
                    match &outcome {
                        Ok(found) if name == "back" => assert_eq!(numbers(found), [5, 0, 2, 1]),
                        Ok(found) => assert_eq!(numbers(found), [15, 16, 0, 18]),
                        Err(_) => assert!(is_full(&outcome), "{name} of {count}: {outcome:?}"),
                    }
                    let succeeded = outcome.is_ok();
                    assert!(succeeded || count < needed, "{name} with {count} slots");
                    assert!(!succeeded || count >= 5, "{name} with {count} slots");
                    drop(outcome);
                    assert_eq!(census.alive(), 0, "{name} with {count} slots");
                    assert_eq!(store.gc_stats().slots_used, 0);
                }
            }
        });
    }
}

pub fn the_host_makes_room_for_globals(setup: Setup) {
    // Wasm has let go of what fills the arena, but nobody has collected yet.
    setup.each_config(slots(4), |engine| {
        let mut linker = tools(engine);
        let store_two = |mut caller: Caller<'_, Census>| -> kernref::Result<()> {
            let global = caller.get_export("g").and_then(Extern::into_global).unwrap();
            let object = caller.data().object(7);
            global.set(&mut caller, object.into())?;
            let ty = GlobalType { content: ValType::EXTERNREF, mutable: false };
            let object = caller.data().object(8);
            let made = Global::new(&mut caller, ty, object.into())?;
            assert!(made.get(&caller)?.extern_ref().flatten().is_some_and(|o| number(o) == 8));
            Ok(())
        };
        linker.func_wrap("h", "store", store_two).unwrap();
        let (mut store, instance) = linked(
            &linker,
            Census::default(),
            r#"(module
                (import "h" "make" (func $make (param i32) (result externref)))
                (import "h" "store" (func $store))
                (global (export "g") (mut externref) (ref.null extern))
                (func (export "run")
                    (drop (call $make (i32.const 1))) (drop (call $make (i32.const 2)))
                    (drop (call $make (i32.const 3))) (drop (call $make (i32.const 4)))
                    (call $store)))"#,
        );
        let run = instance.get_typed_func::<(), ()>(&mut store, "run").unwrap();
        run.call(&mut store, ()).unwrap();
        assert_eq!(store.data().alive(), 2);
        run.call(&mut store, ()).unwrap();
        assert_eq!(store.data().alive(), 3);
    });
}

pub fn collections_that_free_too_little_do_not_repeat(setup: Setup) {
    // Frames hold all but a few slots; below them, references come and go.
    const FRAMES: u32 = 1000;
    const ROUNDS: u32 = 3000;
    let setup = Setup { zeal: false, ..setup };
    for (free, is_enough) in [(2, false), (200, true)] {
        let config = |config: &mut Config| {
            config
                .reference_slots(FRAMES + free)
                .gc_threshold(Some(FRAMES + free))
                .max_wasm_stack(200 << 10);
        };
        setup.each_config(config, |engine| {
            let text = format!(
                r#"(module
                    (import "h" "make" (func $make (param i32) (result externref)))
                    (import "h" "use" (func $use (param externref)))
                    (func $down (export "down") (param i32)
                        (local $mine externref) (local $n i32)
                        (if (local.get 0)
                            (then
                                (local.set $mine (call $make (i32.const 1)))
                                (call $down (i32.sub (local.get 0) (i32.const 1)))
                                (call $use (local.get $mine)))
                            (else (loop $l
                                (drop (call $make (i32.const 2)))
                                (br_if $l (i32.lt_u
                                    (local.tee $n (i32.add (local.get $n) (i32.const 1)))
                                    (i32.const {ROUNDS}))))))))"#
            );
            let (mut store, instance) = linked(&tools(engine), Census::default(), &text);
            let down = instance.get_typed_func::<u32, ()>(&mut store, "down").unwrap();
            for _ in 0..3 {
                let before = store.gc_stats();
                let outcome = down.call(&mut store, FRAMES);
                let walked = store.gc_stats().frames_walked - before.frames_walked;
                let collections = store.gc_stats().collections - before.collections;
                assert_eq!(outcome.is_ok(), is_enough, "{free} free: {outcome:?}");
                assert!(outcome.is_ok() || is_full(&outcome));
                let most = if is_enough { ROUNDS / free + 2 } else { 2 };
                assert!(collections <= most.into(), "{free} free: {collections} collections");
                // At most so many frames for each reference that was made.
                assert!(walked <= 256 * u64::from(FRAMES + ROUNDS), "{free} free: {walked} frames");
                assert_eq!(store.data().alive(), 0);
            }
        });
    }
}

pub fn the_same_untyped(setup: Setup) {
    for count in [1, 2, 3, 5, 8, 9] {
        setup.each_config(slots(count), |engine| {
            let census = Census::default();
            let (mut store, instance) =
                linked(&hosts(engine), census.clone(), &five_to_four("dynamic"));
            let run = instance.get_func(&mut store, "run").unwrap();
            for _ in 0..3 {
                let params: Vec<Val> = (1..6).map(|at| census.object(at).into()).collect();
                let mut results = vec![Val::I32(0); 4];
                let outcome = run.call(&mut store, &params, &mut results);
                assert_eq!(outcome.is_ok(), count >= 5, "{count} slots: {outcome:?}");
                assert!(outcome.is_ok() || is_full(&outcome));
                if outcome.is_ok() {
                    let found = results[3].extern_ref().flatten().map(number);
                    assert_eq!(found, Some(18));
                    assert!(results[2].extern_ref().is_some_and(|null| null.is_none()));
                }
                drop((params, results));
                assert_eq!((census.alive(), store.gc_stats().slots_used), (0, 0));
            }
        });
    }
}

pub fn nulls_take_no_room(setup: Setup) {
    setup.each_config(slots(1), |engine| {
        let census = Census::default();
        let (mut store, instance) = instance(
            engine,
            r#"(module
                (global $g (export "g") (mut externref) (ref.null extern))
                (func (export "keep") (param externref) (global.set $g (local.get 0)))
                (func (export "nulls") (param externref externref externref) (result i32)
                    (i32.add (ref.is_null (local.get 0))
                        (i32.add (ref.is_null (local.get 1)) (ref.is_null (local.get 2))))))"#,
        );
        let nulls = instance.get_func(&mut store, "nulls").unwrap();
        let keep = instance.get_typed_func::<Maybe, ()>(&mut store, "keep").unwrap();
        let mut results = [Val::I32(0)];
        let null = || Val::ExternRef(None);
        let one = [null(), census.object(1).into(), null()];
        nulls.call(&mut store, &one, &mut results).unwrap();
        assert_eq!(results[0].i32(), Some(2));
        drop(one);
        keep.call(&mut store, Some(census.object(2))).unwrap();
        // No slot is left, and none is needed.
        nulls.call(&mut store, &[null(), null(), null()], &mut results).unwrap();
        assert_eq!(results[0].i32(), Some(3));
        assert!(is_full(&keep.call(&mut store, Some(census.object(3)))));
        assert_eq!(census.alive(), 1);
    });
}

pub fn nulls_of_typed_calls_take_no_room_either(setup: Setup) {
    setup.each_config(slots(1), |engine| {
        let census = Census::default();
        let mut linker = Linker::<Census>::new(engine);
        let two = || (None::<ExternRef>, None::<ExternRef>);
        linker.func_wrap("h", "two", two).unwrap();
        let (mut store, instance) = linked(
            &linker,
            census.clone(),
            r#"(module
                (import "h" "two" (func $two (result externref externref)))
                (global $g (mut externref) (ref.null extern))
                (func (export "keep") (param externref) (global.set $g (local.get 0)))
                (func (export "nulls") (param externref externref) (result i32)
                    (i32.add (ref.is_null (local.get 0)) (ref.is_null (local.get 1))))
                (func (export "two") (result i32)
                    (call $two) (ref.is_null) (drop) (ref.is_null)))"#,
        );
        let nulls = instance.get_typed_func::<(Maybe, Maybe), u32>(&mut store, "nulls").unwrap();
        let two = instance.get_typed_func::<(), u32>(&mut store, "two").unwrap();
        let keep = instance.get_typed_func::<Maybe, ()>(&mut store, "keep").unwrap();
        keep.call(&mut store, Some(census.object(2))).unwrap();
        let outcomes = (
            nulls.call(&mut store, (None, None)).ok(),
            two.call(&mut store, ()).ok(),
            keep.call(&mut store, None).ok(),
        );
        assert_eq!(outcomes, (Some(2), Some(1), Some(())));
        assert_eq!(census.alive(), 0);
        assert_eq!(nulls.call(&mut store, (Some(census.object(1)), None)).unwrap(), 1);
    });
}

pub fn a_full_arena_refuses_the_host_too(setup: Setup) {
    setup.each_config(slots(3), |engine| {
        let census = Census::default();
        let mut store = Store::new(engine, ()).unwrap();
        let ty =
            TableType { element: RefType::EXTERNREF, minimum: 2, maximum: None, table64: false };
        let table = Table::new(&mut store, ty, Val::ExternRef(None)).unwrap();
        for at in 0..2 {
            table.set(&mut store, at, census.object(1).into()).unwrap();
        }
        let mutable = GlobalType { content: ValType::EXTERNREF, mutable: true };
        let global = Global::new(&mut store, mutable, census.object(2).into()).unwrap();
        for _ in 0..3 {
            assert!(is_full(&table.set(&mut store, 0, census.object(3).into())));
            assert!(is_full(&table.fill(&mut store, 0, census.object(3).into(), 2)));
            assert!(is_full(&table.grow(&mut store, 1, census.object(3).into())));
            assert!(is_full(&global.set(&mut store, census.object(3).into())));
            assert!(is_full(&Global::new(&mut store, mutable, census.object(3).into())));
            assert!(is_full(&Table::new(&mut store, ty, census.object(3).into())));
            assert_eq!((census.alive(), table.size(&store).unwrap()), (3, 2));
        }
        table.set(&mut store, 0, Val::ExternRef(None)).unwrap();
        global.set(&mut store, census.object(4).into()).unwrap();
        assert_eq!((census.alive(), store.gc_stats().slots_used), (2, 2));
        drop(store);
        assert_eq!(census.alive(), 0);
    });
}

pub fn what_the_host_could_not_store_is_released(setup: Setup) {
    setup.each_engine(|engine| {
        let census = Census::default();
        let mut store = Store::new(engine, ()).unwrap();
        let ty =
            TableType { element: RefType::EXTERNREF, minimum: 1, maximum: Some(2), table64: false };
        let table = Table::new(&mut store, ty, Val::ExternRef(None)).unwrap();
        let object = || -> Val { census.object(1).into() };
        assert!(table.set(&mut store, 1, object()).is_err());
        assert!(table.fill(&mut store, 0, object(), 2).is_err());
        assert!(table.fill(&mut store, 2, object(), 0).is_err());
        assert_eq!(census.alive(), 0);
        assert!(table.grow(&mut store, 2, object()).is_err());
        assert_eq!(census.alive(), 0, "after a refused growth");
        table.fill(&mut store, 1, object(), 0).unwrap();
        table.grow(&mut store, 0, object()).unwrap();
        assert_eq!(census.alive(), 0);
        let functions = TableType { element: RefType::FUNCREF, ..ty };
        assert!(Table::new(&mut store, functions, object()).is_err());
        let number = GlobalType { content: ValType::I32, mutable: true };
        assert!(Global::new(&mut store, number, object()).is_err());
        assert_eq!(census.alive(), 0);
        let backwards = TableType { minimum: 3, ..ty };
        assert!(Table::new(&mut store, backwards, object()).is_err());
        assert_eq!(census.alive(), 0);
    });
}

pub fn a_refused_table_releases_its_initial_value(setup: Setup) {
    setup.each_engine(|engine| {
        let census = Census::default();
        let mut store = Store::new(engine, ()).unwrap();
        let element = RefType::EXTERNREF;
        let huge = TableType { element, minimum: 1 << 40, maximum: None, table64: false };
        let refused = Table::new(&mut store, huge, census.object(1).into());
        assert!(matches!(refused, Err(Error::Limit(_))));
        let now = census.alive();
        store.gc().unwrap();
        assert_eq!((now, census.alive()), (0, 0), "at once, and after a collection");
    });
}

pub fn room_comes_back(setup: Setup) {
    // A loop that replaces elements needs one slot more than it keeps.
    setup.each_config(slots(5), |engine| {
        let census = Census::default();
        let (mut store, instance) = linked(
            &crate::support::tools(engine),
            census.clone(),
            r#"(module
                (import "h" "make" (func $make (param i32) (result externref)))
                (import "h" "number" (func $number (param externref) (result i32)))
                (table $t (export "t") 4 externref)
                (func (export "run") (param $n i32) (result i32)
                    (local $sum i32)
                    (loop $again
                        (table.set $t (i32.and (local.get $n) (i32.const 3))
                            (call $make (local.get $n)))
                        (local.set $sum (i32.add (local.get $sum)
                            (call $number (table.get $t (i32.and (local.get $n) (i32.const 3))))))
                        (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
                    (local.get $sum)))"#,
        );
        let run = instance.get_typed_func::<u32, u32>(&mut store, "run").unwrap();
        for _ in 0..3 {
            assert_eq!(run.call(&mut store, 100).unwrap(), 5050);
            assert_eq!(census.alive(), 4);
        }
        assert_eq!(census.released(), 296);
        store.set_auto_drain(false);
        assert_eq!(run.call(&mut store, 100).unwrap(), 5050);
        assert!(census.alive() <= 5, "{} alive", census.alive());
    });
}

pub fn a_quota_is_a_limit_and_not_a_trap(setup: Setup) {
    let quota = |config: &mut Config| {
        config.reference_slots(100).reference_quota(Some(3));
    };
    setup.each_config(quota, |engine| {
        let census = Census::default();
        let (mut store, instance) = linked(
            &crate::support::tools(engine),
            census.clone(),
            r#"(module
                (import "h" "make" (func $make (param i32) (result externref)))
                (table $t (export "t") 10 externref)
                (func (export "keep") (param $n i32)
                    (loop $again
                        (local.set $n (i32.sub (local.get $n) (i32.const 1)))
                        (table.set $t (local.get $n) (call $make (local.get $n)))
                        (br_if $again (local.get $n)))))"#,
        );
        let keep = instance.get_typed_func::<u32, ()>(&mut store, "keep").unwrap();
        let table = instance.get_table(&mut store, "t").unwrap();
        for _ in 0..3 {
            keep.call(&mut store, 3).unwrap();
            assert_eq!(census.alive(), 3);
            table.fill(&mut store, 0, Val::ExternRef(None), 10).unwrap();
            match keep.call(&mut store, 4) {
                Err(Error::Limit(limit)) => {
                    assert_eq!((limit.requested, limit.limit), (4, 3));
                    assert!(limit.what.contains("references"), "{}", limit.what);
                }
                other => panic!("{other:?}"),
            }
            assert_eq!(census.alive(), 3);
            let refused = table.set(&mut store, 9, census.object(9).into());
            assert!(matches!(refused, Err(Error::Limit(_))), "{refused:?}");
            assert_eq!(census.alive(), 3);
            table.fill(&mut store, 0, Val::ExternRef(None), 10).unwrap();
            assert_eq!(census.alive(), 0);
        }
    });
}

pub fn regions_that_are_too_small_or_misaligned(setup: Setup) {
    setup.each_engine(|engine| {
        let bytes = kernref::Store::<()>::reference_region_bytes(4).unwrap();
        let fresh = || -> &'static mut [MaybeUninit<u8>] {
            // Aligned to 16 by starting at a multiple of it.
            let region =
                Box::leak(vec![MaybeUninit::<u8>::uninit(); 16 + bytes].into_boxed_slice());
            let start = region.as_ptr().addr().wrapping_neg() % 16;
            &mut region[start..start + bytes]
        };
        for len in [0, 1, 16, 39] {
            let region = fresh().split_at_mut(len).0;
            let refused = Store::with_reference_region(engine, (), region).map(|_| ());
            let invalid = matches!(refused, Err(Error::Misuse(Misuse::InvalidConfig(_))));
            assert!(invalid, "{len} bytes: {refused:?}");
        }
        let odd = fresh().split_at_mut(8).1;
        let refused = Store::with_reference_region(engine, (), odd).map(|_| ());
        assert!(matches!(refused, Err(Error::Misuse(Misuse::InvalidConfig(_)))), "{refused:?}");
        let mut store = Store::with_reference_region(engine, (), fresh()).unwrap();
        assert_eq!(store.gc_stats().slots_capacity, 4);
        let text = r#"(module (func (export "f") (param externref externref externref externref)
            (result externref) local.get 3))"#;
        let instance = kernref::Instance::new(&mut store, &module(engine, text), &[]).unwrap();
        let f = instance.get_typed_func::<Four, Maybe>(&mut store, "f").unwrap();
        let census = Census::default();
        let (a, b, c, d, _) = five(&census);
        assert_eq!(f.call(&mut store, (a, b, c, d)).unwrap().as_ref().map(number), Some(4));
        assert_eq!(census.alive(), 0);
    });
}
