//! What changes a count and what does not: a reference is counted where it
//! outlives the activation, and nowhere else.

use crate::support::{Census, Maybe, Setup, instance, linked, number, tools};
use alloc::vec::Vec;
use kernref::{Error, ExternRef, Func, Linker, Misuse, Store, Trap, Val};

pub fn moving_between_locals_and_functions_counts_nothing(setup: Setup) {
    setup.each_engine(|engine| {
        let census = Census::default();
        let (mut store, instance) = linked(
            &tools(engine),
            census.clone(),
            r#"(module
                (import "h" "count" (func $count (param externref) (result i32)))
                (func $deep (param externref externref i32) (result i32)
                    (local $copy externref)
                    (local.set $copy (local.tee 1 (local.get 0)))
                    (if (result i32) (local.get 2)
                        (then (call $deep (local.get 1) (local.get $copy)
                            (i32.sub (local.get 2) (i32.const 1))))
                        (else (call $count (local.get $copy)))))
                (func (export "run") (param externref) (result i32 i32)
                    (local $a externref) (local $b externref)
                    (local.set $a (local.get 0))
                    (local.set $b (local.tee $a (local.get $a)))
                    (call $count (local.get $b))
                    (call $deep (local.get $a) (local.get $b) (i32.const 9))))"#,
        );
        let run = instance.get_typed_func::<ExternRef, (u32, u32)>(&mut store, "run").unwrap();
        let object = census.object(1);
        // One handle here, one in the store.
        assert_eq!(run.call(&mut store, object.clone()).unwrap(), (2, 2));
        assert_eq!(object.strong_count(), 1);
        assert_eq!(run.call(&mut store, object).unwrap(), (1, 1));
        assert_eq!((census.alive(), census.released()), (0, 1));
    });
}

pub fn a_reference_in_many_places_is_one_handle(setup: Setup) {
    setup.each_engine(|engine| {
        let census = Census::default();
        let (mut store, instance) = linked(
            &tools(engine),
            census.clone(),
            r#"(module
                (import "h" "count" (func $count (param externref) (result i32)))
                (table $t (export "t") 20 externref)
                (global $g (mut externref) (ref.null extern))
                (func (export "spread") (param externref) (result i32)
                    (table.fill $t (i32.const 0) (local.get 0) (i32.const 20))
                    (global.set $g (local.get 0))
                    (call $count (local.get 0)))
                (func (export "null") (param i32)
                    (table.set $t (local.get 0) (ref.null extern)))
                (func (export "forget") (global.set $g (ref.null extern))))"#,
        );
        let spread = instance.get_typed_func::<ExternRef, u32>(&mut store, "spread").unwrap();
        let null = instance.get_typed_func::<u32, ()>(&mut store, "null").unwrap();
        let forget = instance.get_typed_func::<(), ()>(&mut store, "forget").unwrap();
        assert_eq!(spread.call(&mut store, census.object(5)).unwrap(), 1);
        assert_eq!(store.gc_stats().slots_used, 1);
        for at in 0..20 {
            null.call(&mut store, at).unwrap();
            // Setting null again subtracts nothing.
            null.call(&mut store, at).unwrap();
            store.gc().unwrap();
            assert_eq!(census.alive(), 1, "after {at}");
        }
        forget.call(&mut store, ()).unwrap();
        assert_eq!((census.alive(), census.released()), (0, 1));
        assert_eq!(store.gc_stats().slots_used, 0);
    });
}

pub fn storing_what_is_there_already_changes_nothing(setup: Setup) {
    setup.each_engine(|engine| {
        let census = Census::default();
        let (mut store, instance) = instance(
            engine,
            r#"(module
                (table $t (export "t") 3 externref)
                (global $g (export "g") (mut externref) (ref.null extern))
                (func (export "put") (param externref)
                    (table.set $t (i32.const 1) (local.get 0)))
                (func (export "keep") (param externref) (global.set $g (local.get 0)))
                (func (export "again")
                    (table.set $t (i32.const 1) (table.get $t (i32.const 1)))
                    (table.fill $t (i32.const 1) (table.get $t (i32.const 1)) (i32.const 1))
                    (table.copy $t $t (i32.const 0) (i32.const 0) (i32.const 3))
                    (table.copy $t $t (i32.const 1) (i32.const 1) (i32.const 1))
                    (global.set $g (global.get $g))))"#,
        );
        let put = instance.get_typed_func::<ExternRef, ()>(&mut store, "put").unwrap();
        let keep = instance.get_typed_func::<ExternRef, ()>(&mut store, "keep").unwrap();
        let again = instance.get_typed_func::<(), ()>(&mut store, "again").unwrap();
        put.call(&mut store, census.object(1)).unwrap();
        keep.call(&mut store, census.object(2)).unwrap();
        for _ in 0..5 {
            again.call(&mut store, ()).unwrap();
            assert_eq!(census.alive(), 2);
        }
        let table = instance.get_table(&mut store, "t").unwrap();
        let global = instance.get_global(&mut store, "g").unwrap();
        table.set(&mut store, 1, Val::ExternRef(None)).unwrap();
        assert_eq!(census.alive(), 1);
        global.set(&mut store, Val::ExternRef(None)).unwrap();
        assert_eq!((census.alive(), census.released()), (0, 2));
    });
}

/// Each way to overwrite element 0 and global `g` while a local still holds the
/// old value.
const OVERWRITES: [&str; 8] = [
    "(table.set $t (i32.const 0) (ref.null extern))",
    "(table.set $t (i32.const 0) (call $make (i32.const 50)))",
    "(table.fill $t (i32.const 0) (ref.null extern) (i32.const 2))",
    "(table.copy $t $t (i32.const 0) (i32.const 1) (i32.const 1))",
    "(table.copy $t $u (i32.const 0) (i32.const 0) (i32.const 2))",
    "(table.init $t $nulls (i32.const 0) (i32.const 0) (i32.const 2))",
    "(call $replace (i32.const 0))",
    "(table.set $t (i32.const 0) (table.get $t (i32.const 1)))",
];

pub fn what_a_frame_holds_survives_every_way_to_overwrite_it(setup: Setup) {
    setup.each_engine(|engine| {
        let mut linker = tools(engine);
        linker
            .func_wrap("h", "replace", |mut caller: kernref::Caller<'_, Census>, at: u32| {
                // The host overwrites the element while Wasm holds its old value.
                let table = caller.get_export("t").and_then(kernref::Extern::into_table).unwrap();
                table.set(&mut caller, at.into(), Val::ExternRef(None))
            })
            .unwrap();
        for overwrite in OVERWRITES {
            let census = Census::default();
            let text = alloc::format!(
                r#"(module
                    (import "h" "make" (func $make (param i32) (result externref)))
                    (import "h" "gc" (func $gc))
                    (import "h" "number" (func $number (param externref) (result i32)))
                    (import "h" "replace" (func $replace (param i32)))
                    (table $t (export "t") 2 externref)
                    (table $u 2 externref)
                    (elem $nulls externref (ref.null extern) (ref.null extern))
                    (func (export "run") (result i32 i32)
                        (local $held externref)
                        (table.set $t (i32.const 0) (call $make (i32.const 7)))
                        (call $gc)
                        (local.set $held (table.get $t (i32.const 0)))
                        {overwrite}
                        (call $gc)
                        (call $number (local.get $held))
                        (call $gc)
                        (ref.is_null (table.get $t (i32.const 0)))))"#
            );
            let (mut store, instance) = linked(&linker, census.clone(), &text);
            let run = instance.get_typed_func::<(), (u32, u32)>(&mut store, "run").unwrap();
            let makes = overwrite.contains("$make");
            assert_eq!(run.call(&mut store, ()).unwrap(), (7, u32::from(!makes)), "{overwrite}");
            assert_eq!(census.alive(), usize::from(makes), "{overwrite}");
        }
    });
}

pub fn a_global_overwritten_while_held(setup: Setup) {
    setup.each_engine(|engine| {
        let census = Census::default();
        let (mut store, instance) = linked(
            &tools(engine),
            census.clone(),
            r#"(module
                (import "h" "make" (func $make (param i32) (result externref)))
                (import "h" "alive" (func $alive (result i32)))
                (import "h" "number" (func $number (param externref) (result i32)))
                (global $g (mut externref) (ref.null extern))
                (func (export "run") (result i32 i32 i32)
                    (local $held externref)
                    (global.set $g (call $make (i32.const 3)))
                    (local.set $held (global.get $g))
                    (global.set $g (call $make (i32.const 4)))
                    (call $alive)
                    (call $number (local.get $held))
                    (call $alive)))"#,
        );
        let run = instance.get_typed_func::<(), (u32, u32, u32)>(&mut store, "run").unwrap();
        assert_eq!(run.call(&mut store, ()).unwrap(), (2, 3, 1));
        assert_eq!(census.alive(), 1);
        assert_eq!(run.call(&mut store, ()).unwrap(), (2, 3, 1));
        assert_eq!((census.alive(), census.released()), (1, 3));
    });
}

pub fn one_object_passed_and_returned_several_times(setup: Setup) {
    setup.each_engine(|engine| {
        let census = Census::default();
        let (mut store, instance) = instance(
            engine,
            r#"(module
                (func (export "four") (param externref externref)
                    (result externref externref externref externref)
                    local.get 0 local.get 1 local.get 0 ref.null extern))"#,
        );
        type Four = (Maybe, Maybe, Maybe, Maybe);
        let four = instance.get_typed_func::<(Maybe, Maybe), Four>(&mut store, "four").unwrap();
        let object = census.object(1);
        let args = (Some(object.clone()), Some(object.clone()));
        let (a, b, c, none) = four.call(&mut store, args).unwrap();
        assert!(none.is_none());
        let all: Vec<ExternRef> = [a, b, c].into_iter().flatten().collect();
        assert!(all.len() == 3 && all.iter().all(|back| back.ptr_eq(&object)));
        assert_eq!(object.strong_count(), 4);
        let other = census.object(2);
        let (a, b, ..) = four.call(&mut store, (None, Some(other.clone()))).unwrap();
        assert!(a.is_none() && b.is_some_and(|back| back.ptr_eq(&other)));
        drop((all, object, other));
        assert_eq!((census.alive(), census.released()), (0, 2));
    });
}

pub fn untyped_calls_count_alike(setup: Setup) {
    setup.each_engine(|engine| {
        let census = Census::default();
        let (mut store, instance) = instance(
            engine,
            r#"(module (func (export "same") (param externref i32) (result i32 externref)
                local.get 1 local.get 0))"#,
        );
        let same = instance.get_func(&mut store, "same").unwrap();
        let object = census.object(9);
        let params = [Val::from(object.clone()), Val::I32(5)];
        let mut results = [Val::I64(0), Val::from(census.object(10))];
        same.call(&mut store, &params, &mut results).unwrap();
        // The old contents of the results slice are gone.
        assert_eq!(census.alive(), 1);
        assert_eq!(object.strong_count(), 3);
        let back = results[1].extern_ref().flatten().unwrap();
        assert!(back.ptr_eq(&object) && results[0].i32() == Some(5));
        drop((params, results));
        assert_eq!(object.strong_count(), 1);
    });
}

pub fn select_and_is_null(setup: Setup) {
    setup.each_engine(|engine| {
        let census = Census::default();
        let (mut store, instance) = instance(
            engine,
            r#"(module
                (func (export "pick") (param externref externref i32) (result externref i32)
                    (select (result externref) (local.get 0) (local.get 1) (local.get 2))
                    (ref.is_null
                        (select (result externref) (local.get 0) (local.get 1) (local.get 2)))))"#,
        );
        let pick = instance.get_typed_func::<(Maybe, Maybe, u32), (Maybe, u32)>(&mut store, "pick");
        let pick = pick.unwrap();
        let object = || Some(census.object(4));
        let mut picked = |args| {
            let (found, null) = pick.call(&mut store, args).unwrap();
            assert_eq!(census.alive(), usize::from(found.is_some()));
            (found.as_ref().map(number), null)
        };
        assert_eq!(picked((object(), None, 1)), (Some(4), 0));
        assert_eq!(picked((object(), None, 0)), (None, 1));
        assert_eq!(picked((None, object(), 0)), (Some(4), 0));
        assert_eq!(census.alive(), 0);
    });
}

pub fn a_trap_keeps_what_was_stored_and_releases_the_rest(setup: Setup) {
    setup.each_engine(|engine| {
        let census = Census::default();
        let mut linker = tools(engine);
        linker
            .func_wrap("h", "refuse", |_: ExternRef| -> kernref::Result<()> {
                Err(Error::Misuse(Misuse::Busy))
            })
            .unwrap();
        let (mut store, instance) = linked(
            &linker,
            census.clone(),
            r#"(module
                (import "h" "make" (func $make (param i32) (result externref)))
                (import "h" "refuse" (func $refuse (param externref)))
                (table $t (export "t") 4 externref)
                (func $down (param $n i32) (param $how i32)
                    (local $mine externref)
                    (local.set $mine (call $make (local.get $n)))
                    (table.set $t (i32.const 0) (local.get $mine))
                    (if (local.get $n)
                        (then (call $down (i32.sub (local.get $n) (i32.const 1)) (local.get $how)))
                        (else (if (local.get $how)
                            (then (call $refuse (local.get $mine)))
                            (else (table.set $t (i32.const 4) (local.get $mine))))))
                    (table.set $t (i32.const 1) (local.get $mine)))
                (func (export "down") (param i32 i32)
                    (call $down (local.get 0) (local.get 1))))"#,
        );
        let down = instance.get_typed_func::<(u32, u32), ()>(&mut store, "down").unwrap();
        let table = instance.get_table(&mut store, "t").unwrap();
        for round in 0..3 {
            let error = down.call(&mut store, (20, 0)).unwrap_err();
            assert_eq!(error.as_trap(), Some(Trap::TableOutOfBounds));
            assert_eq!(census.alive(), 1, "round {round}");
            let error = down.call(&mut store, (20, 1)).unwrap_err();
            assert!(matches!(error, Error::Misuse(Misuse::Busy)));
            assert_eq!(census.alive(), 1, "round {round}");
        }
        let kept = table.get(&store, 0).unwrap();
        assert_eq!(kept.extern_ref().flatten().map(number), Some(0));
        assert!(table.get(&store, 1).unwrap().extern_ref().flatten().is_none());
    });
}

pub fn an_owned_argument_is_one_handle_more(setup: Setup) {
    setup.each_engine(|engine| {
        let census = Census::default();
        let mut linker = Linker::<Census>::new(engine);
        linker.func_wrap("h", "owned", |object: ExternRef| object.strong_count() as u32).unwrap();
        linker
            .func_new(
                "h",
                "dynamic",
                kernref::FuncType::new([kernref::ValType::EXTERNREF], [kernref::ValType::I32])
                    .unwrap(),
                |_, params, results| {
                    let object = params[0].extern_ref().flatten().unwrap();
                    results[0] = Val::I32(object.strong_count() as i32);
                    Ok(())
                },
            )
            .unwrap();
        let (mut store, instance) = linked(
            &linker,
            census.clone(),
            r#"(module
                (import "h" "owned" (func $owned (param externref) (result i32)))
                (import "h" "dynamic" (func $dynamic (param externref) (result i32)))
                (func (export "run") (param externref) (result i32 i32 i32)
                    (call $owned (local.get 0)) (call $dynamic (local.get 0))
                    (call $owned (local.get 0))))"#,
        );
        let run = instance.get_typed_func::<ExternRef, (u32, u32, u32)>(&mut store, "run").unwrap();
        assert_eq!(run.call(&mut store, census.object(1)).unwrap(), (2, 2, 2));
        assert_eq!(census.alive(), 0);
    });
}

pub fn functions_are_not_counted(setup: Setup) {
    setup.each_engine(|engine| {
        let (mut store, instance) = instance(
            engine,
            r#"(module
                (type $i (func (result i32)))
                (table $t (export "t") 4 funcref)
                (global $g (mut funcref) (ref.null func))
                (elem declare func $one)
                (func $one (export "one") (type $i) i32.const 1)
                (func (export "swap") (param funcref) (result funcref)
                    (global.get $g) (global.set $g (local.get 0)))
                (func (export "pick") (param funcref i32) (result funcref)
                    (select (result funcref) (local.get 0) (ref.func $one) (local.get 1)))
                (func (export "spread") (param funcref) (result i32)
                    (table.fill $t (i32.const 1) (local.get 0) (i32.const 3))
                    (drop (table.grow $t (local.get 0) (i32.const 2)))
                    (ref.is_null (table.get $t (i32.const 0)))))"#,
        );
        let before = store.gc_stats();
        let swap = instance.get_typed_func::<Option<Func>, Option<Func>>(&mut store, "swap");
        let swap = swap.unwrap();
        let one = instance.get_func(&mut store, "one").unwrap();
        assert!(swap.call(&mut store, Some(one)).unwrap().is_none());
        let back = swap.call(&mut store, None).unwrap().unwrap();
        assert_eq!(back.typed::<(), i32>(&store).unwrap().call(&mut store, ()).unwrap(), 1);
        let two = Func::wrap(&mut store, || 2).unwrap();
        let pick = instance.get_typed_func::<(Func, u32), Func>(&mut store, "pick").unwrap();
        let value = |store: &mut Store<()>, func: Func| {
            func.typed::<(), i32>(&*store).unwrap().call(store, ()).unwrap()
        };
        let picked = pick.call(&mut store, (two, 1)).unwrap();
        assert_eq!(value(&mut store, picked), 2);
        let picked = pick.call(&mut store, (two, 0)).unwrap();
        assert_eq!(value(&mut store, picked), 1);
        let spread = instance.get_typed_func::<Func, u32>(&mut store, "spread").unwrap();
        assert_eq!(spread.call(&mut store, two).unwrap(), 1);
        let table = instance.get_table(&mut store, "t").unwrap();
        for at in 1..6 {
            let found = table.get(&store, at).unwrap().func_ref().flatten().unwrap();
            assert_eq!(value(&mut store, found), 2);
        }
        let after = store.gc_stats();
        assert_eq!((before.slots_used, before.released), (after.slots_used, after.released));
    });
}
