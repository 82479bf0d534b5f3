//! Host references: who holds them, and when they are released.

use crate::support::{Census, Setup, instance, linked, number};
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec;
use core::mem::MaybeUninit;
use kernref::{
    Caller, Error, ExternRef, Global, GlobalType, Instance, Linker, Misuse, Rooted, Store, Trap,
    Val, ValType,
};
use spin::Mutex;

const KEEPER: &str = r#"(module
    (table $t (export "t") 10 externref)
    (global $g (export "g") (mut externref) (ref.null extern))
    (func (export "nothing") (param externref))
    (func (export "same") (param externref) (result externref) local.get 0)
    (func (export "put") (param i32 externref) (table.set $t (local.get 0) (local.get 1)))
    (func (export "take") (param i32) (result externref) (table.get $t (local.get 0)))
    (func (export "keep") (param externref) (global.set $g (local.get 0)))
    (func (export "kept") (result externref) (global.get $g))
    (func (export "drop") (param i32) (table.set $t (local.get 0) (ref.null extern)))
    (func (export "is_null") (param externref) (result i32) (ref.is_null (local.get 0))))"#;

pub fn an_argument_that_is_not_kept_is_released_at_return(setup: Setup) {
    setup.each_engine(|engine| {
        let census = Census::default();
        let (mut store, instance) = instance(engine, KEEPER);
        let nothing = instance.get_typed_func::<ExternRef, ()>(&mut store, "nothing").unwrap();
        for at in 0..50 {
            nothing.call(&mut store, census.object(at)).unwrap();
            assert_eq!(census.alive(), 0);
        }
        let mut no_results = [];
        nothing.func().call(&mut store, &[census.object(1).into()], &mut no_results).unwrap();
        assert_eq!(census.alive(), 0);
    });
}

pub fn what_comes_back_is_the_same_object(setup: Setup) {
    setup.each_engine(|engine| {
        let census = Census::default();
        let (mut store, instance) = instance(engine, KEEPER);
        type Maybe = Option<ExternRef>;
        let same = instance.get_typed_func::<Maybe, Maybe>(&mut store, "same").unwrap();
        let object = census.object(3);
        let back = same.call(&mut store, Some(object.clone())).unwrap().unwrap();
        assert!(back.ptr_eq(&object));
        assert_eq!(object.strong_count(), 2, "one for each handle here, none in the store");
        assert!(same.call(&mut store, None).unwrap().is_none());
        let strict = instance.get_typed_func::<Maybe, ExternRef>(&mut store, "same").unwrap();
        let null = strict.call(&mut store, None).unwrap_err();
        assert_eq!(null.as_trap(), Some(Trap::NullReference));
        let is_null = instance.get_typed_func::<Maybe, i32>(&mut store, "is_null").unwrap();
        assert_eq!(is_null.call(&mut store, None).unwrap(), 1);
        assert_eq!(is_null.call(&mut store, Some(object)).unwrap(), 0);
        drop(back);
        assert_eq!(census.alive(), 0);
    });
}

pub fn tables_and_globals_keep_references(setup: Setup) {
    setup.each_engine(|engine| {
        let census = Census::default();
        let (mut store, instance) = instance(engine, KEEPER);
        let put = instance.get_typed_func::<(i32, ExternRef), ()>(&mut store, "put").unwrap();
        let take = instance.get_typed_func::<i32, Option<ExternRef>>(&mut store, "take").unwrap();
        let keep = instance.get_typed_func::<Option<ExternRef>, ()>(&mut store, "keep").unwrap();
        let kept = instance.get_typed_func::<(), Option<ExternRef>>(&mut store, "kept").unwrap();
        for at in 0..10 {
            put.call(&mut store, (at, census.object(at as u32))).unwrap();
        }
        keep.call(&mut store, Some(census.object(99))).unwrap();
        assert_eq!(census.alive(), 11);
        store.gc().unwrap();
        assert_eq!(census.alive(), 11);
        for at in 0..10 {
            assert_eq!(number(&take.call(&mut store, at).unwrap().unwrap()), at as u32);
        }
        assert_eq!(number(&kept.call(&mut store, ()).unwrap().unwrap()), 99);
        // Overwriting releases.
        put.call(&mut store, (0, census.object(100))).unwrap();
        assert_eq!(census.alive(), 11);
        keep.call(&mut store, None).unwrap();
        assert_eq!(census.alive(), 10);
        let same = take.call(&mut store, 1).unwrap().unwrap();
        put.call(&mut store, (2, same)).unwrap();
        assert_eq!(census.alive(), 9);
        drop(store);
        assert_eq!(census.alive(), 0);
    });
}

pub fn the_host_reads_and_writes_places_directly(setup: Setup) {
    setup.each_engine(|engine| {
        let census = Census::default();
        let (mut store, instance) = instance(engine, KEEPER);
        let table = instance.get_table(&mut store, "t").unwrap();
        let global = instance.get_global(&mut store, "g").unwrap();
        table.set(&mut store, 3, census.object(3).into()).unwrap();
        global.set(&mut store, census.object(4).into()).unwrap();
        table.fill(&mut store, 5, census.object(5).into(), 5).unwrap();
        assert_eq!(census.alive(), 3);
        let Val::ExternRef(Some(found)) = table.get(&store, 9).unwrap() else { panic!() };
        assert_eq!(number(&found), 5);
        drop(found);
        let Val::ExternRef(Some(found)) = global.get(&store).unwrap() else { panic!() };
        assert_eq!(number(&found), 4);
        drop(found);
        global.set(&mut store, Val::ExternRef(None)).unwrap();
        table.set(&mut store, 3, Val::ExternRef(None)).unwrap();
        assert_eq!(census.alive(), 1);
        table.fill(&mut store, 0, Val::ExternRef(None), 10).unwrap();
        assert_eq!(census.alive(), 0);
        let ty = GlobalType { content: ValType::EXTERNREF, mutable: false };
        let constant = Global::new(&mut store, ty, census.object(6).into()).unwrap();
        let refused = constant.set(&mut store, Val::ExternRef(None));
        assert!(matches!(refused, Err(Error::Misuse(Misuse::ImmutableGlobal))));
        let wrong = table.set(&mut store, 0, Val::I32(0));
        assert!(matches!(wrong, Err(Error::Misuse(Misuse::WrongType))));
        let wrong = global.set(&mut store, Val::I32(7));
        assert!(matches!(wrong, Err(Error::Misuse(Misuse::WrongType))));
        assert!(matches!(global.get(&store), Ok(Val::ExternRef(None))));
        let outside = table.set(&mut store, 10, census.object(0).into());
        assert!(matches!(outside, Err(Error::Misuse(Misuse::OutOfBounds))));
        assert_eq!(census.alive(), 1);
    });
}

pub fn borrowed_arguments_cost_no_count_and_do_not_outlive_the_call(setup: Setup) {
    setup.each_engine(|engine| {
        let stale = Arc::new(Mutex::new(None::<Rooted>));
        let shared = (Arc::clone(&stale), stale);
        let census = Census::default();
        let mut linker = Linker::<()>::new(engine);
        linker
            .func_wrap("h", "look", move |mut caller: Caller<'_, ()>, object: Rooted| {
                let before = object.get(&caller)?.strong_count();
                caller.gc()?;
                let found = object.get(&caller)?;
                assert_eq!((found.strong_count(), before), (1, 1));
                let answer = number(found);
                if let Some(stale) = shared.0.lock().replace(object) {
                    let refused = stale.get(&caller).map(|_| ());
                    assert!(matches!(
                        refused,
                        Err(Error::Misuse(Misuse::StaleReference | Misuse::WrongStore))
                    ));
                }
                kernref::Result::Ok(answer)
            })
            .unwrap();
        linker.func_wrap("h", "back", |object: Option<Rooted>| object).unwrap();
        linker.func_wrap("h", "stale", move || shared.1.lock().take()).unwrap();
        let (mut store, instance) = linked(
            &linker,
            (),
            r#"(module
                (import "h" "look" (func $look (param externref) (result i32)))
                (import "h" "back" (func $back (param externref) (result externref)))
                (import "h" "stale" (func $stale (result externref)))
                (func (export "look") (param externref) (result i32)
                    local.get 0 call $look)
                (func (export "back") (param externref) (result i32)
                    local.get 0 call $back call $look)
                (func (export "stale") (result externref) call $stale))"#,
        );
        for name in ["look", "back", "look"] {
            let func = instance.get_typed_func::<ExternRef, u32>(&mut store, name).unwrap();
            assert_eq!(func.call(&mut store, census.object(8)).unwrap(), 8);
            assert_eq!(census.alive(), 0);
        }
        let stale = instance.get_typed_func::<(), Option<ExternRef>>(&mut store, "stale").unwrap();
        let refused = stale.call(&mut store, ());
        assert!(matches!(refused, Err(Error::Misuse(Misuse::StaleReference))));
        let look = instance.get_typed_func::<Option<ExternRef>, u32>(&mut store, "look").unwrap();
        let null = look.call(&mut store, None).unwrap_err();
        assert_eq!(null.as_trap(), Some(Trap::NullReference));
    });
}

pub fn host_functions_take_and_give_references(setup: Setup) {
    setup.each_engine(|engine| {
        let census = Census::default();
        let mut linker = Linker::<Census>::new(engine);
        linker
            .func_wrap("h", "make", |caller: Caller<'_, Census>, n: u32| caller.data().object(n))
            .unwrap();
        linker
            .func_wrap("h", "pair", |caller: Caller<'_, Census>, first: ExternRef| {
                let census = caller.data();
                (census.object(number(&first) + 1), None::<ExternRef>, census.object(7), first)
            })
            .unwrap();
        linker.func_wrap("h", "number", |object: ExternRef| number(&object)).unwrap();
        let (mut store, instance) = linked(
            &linker,
            census.clone(),
            r#"(module
                (import "h" "make" (func $make (param i32) (result externref)))
                (import "h" "pair" (func $pair (param externref) (result externref externref externref externref)))
                (import "h" "number" (func $number (param externref) (result i32)))
                (func (export "run") (param i32) (result i32)
                    (local $a externref) (local $b externref) (local $c externref) (local $null externref)
                    local.get 0 call $make
                    call $pair
                    local.set $a local.set $b local.set $null local.set $c
                    (call $number (local.get $a))
                    (i32.mul (call $number (local.get $b)) (i32.const 100))
                    (i32.mul (call $number (local.get $c)) (i32.const 10000))
                    i32.add i32.add
                    (i32.mul (ref.is_null (local.get $null)) (i32.const 1000000))
                    i32.add)
                (func (export "churn") (param i32)
                    (loop $again
                        (drop (call $make (local.get 0)))
                        (br_if $again (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))))"#,
        );
        let run = instance.get_typed_func::<u32, u32>(&mut store, "run").unwrap();
        assert_eq!(run.call(&mut store, 41).unwrap(), 1_420_741);
        assert_eq!(census.alive(), 0);
        let churn = instance.get_typed_func::<u32, ()>(&mut store, "churn").unwrap();
        churn.call(&mut store, 2000).unwrap();
        assert_eq!(census.alive(), 0);
    });
}

pub fn wasm_frames_keep_what_they_hold_and_nothing_else(setup: Setup) {
    setup.each_engine(|engine| {
        let census = Census::default();
        let mut linker = Linker::<Census>::new(engine);
        linker
            .func_wrap("h", "make", |caller: Caller<'_, Census>, n: u32| caller.data().object(n))
            .unwrap();
        linker
            .func_wrap("h", "alive", |mut caller: Caller<'_, Census>| -> kernref::Result<u32> {
                caller.gc()?;
                Ok(caller.data().alive() as u32)
            })
            .unwrap();
        linker.func_wrap("h", "use", |_: Rooted| ()).unwrap();
        let (mut store, instance) = linked(
            &linker,
            census.clone(),
            r#"(module
                (import "h" "make" (func $make (param i32) (result externref)))
                (import "h" "alive" (func $alive (result i32)))
                (import "h" "use" (func $use (param externref)))
                (table $t 1 externref)
                (func $inner (param externref) (result i32)
                    (local $mine externref)
                    (local.set $mine (call $make (i32.const 5)))
                    (call $alive)
                    (call $use (local.get $mine)))
                (func (export "run") (result i32 i32 i32 i32)
                    (local $a externref) (local $b externref)
                    (local.set $a (call $make (i32.const 1)))
                    (local.set $b (call $make (i32.const 2)))
                    (call $alive)                          ;; 2
                    (call $use (local.get $b))
                    (call $inner (local.get $a))           ;; a and mine
                    (call $use (local.get $a))
                    (call $alive)                          ;; none
                    (table.set $t (i32.const 0) (call $make (i32.const 3)))
                    (local.set $a (table.get $t (i32.const 0)))
                    (table.set $t (i32.const 0) (ref.null extern))
                    (call $alive)                          ;; what was in the table
                    (call $use (local.get $a))))"#,
        );
        let run = instance.get_typed_func::<(), (u32, u32, u32, u32)>(&mut store, "run").unwrap();
        assert_eq!(run.call(&mut store, ()).unwrap(), (2, 2, 0, 1));
        assert_eq!(census.alive(), 0);
    });
}

pub fn a_full_arena_collects_and_then_refuses(setup: Setup) {
    let few = |config: &mut kernref::Config| {
        config.reference_slots(16);
    };
    setup.each_config(few, |engine| {
        let census = Census::default();
        let mut linker = Linker::<Census>::new(engine);
        linker
            .func_wrap("h", "make", |caller: Caller<'_, Census>| caller.data().object(0))
            .unwrap();
        let (mut store, instance) = linked(
            &linker,
            census.clone(),
            r#"(module
                (import "h" "make" (func $make (result externref)))
                (table $t 100 externref)
                (func (export "drop") (param i32)
                    (loop $l
                        (drop (call $make))
                        (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))))
                (func (export "keep") (param i32)
                    (loop $l
                        (table.set $t (local.get 0) (call $make))
                        (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))))"#,
        );
        let drop = instance.get_typed_func::<i32, ()>(&mut store, "drop").unwrap();
        drop.call(&mut store, 500).unwrap();
        assert_eq!(census.alive(), 0);
        let keep = instance.get_typed_func::<i32, ()>(&mut store, "keep").unwrap();
        keep.call(&mut store, 10).unwrap();
        assert_eq!(census.alive(), 10);
        let full = keep.call(&mut store, 99).unwrap_err();
        assert_eq!(full.as_trap(), Some(Trap::ReferenceArenaFull));
        assert!(census.alive() <= 16);
        drop.call(&mut store, 1).unwrap_err();
    });
}

pub fn draining_can_be_left_to_the_embedder(setup: Setup) {
    setup.each_engine(|engine| {
        let census = Census::default();
        let (mut store, instance) = instance(engine, KEEPER);
        store.set_auto_drain(false);
        let nothing = instance.get_typed_func::<ExternRef, ()>(&mut store, "nothing").unwrap();
        for at in 0..5 {
            nothing.call(&mut store, census.object(at)).unwrap();
        }
        assert_eq!(census.alive(), 5);
        assert_eq!(store.drain_released(2), 2);
        assert_eq!(census.alive(), 3);
        assert_eq!(store.drain_released(usize::MAX), 3);
        assert_eq!(census.alive(), 0);
    });
}

pub fn references_are_released_after_a_trap(setup: Setup) {
    setup.each_engine(|engine| {
        let census = Census::default();
        let (mut store, instance) =
            instance(engine, r#"(module (func (export "f") (param externref) unreachable))"#);
        let func = instance.get_typed_func::<ExternRef, ()>(&mut store, "f").unwrap();
        for _ in 0..3 {
            assert!(func.call(&mut store, census.object(0)).is_err());
            assert_eq!(census.alive(), 0);
        }
    });
}

pub fn a_given_region_is_used(setup: Setup) {
    setup.each_engine(|engine| {
        let room = Box::leak(vec![MaybeUninit::<u8>::uninit(); 1024 + 16].into_boxed_slice());
        // Aligned to 16 by starting at a multiple of it.
        let start = room.as_ptr().addr().wrapping_neg() % 16;
        let region = &mut room[start..start + 1024];
        let mut store = Store::with_reference_region(engine, (), region).unwrap();
        let module = crate::support::module(engine, KEEPER);
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        let same = instance.get_typed_func::<ExternRef, ExternRef>(&mut store, "same").unwrap();
        let object = ExternRef::new(5_u8).unwrap();
        assert!(same.call(&mut store, object.clone()).unwrap().ptr_eq(&object));
        assert!(store.gc_stats().slots_capacity < 64);
    });
}
