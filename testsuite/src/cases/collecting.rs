//! Collections: at depth, by threshold, and what the store reports about them.

use crate::support::{Census, Maybe, Setup, instance, linked, tools};
use kernref::{AsContext, Caller, DeferralPolicy, Extern, ExternRef, Linker, Misuse, Rooted, Val};

pub fn statistics_tell_what_happened(setup: Setup) {
    let sized = |config: &mut kernref::Config| {
        config.reference_slots(100).gc_threshold(Some(40));
    };
    setup.each_config(sized, |engine| {
        let census = Census::default();
        let (mut store, instance) = linked(
            &tools(engine),
            census.clone(),
            r#"(module
                (table (export "t") 10 externref)
                (func (export "keep") (param externref i32)
                    (table.set (local.get 1) (local.get 0)))
                (func (export "nothing") (param externref)))"#,
        );
        let fresh = store.gc_stats();
        assert_eq!((fresh.slots_capacity, fresh.table_threshold), (100, 40));
        assert_eq!((fresh.slots_used, fresh.table_len, fresh.queued), (0, 0, 0));
        assert_eq!((fresh.collections, fresh.released), (0, 0));
        let keep = instance.get_typed_func::<(ExternRef, u32), ()>(&mut store, "keep").unwrap();
        let nothing = instance.get_typed_func::<ExternRef, ()>(&mut store, "nothing").unwrap();
        for at in 0..10 {
            keep.call(&mut store, (census.object(at), at)).unwrap();
            nothing.call(&mut store, census.object(at)).unwrap();
        }
        let stats = store.gc_stats();
        assert_eq!((stats.slots_used, stats.table_len, stats.queued), (10, 0, 0));
        assert_eq!(stats.released, 10);
        let before = stats.collections;
        store.gc().unwrap();
        let stats = store.gc_stats();
        assert_eq!(stats.collections, before + 1);
        assert_eq!((stats.slots_used, stats.released), (10, 10));
        if !setup.zeal {
            // Nothing was running, and nothing else triggered a collection.
            assert_eq!((stats.frames_walked, stats.activations_walked), (0, 0));
            assert_eq!(stats.collections, 1);
        }
        let table = instance.get_table(&mut store, "t").unwrap();
        table.fill(&mut store, 0, Val::ExternRef(None), 10).unwrap();
        let stats = store.gc_stats();
        assert_eq!((stats.slots_used, stats.released, census.alive()), (0, 20, 0));
    });
}

/// Calls `inner` of the importing instance with a depth one less and a fresh
/// object, and collects at the bottom and on the way back.
fn nesting(engine: &kernref::Engine) -> Linker<Census> {
    let mut linker = tools(engine);
    let nest = |mut caller: Caller<'_, Census>, depth: u32, held: Rooted| -> kernref::Result<u32> {
        let activations = |caller: &mut Caller<'_, Census>| -> kernref::Result<u64> {
            let before = caller.as_context().gc_stats().activations_walked;
            caller.gc()?;
            Ok(caller.as_context().gc_stats().activations_walked - before)
        };
        let here = activations(&mut caller)?;
        let alive = match depth {
            0 => caller.data().alive() as u32,
            _ => {
                let run = caller.get_export("run").and_then(Extern::into_func).unwrap();
                let fresh = caller.data().object(depth);
                let run = run.typed::<(u32, ExternRef), u32>(&caller)?;
                run.call(&mut caller, (depth - 1, fresh))?
            }
        };
        assert_eq!(activations(&mut caller)?, here);
        held.get(&caller)?.downcast_ref::<crate::support::Counted>()?;
        Ok(alive)
    };
    linker.func_wrap("h", "nest", nest).unwrap();
    let activations = |mut caller: Caller<'_, Census>| -> kernref::Result<u32> {
        let before = caller.as_context().gc_stats().activations_walked;
        caller.gc()?;
        Ok((caller.as_context().gc_stats().activations_walked - before) as u32)
    };
    linker.func_wrap("h", "activations", activations).unwrap();
    linker
}

pub fn every_activation_is_walked(setup: Setup) {
    setup.each_engine(|engine| {
        let census = Census::default();
        let (mut store, instance) = linked(
            &nesting(engine),
            census.clone(),
            r#"(module
                (import "h" "nest" (func $nest (param i32 externref) (result i32)))
                (import "h" "make" (func $make (param i32) (result externref)))
                (import "h" "use" (func $use (param externref)))
                (func (export "run") (param $depth i32) (param $given externref) (result i32)
                    (local $kept externref) (local $dead externref) (local $alive i32)
                    (local.set $kept (call $make (i32.const 100)))
                    (local.set $dead (call $make (i32.const 200)))
                    (call $use (local.get $dead))
                    (local.set $alive (call $nest (local.get $depth) (local.get $given)))
                    (call $use (local.get $kept))
                    (local.get $alive)))"#,
        );
        let run = instance.get_typed_func::<(u32, ExternRef), u32>(&mut store, "run").unwrap();
        for depth in [0, 1, 4, 9] {
            // One given and one kept per activation; the dead one is gone.
            let given = census.object(50);
            assert_eq!(run.call(&mut store, (depth, given)).unwrap(), 2 * (depth + 1));
            assert_eq!(census.alive(), 0);
        }
    });
}

pub fn thresholds_start_collections(setup: Setup) {
    let low = |config: &mut kernref::Config| {
        config.gc_threshold(Some(4));
    };
    setup.each_config(low, |engine| {
        let census = Census::default();
        let mut linker = Linker::<Census>::new(engine);
        let make = |caller: Caller<'_, Census>, number: u32| {
            assert!(caller.data().alive() <= 5, "{} alive", caller.data().alive());
            let stats = caller.as_context().gc_stats();
            assert!(stats.table_len <= stats.table_threshold);
            caller.data().object(number)
        };
        linker.func_wrap("h", "make", make).unwrap();
        let (mut store, instance) = linked(
            &linker,
            census.clone(),
            r#"(module
                (import "h" "make" (func $make (param i32) (result externref)))
                (func (export "run") (param i32)
                    (loop $again
                        (drop (call $make (local.get 0)))
                        (br_if $again (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))))"#,
        );
        let run = instance.get_typed_func::<u32, ()>(&mut store, "run").unwrap();
        run.call(&mut store, 100).unwrap();
        assert!(store.gc_stats().collections >= 20);
        assert_eq!((census.alive(), census.released()), (0, 100));
    });
}

pub fn the_threshold_follows_what_frames_hold(setup: Setup) {
    // Otherwise a frame that holds many references would collect at every step.
    let low = |config: &mut kernref::Config| {
        config.gc_threshold(Some(2));
    };
    let setup = Setup { zeal: false, ..setup };
    setup.each_config(low, |engine| {
        let census = Census::default();
        let (mut store, instance) = linked(
            &tools(engine),
            census.clone(),
            r#"(module
                (import "h" "make" (func $make (param i32) (result externref)))
                (import "h" "use" (func $use (param externref)))
                (func $hold (export "hold") (param $n i32)
                    (local $mine externref)
                    (local.set $mine (call $make (local.get $n)))
                    (if (local.get $n) (then
                        (call $hold (i32.sub (local.get $n) (i32.const 1)))))
                    (call $use (local.get $mine))))"#,
        );
        let hold = instance.get_typed_func::<u32, ()>(&mut store, "hold").unwrap();
        hold.call(&mut store, 255).unwrap();
        let collections = store.gc_stats().collections;
        assert!((3..20).contains(&collections), "{collections} collections");
        assert_eq!((census.alive(), census.released()), (0, 256));
        assert_eq!(store.gc_stats().table_threshold, 2);
    });
}

pub fn reading_places(setup: Setup) {
    // Reads add table entries under one policy and cost nothing under the other.
    let low = |config: &mut kernref::Config| {
        config.gc_threshold(Some(16));
    };
    let setup = Setup { zeal: false, ..setup };
    setup.each_config(low, |engine| {
        let census = Census::default();
        let mut linker = tools(engine);
        let entries = |caller: Caller<'_, Census>| caller.as_context().gc_stats().table_len;
        linker.func_wrap("h", "entries", entries).unwrap();
        let (mut store, instance) = linked(
            &linker,
            census.clone(),
            r#"(module
                (import "h" "entries" (func $entries (result i32)))
                (table $t (export "t") 100 externref)
                (func (export "read") (param $n i32) (result i32)
                    (loop $again
                        (local.set $n (i32.sub (local.get $n) (i32.const 1)))
                        (drop (table.get $t (local.get $n)))
                        (drop (table.get $t (local.get $n)))
                        (br_if $again (local.get $n)))
                    (call $entries)))"#,
        );
        let table = instance.get_table(&mut store, "t").unwrap();
        for at in 0..100 {
            table.set(&mut store, at, census.object(at as u32).into()).unwrap();
        }
        let read = instance.get_typed_func::<u32, u32>(&mut store, "read").unwrap();
        let (few, many) = (read.call(&mut store, 10).unwrap(), read.call(&mut store, 100).unwrap());
        match setup.policy {
            DeferralPolicy::ZeroCount => assert_eq!((few, many), (0, 0)),
            _ => assert!(few <= 10 && many < 16, "{few} and {many} entries"),
        }
        assert_eq!(census.alive(), 100);
    });
}

pub fn destructors_wait_while_draining_is_off(setup: Setup) {
    let few = |config: &mut kernref::Config| {
        config.reference_slots(8);
    };
    setup.each_config(few, |engine| {
        let census = Census::default();
        let (mut store, instance) =
            instance(engine, r#"(module (func (export "f") (param externref externref)))"#);
        store.set_auto_drain(false);
        let func = instance.get_typed_func::<(Maybe, Maybe), ()>(&mut store, "f").unwrap();
        let two = || (Some(census.object(1)), Some(census.object(2)));
        for round in 1..=4 {
            func.call(&mut store, two()).unwrap();
            let stats = store.gc_stats();
            assert_eq!((stats.queued, stats.slots_used), (2 * round, 2 * round));
        }
        // Collecting does not drain either; an operation that needs room does,
        // but only as far as it needs.
        store.gc().unwrap();
        assert_eq!(census.alive(), 8);
        func.call(&mut store, two()).unwrap();
        assert_eq!((census.alive(), store.gc_stats().queued), (8, 8));
        assert_eq!(store.drain_released(0), 0);
        assert_eq!(store.drain_released(3), 3);
        assert_eq!((census.alive(), store.gc_stats().queued), (5, 5));
        store.set_auto_drain(true);
        func.call(&mut store, (None, None)).unwrap();
        assert_eq!((census.alive(), store.gc_stats().queued), (0, 0));
        assert_eq!((census.released(), store.gc_stats().released), (10, 10));
    });
}

pub fn a_borrowed_argument_is_good_for_its_call_only(setup: Setup) {
    setup.each_engine(|engine| {
        let census = Census::default();
        let mut linker = tools(engine);
        let relay = |mut caller: Caller<'_, Census>, object: Rooted| -> kernref::Result<()> {
            let inner = caller.get_export("inner").and_then(Extern::into_func).unwrap();
            let inner = inner.typed::<Rooted, Option<ExternRef>>(&caller)?;
            for _ in 0..3 {
                let back = inner.call(&mut caller, object)?;
                assert!(back.is_some_and(|back| back.ptr_eq(object.get(&caller).unwrap())));
                caller.gc()?;
            }
            // A reference rooted in another store is refused.
            let mut other = kernref::Store::new(caller.engine(), ())?;
            let func = kernref::Func::wrap(&mut other, |_: Option<ExternRef>| ())?;
            let refused = func.typed::<Rooted, ()>(&other)?.call(&mut other, object);
            assert!(matches!(refused, Err(kernref::Error::Misuse(Misuse::WrongStore))));
            Ok(())
        };
        linker.func_wrap("h", "relay", relay).unwrap();
        let (mut store, instance) = linked(
            &linker,
            census.clone(),
            r#"(module
                (import "h" "relay" (func $relay (param externref)))
                (import "h" "gc" (func $gc))
                (func (export "inner") (param externref) (result externref)
                    (call $gc) (local.get 0))
                (func (export "run") (param externref) (call $relay (local.get 0))))"#,
        );
        let run = instance.get_typed_func::<ExternRef, ()>(&mut store, "run").unwrap();
        run.call(&mut store, census.object(3)).unwrap();
        assert_eq!((census.alive(), census.released()), (0, 1));
    });
}
