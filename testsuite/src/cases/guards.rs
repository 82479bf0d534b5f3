//! Accesses outside linear memory that the hardware traps if enabled: which
//! accesses trap, what state they leave behind, and that nothing else changes.

use crate::support::{Census, Setup, assemble, instance, linked, module, tools};
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec::Vec;
use kernref::alloc::HeapMemorySource;
use kernref::{
    Caller, Config, Error, Extern, Instance, Linker, MemoryType, Misuse, Store, Trap, Val,
};

const OUTSIDE: Option<Trap> = Some(Trap::MemoryOutOfBounds);

/// The offsets around the last one a guard covers, and the largest.
const OFFSETS: [u32; 9] =
    [0, 1, 0xffff, 0x1_0000, 0x7fff_fff8, 0x7fff_ffff, 0x8000_0000, 0x8000_0001, 0xffff_ffff];

pub fn at_the_edges_of_memory_and_guard(setup: Setup) {
    let mut text = "(module (memory (export \"m\") 1 2)".to_owned();
    for offset in OFFSETS {
        text += &format!(
            r#"(func (export "load{offset}") (param i32) (result i32)
                (i32.load8_u offset={offset} (local.get 0)))
            (func (export "store{offset}") (param i32)
                (i64.store offset={offset} (local.get 0) (i64.const -1)))
            (func (export "vector{offset}") (param i32) (result i32)
                (i32x4.extract_lane 3 (v128.load offset={offset} (local.get 0))))"#
        );
    }
    text += ")";
    setup.each_engine(|engine| {
        let (mut store, instance) = instance(engine, &text);
        let memory = instance.get_memory(&mut store, "m").unwrap();
        for offset in OFFSETS {
            let starts = [0, 1, 0xffff, 0x1_0000, 0x7fff_ffff, 0x8000_0000, u32::MAX - 1, u32::MAX];
            let edges =
                [1, 8, 16].map(|width: u32| 0x1_0000_u32.wrapping_sub(offset).wrapping_sub(width));
            for at in starts.into_iter().chain(edges) {
                let ends = |width: u64| u64::from(at) + u64::from(offset) + width <= 0x1_0000;
                let load = instance
                    .get_typed_func::<u32, u32>(&mut store, &format!("load{offset}"))
                    .unwrap();
                let found = load.call(&mut store, at);
                assert_eq!(found.is_ok(), ends(1), "load at {at}+{offset}");
                let vector = instance
                    .get_typed_func::<u32, u32>(&mut store, &format!("vector{offset}"))
                    .unwrap();
                let found = vector.call(&mut store, at);
                assert_eq!(found.is_ok(), ends(16), "vector at {at}+{offset}");
                let write = instance
                    .get_typed_func::<u32, ()>(&mut store, &format!("store{offset}"))
                    .unwrap();
                match write.call(&mut store, at) {
                    Ok(()) => {
                        assert!(ends(8), "store at {at}+{offset}");
                        memory.write(&mut store, (at + offset) as usize, &[0; 8]).unwrap();
                    }
                    Err(error) => {
                        assert!(!ends(8), "store at {at}+{offset}");
                        assert_eq!(error.as_trap(), OUTSIDE);
                    }
                }
            }
        }
        assert!(memory.data(&store).unwrap().iter().all(|byte| *byte == 0));
    });
}

pub fn after_growing(setup: Setup) {
    setup.each_engine(|engine| {
        let (mut store, instance) = instance(
            engine,
            r#"(module (memory 0 3)
                (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
                (func (export "load") (param i32) (result i32) (i32.load (local.get 0)))
                (func (export "between") (param i32) (result i32)
                    (i32.add
                        (block (result i32)
                            (drop (memory.grow (i32.const 1)))
                            (i32.load (local.get 0)))
                        (i32.load offset=65536 (local.get 0)))))"#,
        );
        let grow = instance.get_typed_func::<u32, i32>(&mut store, "grow").unwrap();
        let load = instance.get_typed_func::<u32, u32>(&mut store, "load").unwrap();
        let between = instance.get_typed_func::<u32, u32>(&mut store, "between").unwrap();
        let trap = |outcome: kernref::Result<u32>| outcome.unwrap_err().as_trap();
        assert_eq!(trap(load.call(&mut store, 0)), OUTSIDE);
        assert_eq!(grow.call(&mut store, 1).unwrap(), 0);
        assert_eq!(load.call(&mut store, 65532).unwrap(), 0);
        assert_eq!(trap(load.call(&mut store, 65533)), OUTSIDE);
        assert_eq!(between.call(&mut store, 65532).unwrap(), 0);
        assert_eq!(load.call(&mut store, 131_068).unwrap(), 0);
        assert_eq!(trap(load.call(&mut store, 131_069)), OUTSIDE);
        assert_eq!(trap(between.call(&mut store, 131_069)), OUTSIDE);
        assert_eq!(load.call(&mut store, 196_604).unwrap(), 0, "grown before it trapped");
        assert_eq!(grow.call(&mut store, 1).unwrap(), -1);
        assert_eq!(trap(load.call(&mut store, 196_608)), OUTSIDE);
    });
}

/// Stores of several bytes, and copies and fills in place.
const WRITES: [(&str, u32); 8] = [
    ("(i32.store16 (local.get 0) (i32.const -1))", 2),
    ("(i32.store (local.get 0) (i32.const -1))", 4),
    ("(i64.store (local.get 0) (i64.const -1))", 8),
    ("(f64.store (local.get 0) (f64.const nan))", 8),
    ("(v128.store (local.get 0) (v128.const i64x2 -1 -1))", 16),
    ("(memory.fill (local.get 0) (i32.const 255) (i32.const 24))", 24),
    ("(memory.copy (local.get 0) (i32.const 256) (i32.const 64))", 64),
    ("(memory.copy (local.get 0) (i32.const 256) (i32.const 35))", 35),
];

pub fn what_straddles_the_end_writes_nothing(setup: Setup) {
    setup.each_engine(|engine| {
        for (write, width) in WRITES {
            let (mut store, instance) = instance(
                engine,
                &format!(
                    r#"(module (memory (export "m") 1)
                        (func (export "write") (param i32) {write})
                        (func (export "backwards") (param i32)
                            (memory.copy (i32.const 0) (local.get 0) (i32.const {width}))))"#
                ),
            );
            let memory = instance.get_memory(&mut store, "m").unwrap();
            memory.write(&mut store, 256, &[0xff; 64]).unwrap();
            let run = instance.get_typed_func::<u32, ()>(&mut store, "write").unwrap();
            let backwards = instance.get_typed_func::<u32, ()>(&mut store, "backwards").unwrap();
            for inside in 0..width {
                let at = 0x1_0000 - inside;
                assert_eq!(run.call(&mut store, at).unwrap_err().as_trap(), OUTSIDE, "{write}");
                assert_eq!(backwards.call(&mut store, at).unwrap_err().as_trap(), OUTSIDE);
            }
            let bytes = memory.data(&store).unwrap();
            assert!(bytes[..256].iter().chain(&bytes[320..]).all(|byte| *byte == 0), "{write}");
            run.call(&mut store, 0x1_0000 - width).unwrap();
            assert_eq!(memory.data(&store).unwrap()[0xffff] & 0x7f, 0x7f, "{write}");
        }
    });
}

pub fn an_access_proves_what_comes_after_it(setup: Setup) {
    // What a check is inferred from must have executed: no path may skip it.
    setup.each_engine(|engine| {
        let (mut store, instance) = instance(
            engine,
            r#"(module (memory (export "m") 1)
                (func (export "unused") (param i32)
                    (drop (i32.load offset=8 (local.get 0)))
                    (i32.store (i32.const 0) (i32.const 1)))
                (func (export "covered") (param i32)
                    (drop (i32.load8_u offset=31 (local.get 0)))
                    (v128.store (local.get 0) (v128.const i64x2 1 1))
                    (v128.store offset=16 (local.get 0) (v128.const i64x2 1 1)))
                (func (export "branch") (param i32 i32)
                    (if (local.get 1) (then (drop (i64.load offset=8 (local.get 0)))))
                    (i64.store (local.get 0) (i64.const 1))
                    (i64.store offset=8 (local.get 0) (i64.const 1)))
                (func (export "itself") (param i32)
                    (memory.copy (local.get 0) (local.get 0) (i32.const 16))
                    (i32.store (i32.const 0) (i32.const 1))))"#,
        );
        let memory = instance.get_memory(&mut store, "m").unwrap();
        let clean = |store: &Store<()>, from: usize| {
            memory.data(store).unwrap()[from..].iter().all(|byte| *byte == 0)
        };
        for name in ["unused", "covered", "itself"] {
            let func = instance.get_typed_func::<u32, ()>(&mut store, name).unwrap();
            let at = 0x1_0000 - 4;
            assert_eq!(func.call(&mut store, at).unwrap_err().as_trap(), OUTSIDE, "{name}");
            assert!(clean(&store, 0), "{name}");
        }
        let branch = instance.get_typed_func::<(u32, u32), ()>(&mut store, "branch").unwrap();
        let at = 0x1_0000 - 8;
        assert_eq!(branch.call(&mut store, (at, 1)).unwrap_err().as_trap(), OUTSIDE);
        assert!(clean(&store, 0));
        assert_eq!(branch.call(&mut store, (at, 0)).unwrap_err().as_trap(), OUTSIDE);
        assert_eq!(memory.data(&store).unwrap()[at as usize], 1, "the first store is done");
    });
}

pub fn a_copy_onto_itself_traps_and_proves_nothing_wrong(setup: Setup) {
    setup.each_engine(|engine| {
        for len in [1, 2, 3, 4, 8, 9, 16, 17] {
            let text = format!(
                r#"(module (memory 1)
                    (func (export "copy") (param i32)
                        (memory.copy (local.get 0) (local.get 0) (i32.const {len})))
                    (func (export "copy and load") (param i32) (result i32)
                        (memory.copy (local.get 0) (local.get 0) (i32.const {len}))
                        (i32.load8_u (local.get 0))))"#
            );
            let (mut store, instance) = instance(engine, &text);
            let copy = instance.get_typed_func::<u32, ()>(&mut store, "copy").unwrap();
            let load = instance.get_typed_func::<u32, u32>(&mut store, "copy and load").unwrap();
            let last = 0x1_0000 - len;
            copy.call(&mut store, last).unwrap();
            assert_eq!(load.call(&mut store, last).unwrap(), 0);
            for at in [last + 1, 0xffff, 0x1_0000, u32::MAX] {
                if at > last {
                    let outcomes = [copy.call(&mut store, at), load.call(&mut store, at).map(drop)];
                    for outcome in outcomes {
                        assert!(matches!(outcome, Err(Error::Trap(Trap::MemoryOutOfBounds))));
                    }
                }
            }
        }
    });
}

pub fn nothing_after_a_stray_access_happens(setup: Setup) {
    setup.each_engine(|engine| {
        let mut linker = Linker::<u32>::new(engine);
        linker
            .func_wrap("h", "seen", |mut caller: Caller<'_, u32>| *caller.data_mut() += 1)
            .unwrap();
        let (mut store, instance) = linked(
            &linker,
            0,
            r#"(module (import "h" "seen" (func $seen)) (memory (export "m") 1)
                (global $g (export "g") (mut i32) (i32.const 0))
                (func (export "run") (param i32) (result i32) (local i32)
                    (global.set $g (i32.const 1))
                    (i32.store (i32.const 8) (i32.const 1))
                    (call $seen)
                    (local.set 1 (i32.load (local.get 0)))
                    (global.set $g (i32.const 2))
                    (i32.store (i32.const 8) (i32.const 2))
                    (call $seen)
                    (local.get 1)))"#,
        );
        let run = instance.get_typed_func::<u32, u32>(&mut store, "run").unwrap();
        assert_eq!(run.call(&mut store, u32::MAX).unwrap_err().as_trap(), OUTSIDE);
        let global = instance.get_global(&mut store, "g").unwrap();
        let memory = instance.get_memory(&mut store, "m").unwrap();
        assert!(matches!(global.get(&mut store).unwrap(), Val::I32(1)));
        assert_eq!(memory.data(&store).unwrap()[8], 1);
        assert_eq!(*store.data(), 1);
        // Without a stray access, all of it happens.
        assert_eq!(run.call(&mut store, 0).unwrap(), 0);
        assert_eq!(*store.data(), 3);
    });
}

pub fn in_nested_activations(setup: Setup) {
    setup.each_engine(|engine| {
        let mut linker = Linker::<bool>::new(engine);
        linker
            .func_wrap("h", "again", |mut caller: Caller<'_, bool>| -> kernref::Result<u32> {
                let inner = caller.get_export("inner").and_then(Extern::into_func).unwrap();
                let outcome = inner.typed::<u32, u32>(&caller)?.call(&mut caller, u32::MAX);
                assert_eq!(outcome.as_ref().unwrap_err().as_trap(), OUTSIDE);
                if *caller.data() { outcome } else { Ok(7) }
            })
            .unwrap();
        let text = r#"(module
            (import "h" "again" (func $again (result i32)))
            (memory 1)
            (func $inner (export "inner") (param i32) (result i32) (i32.load (local.get 0)))
            (func $outer (export "outer") (param i32) (result i32)
                (i32.add (call $again) (i32.load (local.get 0)))))"#;
        let names = |store: &Store<bool>| {
            let trace = store.last_backtrace().unwrap();
            trace.frames().map(|frame| frame.func_name().unwrap().to_owned()).collect::<Vec<_>>()
        };
        let (mut store, instance) = linked(&linker, false, text);
        let outer = instance.get_typed_func::<u32, u32>(&mut store, "outer").unwrap();
        for _ in 0..3 {
            assert_eq!(outer.call(&mut store, 0).unwrap(), 7);
            assert_eq!(outer.call(&mut store, 65536).unwrap_err().as_trap(), OUTSIDE);
            assert_eq!(names(&store), ["outer"], "the trap that was swallowed is forgotten");
        }
        *store.data_mut() = true;
        assert_eq!(outer.call(&mut store, 0).unwrap_err().as_trap(), OUTSIDE);
        assert_eq!(names(&store), ["inner", "outer"]);
    });
}

pub fn references_in_frames_are_released_once(setup: Setup) {
    setup.each_engine(|engine| {
        let census = Census::default();
        let (mut store, instance) = linked(
            &tools(engine),
            census.clone(),
            r#"(module
                (import "h" "make" (func $make (param i32) (result externref)))
                (import "h" "use" (func $use (param externref)))
                (memory 1)
                (table $t 1 externref)
                (func $deep (param i32 externref i32) (local externref)
                    (local.set 3 (call $make (local.get 0)))
                    (if (local.get 0)
                        (then (call $deep (i32.sub (local.get 0) (i32.const 1))
                            (local.get 3) (local.get 2)))
                        (else
                            (table.set $t (i32.const 0) (local.get 3))
                            (i32.store (local.get 2) (i32.const 1))))
                    (call $use (local.get 1))
                    (call $use (local.get 3)))
                (func (export "run") (param i32)
                    (call $deep (i32.const 3) (ref.null extern) (local.get 0))))"#,
        );
        let run = instance.get_typed_func::<u32, ()>(&mut store, "run").unwrap();
        for round in 1..4 {
            assert_eq!(run.call(&mut store, 65533).unwrap_err().as_trap(), OUTSIDE);
            // The last of each four is in the table.
            store.gc().unwrap();
            assert_eq!((census.alive(), census.released()), (1, round * 4 - 1));
        }
        run.call(&mut store, 0).unwrap();
        store.gc().unwrap();
        assert_eq!((census.alive(), census.released()), (1, 15));
        drop(store);
        assert_eq!((census.alive(), census.released()), (0, 16));
    });
}

pub fn leaves_and_deep_callees_tell_where_they_were(setup: Setup) {
    setup.each_engine(|engine| {
        let (mut store, instance) = instance(
            engine,
            r#"(module $guest (memory 1)
                (func $leaf (export "leaf") (param i32) (result i32) (i32.load (local.get 0)))
                (func $down (export "down") (param i32 i32) (result i32)
                    (if (result i32) (local.get 0)
                        (then (i32.add (i32.const 1)
                            (call $down (i32.sub (local.get 0) (i32.const 1)) (local.get 1))))
                        (else (call $leaf (local.get 1))))))"#,
        );
        let leaf = instance.get_typed_func::<u32, u32>(&mut store, "leaf").unwrap();
        let down = instance.get_typed_func::<(u32, u32), u32>(&mut store, "down").unwrap();
        for _ in 0..2 {
            assert_eq!(leaf.call(&mut store, 1 << 31).unwrap_err().as_trap(), OUTSIDE);
            let frames: Vec<_> = store.last_backtrace().unwrap().frames().collect();
            assert_eq!(frames.len(), 1);
            assert_eq!((frames[0].func_index(), frames[0].module_name()), (0, Some("guest")));
            assert_eq!(down.call(&mut store, (5, 1 << 31)).unwrap_err().as_trap(), OUTSIDE);
            let frames: Vec<_> = store.last_backtrace().unwrap().frames().collect();
            let indices: Vec<_> = frames.iter().map(|frame| frame.func_index()).collect();
            assert_eq!(indices, [0, 1, 1, 1, 1, 1, 1]);
            assert_eq!(down.call(&mut store, (300, 1 << 31)).unwrap_err().as_trap(), OUTSIDE);
            assert!(store.last_backtrace().unwrap().is_truncated());
            assert_eq!(down.call(&mut store, (300, 0)).unwrap(), 300);
        }
    });
}

pub fn memories_of_other_instances(setup: Setup) {
    setup.each_engine(|engine| {
        let mut store = Store::new(engine, ()).unwrap();
        let ty = MemoryType { minimum: 1, maximum: Some(2), memory64: false };
        let own = kernref::Memory::new(&mut store, ty).unwrap();
        let first = module(engine, r#"(module (memory (export "m") 1) (memory (export "n") 2))"#);
        let first = Instance::new(&mut store, &first, &[]).unwrap();
        let [m, n] = ["m", "n"].map(|name| first.get_memory(&mut store, name).unwrap());
        let second = module(
            engine,
            r#"(module (import "" "" (memory 1)) (import "" "" (memory 1)) (import "" "" (memory 1))
                (func (export "0") (param i32) (i32.store8 0 (local.get 0) (i32.const 1)))
                (func (export "1") (param i32) (i32.store8 1 (local.get 0) (i32.const 1)))
                (func (export "2") (param i32) (i32.store8 2 (local.get 0) (i32.const 1))))"#,
        );
        let second = Instance::new(&mut store, &second, &[own.into(), m.into(), n.into()]).unwrap();
        for (name, memory, pages) in [("0", own, 1), ("1", m, 1), ("2", n, 2)] {
            let write = second.get_typed_func::<u32, ()>(&mut store, name).unwrap();
            let end = pages << 16;
            assert_eq!(write.call(&mut store, end).unwrap_err().as_trap(), OUTSIDE);
            assert_eq!(write.call(&mut store, u32::MAX).unwrap_err().as_trap(), OUTSIDE);
            write.call(&mut store, end - 1).unwrap();
            assert_eq!(memory.data(&store).unwrap()[end as usize - 1], 1);
        }
    });
}

pub fn artifacts_and_memories_for_the_other_mode_are_refused(setup: Setup) {
    use kernref::__internals::{CompileSettings, compile};
    setup.each_engine(|engine| {
        let wasm = assemble(r#"(module (memory (export "m") 1))"#);
        for hardware_traps in [false, true] {
            let settings = CompileSettings {
                policy: setup.policy,
                zeal: setup.zeal,
                hardware_traps,
                ..Default::default()
            };
            let artifact = compile(&wasm, &settings).unwrap();
            assert_eq!(artifact.parts().flavor.hardware_traps, hardware_traps);
            match kernref::Module::from_artifact(engine, artifact) {
                Ok(module) => {
                    assert_eq!(hardware_traps, setup.hardware_traps);
                    Instance::new(&mut Store::new(engine, ()).unwrap(), &module, &[]).unwrap();
                }
                Err(error) => {
                    assert_ne!(hardware_traps, setup.hardware_traps);
                    let Error::Misuse(Misuse::WrongFlavor(mismatch)) = error else {
                        panic!("{error}");
                    };
                    assert_eq!(mismatch.setting, "hardware traps");
                }
            }
        }
    });
    // The heap has no guard pages.
    let on_the_heap = |config: &mut Config| {
        config.memory_source(Arc::new(HeapMemorySource::new(0)));
    };
    setup.each_config(on_the_heap, |engine| {
        let mut store = Store::new(engine, ()).unwrap();
        let narrow = module(engine, "(module (memory 1))");
        let wide = module(engine, "(module (memory i64 1))");
        match (setup.hardware_traps, Instance::new(&mut store, &narrow, &[])) {
            (false, outcome) => drop(outcome.unwrap()),
            (true, Err(Error::Misuse(misuse @ Misuse::GuardTooSmall { needed, given }))) => {
                assert_eq!((needed, given), (kernref::fault::MEMORY32_GUARDED_BYTES, 0));
                assert!(misuse.to_string().contains(&needed.to_string()));
            }
            (true, outcome) => panic!("{outcome:?}"),
        }
        Instance::new(&mut store, &wide, &[]).unwrap();
    });
}
