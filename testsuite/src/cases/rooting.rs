//! References that the host keeps in a store.

use crate::support::{Census, Setup, instance, linked, number, tools};
use alloc::sync::Arc;
use alloc::vec::Vec;
use kernref::{
    Caller, Error, Extern, ExternRef, Linker, Misuse, OwnedRooted, Rooted, Store, Trap, TypedFunc,
    Val,
};
use spin::Mutex;

const KEEPER: &str = r#"(module
    (table $t (export "t") 2 externref)
    (func (export "same") (param externref) (result externref) local.get 0)
    (func (export "put") (param i32 externref) (table.set $t (local.get 0) (local.get 1)))
    (func (export "two") (param externref externref) (result externref) local.get 1)
    (func (export "fail") (param externref) unreachable))"#;

/// A host function that calls the export `name` of its caller.
fn relay(linker: &mut Linker<Census>, name: &'static str, root: &Arc<Mutex<Option<OwnedRooted>>>) {
    let root = Arc::clone(root);
    let call = move |mut caller: Caller<'_, Census>| -> kernref::Result<u32> {
        let func = caller.get_export(name).and_then(Extern::into_func).unwrap();
        let rooted = root.lock().as_ref().map(OwnedRooted::to_rooted);
        func.typed::<Option<Rooted>, u32>(&caller)?.call(&mut caller, rooted)
    };
    linker.func_wrap("h", "relay", call).unwrap();
}

/// A shared root, with one host function that returns it and one that unroots it.
fn shared(linker: &mut Linker<Census>) -> Arc<Mutex<Option<OwnedRooted>>> {
    let root = Arc::new(Mutex::new(None::<OwnedRooted>));
    let given = Arc::clone(&root);
    linker
        .func_wrap("h", "give", move || given.lock().as_ref().map(OwnedRooted::to_rooted))
        .unwrap();
    let taken = Arc::clone(&root);
    let let_go = move |mut caller: Caller<'_, Census>| match taken.lock().take() {
        Some(root) => root.unroot(&mut caller),
        None => Ok(()),
    };
    linker.func_wrap("h", "let_go", let_go).unwrap();
    root
}

pub fn a_root_is_good_for_many_calls(setup: Setup) {
    setup.each_engine(|engine| {
        let census = Census::default();
        let (mut store, instance) = instance(engine, KEEPER);
        let same: TypedFunc<Rooted, ExternRef> =
            instance.get_typed_func(&mut store, "same").unwrap();
        let root = OwnedRooted::new(&mut store, census.object(5)).unwrap();
        let rooted = root.to_rooted();
        for _ in 0..20 {
            let back = same.call(&mut store, rooted).unwrap();
            assert_eq!((number(&back), back.strong_count()), (5, 2));
            drop(back);
            assert_eq!(rooted.get(&store).unwrap().strong_count(), 1);
            store.gc().unwrap();
            let stats = store.gc_stats();
            assert_eq!((stats.slots_used, stats.table_len), (1, 0));
        }
        let maybe =
            instance.get_typed_func::<Option<Rooted>, Option<ExternRef>>(&mut store, "same");
        let maybe = maybe.unwrap();
        assert!(maybe.call(&mut store, None).unwrap().is_none());
        assert!(maybe.call(&mut store, Some(rooted)).unwrap().is_some());
        let put = instance.get_typed_func::<(u32, Rooted), ()>(&mut store, "put").unwrap();
        put.call(&mut store, (1, rooted)).unwrap();
        root.get(&store).unwrap().revoke();
        assert!(root.get(&store).unwrap().is_revoked());
        // The table still holds it, in the same slot.
        root.unroot(&mut store).unwrap();
        store.gc().unwrap();
        assert_eq!((census.alive(), store.gc_stats().slots_used), (1, 1));
        let table = instance.get_table(&mut store, "t").unwrap();
        table.set(&mut store, 1, Val::ExternRef(None)).unwrap();
        assert_eq!((census.alive(), census.released()), (0, 1));
    });
}

pub fn unrooting_releases_at_once(setup: Setup) {
    setup.each_engine(|engine| {
        let census = Census::default();
        let mut store = Store::new(engine, ()).unwrap();
        for at in 1..20 {
            let root = OwnedRooted::new(&mut store, census.object(at)).unwrap();
            assert_eq!(number(root.get(&store).unwrap()), at);
            store.gc().unwrap();
            assert_eq!(census.alive(), 1);
            root.unroot(&mut store).unwrap();
            assert_eq!((census.alive(), census.released()), (0, at as usize));
        }
        // The object outlives its root through other handles.
        let object = census.object(0);
        let root = OwnedRooted::new(&mut store, object.clone()).unwrap();
        root.unroot(&mut store).unwrap();
        assert_eq!((object.strong_count(), census.alive()), (1, 1));
        // With draining left to the embedder, it waits.
        store.set_auto_drain(false);
        let root = OwnedRooted::new(&mut store, object.clone()).unwrap();
        root.unroot(&mut store).unwrap();
        assert_eq!(object.strong_count(), 2);
        assert_eq!(store.drain_released(2), 1);
        assert_eq!(object.strong_count(), 1);
    });
}

pub fn host_functions_return_roots(setup: Setup) {
    setup.each_engine(|engine| {
        let census = Census::default();
        let mut linker = tools(engine);
        let root = shared(&mut linker);
        let (mut store, instance) = linked(
            &linker,
            census.clone(),
            r#"(module
                (import "h" "give" (func $give (result externref)))
                (import "h" "count" (func $count (param externref) (result i32)))
                (import "h" "number" (func $number (param externref) (result i32)))
                (func (export "run") (param i32) (result i32) (local $sum i32)
                    (loop $again
                        (local.set $sum (i32.add (local.get $sum) (i32.mul
                            (call $number (call $give)) (call $count (call $give)))))
                        (br_if $again (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
                    (local.get $sum))
                (func (export "null") (result i32) (ref.is_null (call $give))))"#,
        );
        let null = instance.get_typed_func::<(), u32>(&mut store, "null").unwrap();
        let run = instance.get_typed_func::<u32, u32>(&mut store, "run").unwrap();
        assert_eq!(null.call(&mut store, ()).unwrap(), 1);
        *root.lock() = Some(OwnedRooted::new(&mut store, census.object(7)).unwrap());
        assert_eq!(null.call(&mut store, ()).unwrap(), 0);
        assert_eq!(run.call(&mut store, 50).unwrap(), 350);
        assert_eq!((store.gc_stats().slots_used, census.alive()), (1, 1));
        let root = root.lock().take().unwrap();
        root.unroot(&mut store).unwrap();
        assert_eq!(census.alive(), 0);
    });
}

pub fn what_a_frame_holds_outlives_its_root(setup: Setup) {
    setup.each_engine(|engine| {
        let census = Census::default();
        let mut linker = tools(engine);
        let root = shared(&mut linker);
        let step = |mut caller: Caller<'_, Census>, budget: u32| -> kernref::Result<()> {
            use kernref::AsContextMut;
            caller.as_context_mut().gc_step(budget).map(|_| ())
        };
        linker.func_wrap("h", "step", step).unwrap();
        let (mut store, instance) = linked(
            &linker,
            census.clone(),
            r#"(module
                (import "h" "give" (func $give (result externref)))
                (import "h" "let_go" (func $let_go))
                (import "h" "step" (func $step (param i32)))
                (import "h" "alive" (func $alive (result i32)))
                (import "h" "number" (func $number (param externref) (result i32)))
                (func (export "passed") (param externref) (result i32 i32 i32)
                    (call $let_go)
                    (call $alive)
                    (call $number (local.get 0))
                    (call $alive))
                (func (export "returned") (param externref) (result i32 i32 i32)
                    (local.set 0 (call $give))
                    (call $let_go)
                    (call $alive)
                    (call $number (local.get 0))
                    (call $alive))
                (func (export "stepped") (param externref) (result i32 i32 i32)
                    ;; The root enters the frame after the walk.
                    (local.set 0 (ref.null extern))
                    (call $step (i32.const 0))
                    (local.set 0 (call $give))
                    (call $step (i32.const 0))
                    (call $let_go)
                    (call $step (i32.const 1))
                    (call $step (i32.const 9))
                    (call $step (i32.const 9))
                    (call $number (local.get 0))
                    (call $step (i32.const 9))
                    (call $step (i32.const 9))
                    (call $number (local.get 0))
                    (drop (call $alive))
                    (call $alive)))"#,
        );
        for (name, wanted) in
            [("passed", (1, 9, 0)), ("returned", (1, 9, 0)), ("stepped", (9, 9, 0))]
        {
            let func = instance.get_typed_func::<Option<Rooted>, (u32, u32, u32)>(&mut store, name);
            *root.lock() = Some(OwnedRooted::new(&mut store, census.object(9)).unwrap());
            let rooted = root.lock().as_ref().map(OwnedRooted::to_rooted);
            assert_eq!(func.unwrap().call(&mut store, rooted).unwrap(), wanted, "{name}");
            assert_eq!(census.alive(), 0);
        }
        assert_eq!(census.released(), 3);
    });
}

pub fn a_root_in_nested_calls_and_traps(setup: Setup) {
    setup.each_engine(|engine| {
        let census = Census::default();
        let mut linker = tools(engine);
        let root = shared(&mut linker);
        relay(&mut linker, "inner", &root);
        let (mut store, instance) = linked(
            &linker,
            census.clone(),
            r#"(module
                (import "h" "relay" (func $relay (result i32)))
                (import "h" "let_go" (func $let_go))
                (import "h" "alive" (func $alive (result i32)))
                (import "h" "number" (func $number (param externref) (result i32)))
                (global $fails (export "fails") (mut i32) (i32.const 0))
                (func (export "inner") (param externref) (result i32)
                    (call $let_go)
                    (drop (call $alive))
                    (if (global.get $fails) (then unreachable))
                    (call $number (local.get 0)))
                (func (export "outer") (param externref) (result i32 i32)
                    (call $relay)
                    ;; The outer frame still has it.
                    (i32.add (i32.mul (call $alive) (i32.const 10)) (call $number (local.get 0)))))"#,
        );
        let outer = instance.get_typed_func::<Rooted, (u32, u32)>(&mut store, "outer").unwrap();
        let fails = instance.get_global(&mut store, "fails").unwrap();
        for round in 0..4 {
            fails.set(&mut store, Val::I32(round & 1)).unwrap();
            let kept = OwnedRooted::new(&mut store, census.object(4)).unwrap();
            let rooted = kept.to_rooted();
            *root.lock() = Some(kept);
            let outcome = outer.call(&mut store, rooted);
            match round & 1 {
                0 => assert_eq!(outcome.unwrap(), (4, 14)),
                _ => {
                    let trap = outcome.unwrap_err();
                    assert_eq!(trap.as_trap(), Some(Trap::UnreachableCodeReached));
                }
            }
            assert_eq!(census.alive(), 0);
            assert!(matches!(rooted.get(&store), Err(Error::Misuse(Misuse::StaleReference))));
        }
        // A trap does not affect a root.
        let (mut store, instance) = self::instance(engine, KEEPER);
        let kept = OwnedRooted::new(&mut store, census.object(1)).unwrap();
        let fail = instance.get_typed_func::<Rooted, ()>(&mut store, "fail").unwrap();
        assert!(fail.call(&mut store, kept.to_rooted()).is_err());
        assert_eq!(number(kept.get(&store).unwrap()), 1);
        kept.unroot(&mut store).unwrap();
        assert_eq!(census.alive(), 0);
    });
}

fn is_stale<T>(outcome: Result<T, Error>) -> bool {
    matches!(outcome, Err(Error::Misuse(Misuse::StaleReference)))
}

fn is_foreign<T>(outcome: Result<T, Error>) -> bool {
    matches!(outcome, Err(Error::Misuse(Misuse::WrongStore)))
}

pub fn stale_and_foreign_handles_are_refused(setup: Setup) {
    setup.each_engine(|engine| {
        let census = Census::default();
        let mut linker = tools(engine);
        let stale = Arc::new(Mutex::new(None::<Rooted>));
        let given = Arc::clone(&stale);
        linker.func_wrap("h", "stale", move || *given.lock()).unwrap();
        let text = r#"(module
            (import "h" "stale" (func $stale (result externref)))
            (func (export "stale") (result externref) call $stale)
            (func (export "same") (param externref) (result externref) local.get 0))"#;
        let (mut store, instance) = linked(&linker, census.clone(), text);
        let same: TypedFunc<Rooted, ExternRef> =
            instance.get_typed_func(&mut store, "same").unwrap();
        let give = instance.get_typed_func::<(), ExternRef>(&mut store, "stale").unwrap();

        let first = OwnedRooted::new(&mut store, census.object(1)).unwrap();
        let old = first.to_rooted();
        *stale.lock() = Some(old);
        assert_eq!(number(&give.call(&mut store, ()).unwrap()), 1);
        let (mut other, in_other) = linked(&linker, Census::default(), text);
        let same_there: TypedFunc<Rooted, ExternRef> =
            in_other.get_typed_func(&mut other, "same").unwrap();
        let give_there = in_other.get_typed_func::<(), ExternRef>(&mut other, "stale").unwrap();
        assert!(is_foreign(old.get(&other)));
        assert!(is_foreign(same_there.call(&mut other, old)));
        assert!(is_foreign(give_there.call(&mut other, ())));
        assert!(is_foreign(old.to_owned_rooted(&mut other)));

        first.unroot(&mut store).unwrap();
        assert_eq!(census.alive(), 0);
        // The place and the slot are reused: the old handle must not match.
        let second = OwnedRooted::new(&mut store, census.object(2)).unwrap();
        for _ in 0..2 {
            assert!(is_stale(old.get(&store)));
            assert!(is_stale(same.call(&mut store, old)));
            assert!(is_stale(give.call(&mut store, ())));
            assert!(is_stale(old.to_owned_rooted(&mut store)));
        }
        assert_eq!(number(second.get(&store).unwrap()), 2);
        // Unrooted in the wrong store, it stays until its own store is dropped.
        let rooted = second.to_rooted();
        assert!(is_foreign(second.unroot(&mut other)));
        store.gc().unwrap();
        assert_eq!(number(rooted.get(&store).unwrap()), 2);
        drop(store);
        assert_eq!((census.alive(), census.released()), (0, 2));
        assert!(is_foreign(rooted.get(&other)));
    });
}

pub fn a_full_arena_refuses_roots(setup: Setup) {
    let three = |config: &mut kernref::Config| {
        config.reference_slots(3);
    };
    setup.each_config(three, |engine| {
        let census = Census::default();
        let (mut store, instance) = instance(engine, KEEPER);
        let mut roots: Vec<_> =
            (0..3).map(|at| OwnedRooted::new(&mut store, census.object(at)).unwrap()).collect();
        let full = OwnedRooted::new(&mut store, census.object(3)).unwrap_err();
        assert_eq!(full.as_trap(), Some(Trap::ReferenceArenaFull));
        assert_eq!((census.alive(), census.released()), (3, 1));
        // An object that has a slot is passed and rooted again without another
        // slot.
        let two: TypedFunc<(Rooted, Rooted), ExternRef> =
            instance.get_typed_func(&mut store, "two").unwrap();
        let (first, last) = (roots[0].to_rooted(), roots[2].to_rooted());
        assert_eq!(number(&two.call(&mut store, (first, last)).unwrap()), 2);
        let again = first.to_owned_rooted(&mut store).unwrap();
        roots.remove(0).unroot(&mut store).unwrap();
        assert!(is_stale(first.get(&store)));
        assert_eq!(number(again.get(&store).unwrap()), 0);
        assert!(OwnedRooted::new(&mut store, census.object(4)).is_err());
        again.unroot(&mut store).unwrap();
        assert_eq!(census.alive(), 2);
        roots.push(OwnedRooted::new(&mut store, census.object(5)).unwrap());
        let numbers = roots.iter().map(|root| number(root.get(&store).unwrap()));
        assert!(numbers.eq([1, 2, 5]));
        assert_eq!(store.into_data(), ());
        assert_eq!((census.alive(), census.released()), (0, 6));
    });
    let quota = |config: &mut kernref::Config| {
        config.reference_quota(Some(1)).reference_slots(2);
    };
    setup.each_config(quota, |engine| {
        let census = Census::default();
        let mut store = Store::new(engine, ()).unwrap();
        let root = OwnedRooted::new(&mut store, census.object(0)).unwrap();
        let refused = OwnedRooted::new(&mut store, census.object(1));
        assert!(matches!(refused, Err(Error::Limit(limit)) if limit.limit == 1));
        root.unroot(&mut store).unwrap();
        let _root = OwnedRooted::new(&mut store, census.object(2)).unwrap();
        drop(store);
        assert_eq!((census.alive(), census.released()), (0, 3));
    });
}

pub fn an_argument_is_kept_beyond_its_call(setup: Setup) {
    setup.each_engine(|engine| {
        type Kept = Vec<OwnedRooted>;
        let census = Census::default();
        let mut linker = Linker::<Kept>::new(engine);
        let keep = |mut caller: Caller<'_, Kept>, object: Rooted| -> kernref::Result<()> {
            let kept = object.to_owned_rooted(&mut caller)?;
            assert!(kept.get(&caller)?.ptr_eq(object.get(&caller)?));
            caller.data_mut().push(kept);
            Ok(())
        };
        linker.func_wrap("h", "keep", keep).unwrap();
        let (mut store, instance) = linked(
            &linker,
            Vec::new(),
            r#"(module (import "h" "keep" (func $keep (param externref)))
                (func (export "run") (param externref)
                    (call $keep (local.get 0)) (call $keep (local.get 0))))"#,
        );
        let run = instance.get_typed_func::<ExternRef, ()>(&mut store, "run").unwrap();
        run.call(&mut store, census.object(6)).unwrap();
        store.gc().unwrap();
        assert_eq!((census.alive(), store.gc_stats().slots_used), (1, 1));
        let run = instance.get_typed_func::<Rooted, ()>(&mut store, "run").unwrap();
        let kept = core::mem::take(store.data_mut());
        assert_eq!(kept[0].get(&store).unwrap().strong_count(), 1);
        run.call(&mut store, kept[1].to_rooted()).unwrap();
        assert_eq!(store.gc_stats().slots_used, 1);
        for root in kept {
            root.unroot(&mut store).unwrap();
            assert_eq!(census.alive(), 1);
        }
        for root in core::mem::take(store.data_mut()) {
            assert_eq!(number(root.get(&store).unwrap()), 6);
            root.unroot(&mut store).unwrap();
        }
        assert_eq!((census.alive(), store.gc_stats().slots_used), (0, 0));
    });
}

pub fn host_functions_called_by_the_host_get_roots(setup: Setup) {
    setup.each_engine(|engine| {
        let census = Census::default();
        let root = Arc::new(Mutex::new(None::<OwnedRooted>));
        let taken = Arc::clone(&root);
        let mut store = Store::new(engine, ()).unwrap();
        // The call keeps the argument alive after its root is gone.
        let func = move |mut caller: Caller<'_, ()>, object: Rooted| -> kernref::Result<Rooted> {
            let root = taken.lock().take();
            root.map_or(Ok(()), |root| root.unroot(&mut caller))?;
            caller.gc()?;
            assert_eq!(number(object.get(&caller)?), 3);
            Ok(object)
        };
        let func = kernref::Func::wrap(&mut store, func).unwrap();
        let func = func.typed::<Rooted, ExternRef>(&store).unwrap();
        let kept = OwnedRooted::new(&mut store, census.object(3)).unwrap();
        let rooted = kept.to_rooted();
        *root.lock() = Some(kept);
        let back = func.call(&mut store, rooted).unwrap();
        assert_eq!((number(&back), back.strong_count()), (3, 1));
        drop(back);
        assert_eq!(census.alive(), 0);
        assert!(is_stale(func.call(&mut store, rooted)));
    });
}
