//! Host → Wasm → host → Wasm: collections see every activation of the store.

use crate::support::{Census, Setup, linked, number};
use kernref::{Caller, Extern, ExternRef, Func, Linker, Rooted, Trap};

pub fn references_of_every_activation_survive_a_collection(setup: Setup) {
    setup.each_engine(|engine| {
        let census = Census::default();
        let mut linker = Linker::<Census>::new(engine);
        linker
            .func_wrap(
                "h",
                "nest",
                |mut caller: Caller<'_, Census>,
                 depth: u32,
                 held: Rooted|
                 -> kernref::Result<u32> {
                    if depth == 0 {
                        caller.gc()?;
                        return Ok(caller.data().alive() as u32);
                    }
                    let run = caller.get_export("run").and_then(Extern::into_func).unwrap();
                    let fresh = caller.data().object(depth);
                    let run = run.typed::<(u32, ExternRef), u32>(&caller)?;
                    let alive = run.call(&mut caller, (depth - 1, fresh))?;
                    caller.gc()?;
                    // Borrowed before the nested call, still valid after it.
                    assert_eq!(number(held.get(&caller)?), depth + 1);
                    Ok(alive)
                },
            )
            .unwrap();
        let (mut store, instance) = linked(
            &linker,
            census.clone(),
            r#"(module
                (import "h" "nest" (func $nest (param i32 externref) (result i32)))
                (func (export "run") (param i32 externref) (result i32)
                    (local $n i32)
                    (local.set $n (call $nest (local.get 0) (local.get 1)))
                    (drop (call $nest (i32.const 0) (local.get 1)))
                    local.get $n))"#,
        );
        let run = instance.get_typed_func::<(u32, ExternRef), u32>(&mut store, "run").unwrap();
        for depth in [0, 1, 5, 9] {
            let object = census.object(depth + 1);
            assert_eq!(run.call(&mut store, (depth, object)).unwrap(), depth + 1);
            assert_eq!(census.alive(), 0);
        }
    });
}

pub fn a_borrowed_argument_can_be_passed_on(setup: Setup) {
    setup.each_engine(|engine| {
        let census = Census::default();
        let mut linker = Linker::<()>::new(engine);
        linker
            .func_wrap("h", "relay", |mut caller: Caller<'_, ()>, object: Rooted| {
                let count = object.get(&caller)?.strong_count();
                let inner = caller.get_export("inner").and_then(Extern::into_func).unwrap();
                let back = inner.typed::<Rooted, ExternRef>(&caller)?.call(&mut caller, object)?;
                assert!(back.ptr_eq(object.get(&caller)?));
                assert_eq!(back.strong_count(), count + 1);
                caller.gc()?;
                kernref::Result::Ok(object)
            })
            .unwrap();
        let (mut store, instance) = linked(
            &linker,
            (),
            r#"(module
                (import "h" "relay" (func $relay (param externref) (result externref)))
                (func (export "inner") (param externref) (result externref) local.get 0)
                (func (export "outer") (param externref) (result externref)
                    local.get 0 call $relay))"#,
        );
        let outer = instance.get_typed_func::<ExternRef, ExternRef>(&mut store, "outer").unwrap();
        let back = outer.call(&mut store, census.object(4)).unwrap();
        assert_eq!((number(&back), back.strong_count()), (4, 1));
    });
}

pub fn a_host_function_called_by_the_host_roots_its_arguments(setup: Setup) {
    setup.each_engine(|engine| {
        let census = Census::default();
        let mut linker = Linker::<Option<Func>>::new(engine);
        linker.func_wrap("h", "noop", || ()).unwrap();
        let (mut store, instance) = linked(
            &linker,
            None,
            r#"(module (import "h" "noop" (func $noop)) (func (export "f") call $noop))"#,
        );
        *store.data_mut() = instance.get_func(&mut store, "f");
        let func = Func::wrap(
            &mut store,
            |mut caller: Caller<'_, Option<Func>>, object: Rooted| -> kernref::Result<u32> {
                // An outermost activation returns while the object is borrowed.
                let inner = caller.data().unwrap().typed::<(), ()>(&caller)?;
                inner.call(&mut caller, ())?;
                caller.gc()?;
                Ok(number(object.get(&caller)?))
            },
        )
        .unwrap();
        let func = func.typed::<ExternRef, u32>(&store).unwrap();
        assert_eq!(func.call(&mut store, census.object(6)).unwrap(), 6);
        assert_eq!(census.alive(), 0);
    });
}

/// How often the host function was entered, and where the stack was at its lowest.
struct Depth {
    count: u32,
    lowest: usize,
    func: Option<Func>,
}

/// A guest exports what it was given: the host's function. That calls the guest's
/// export, which is itself.
pub fn a_host_function_that_calls_itself_ends_at_the_limit(setup: Setup) {
    const BUDGET: usize = 48 << 10;
    // Frames of the host's are not held to the limit, only what they call.
    const HOST_FRAMES: usize = 16 << 10;
    let tick = |mut caller: Caller<'_, Depth>| -> kernref::Result<()> {
        let here = 0_u8;
        let depth = caller.data_mut();
        depth.count += 1;
        depth.lowest = depth.lowest.min((&raw const here).addr());
        assert!(depth.count < 100_000, "there is no end to it");
        let func = depth.func;
        let func = func.or_else(|| caller.get_export("on_tick").and_then(Extern::into_func));
        func.unwrap().typed::<(), ()>(&caller)?.call(&mut caller, ())
    };
    setup.each_config(
        |config| _ = config.max_wasm_stack(BUDGET),
        |engine| {
            let mut linker = Linker::<Depth>::new(engine);
            linker.func_wrap("h", "tick", tick).unwrap();
            let (mut store, instance) = linked(
                &linker,
                Depth { count: 0, lowest: usize::MAX, func: None },
                r#"(module
                    (import "h" "tick" (func $tick))
                    (export "on_tick" (func $tick))
                    (func (export "run") (call $tick)))"#,
            );
            for name in ["run", "on_tick", "run"] {
                // The host's own call of it has no instance to ask.
                let func = instance.get_func(&mut store, "on_tick").filter(|_| name == "on_tick");
                *store.data_mut() = Depth { count: 0, lowest: usize::MAX, func };
                let here = 0_u8;
                let run = instance.get_typed_func::<(), ()>(&mut store, name).unwrap();
                let error = run.call(&mut store, ()).unwrap_err();
                assert_eq!(error.as_trap(), Some(Trap::StackOverflow), "{name}: {error}");
                let used = (&raw const here).addr() - store.data().lowest;
                assert!(store.data().count > 4, "{name}: {} calls", store.data().count);
                assert!(used < BUDGET + HOST_FRAMES, "{name}: {used} bytes of stack");
            }
        },
    );
}
