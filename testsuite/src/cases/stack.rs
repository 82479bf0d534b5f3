//! Stack exhaustion: at any depth, in nested activations, with large frames.
//! The store stays usable afterwards and holds nothing it should not.

use crate::support::{Census, Setup, instance, linked, module, tools};
use alloc::format;
use alloc::string::String;
use core::cell::Cell;
use kernref::{Caller, Config, Error, Extern, Instance, Store, Trap};

fn stack_bytes(bytes: usize) -> impl Fn(&mut Config) {
    move |config| {
        config.max_wasm_stack(bytes);
    }
}

const DEEP: &str = r#"(module
    (import "h" "make" (func $make (param i32) (result externref)))
    (import "h" "use" (func $use (param externref)))
    (type $down (func (param i32) (result i32)))
    (table $t (export "t") 2 externref)
    (table $f 1 funcref)
    (elem (table $f) (i32.const 0) func $indirect)
    (func $direct (export "direct") (type $down)
        (if (result i32) (local.get 0)
            (then (i32.add (i32.const 1)
                (call $direct (i32.sub (local.get 0) (i32.const 1)))))
            (else (i32.const 0))))
    (func $indirect (export "indirect") (type $down)
        (if (result i32) (local.get 0)
            (then (i32.add (i32.const 1) (call_indirect $f (type $down)
                (i32.sub (local.get 0) (i32.const 1)) (i32.const 0))))
            (else (i32.const 0))))
    (func $holding (export "holding") (type $down)
        (local $mine externref)
        (local.set $mine (call $make (local.get 0)))
        (table.set $t (i32.const 1) (local.get $mine))
        (if (local.get 0)
            (then (drop (call $holding (i32.sub (local.get 0) (i32.const 1))))))
        (call $use (local.get $mine))
        (local.get 0)))"#;

pub fn the_store_is_usable_afterwards(setup: Setup) {
    for bytes in [16 << 10, 28 << 10] {
        setup.each_config(stack_bytes(bytes), |engine| {
            let census = Census::default();
            let (mut store, instance) = linked(&tools(engine), census.clone(), DEEP);
            for name in ["direct", "indirect", "holding"] {
                let down = instance.get_typed_func::<u32, u32>(&mut store, name).unwrap();
                for _ in 0..3 {
                    let error = down.call(&mut store, 1_000_000).unwrap_err();
                    assert_eq!(error.as_trap(), Some(Trap::StackOverflow), "{name}");
                    // What the table keeps, and nothing the frames held.
                    assert!(census.alive() <= 1, "{name}: {} alive", census.alive());
                    assert_eq!(down.call(&mut store, 5).unwrap(), 5, "{name}");
                }
            }
            assert_eq!(census.alive(), 1);
            let trace = store.last_backtrace();
            assert!(trace.is_some_and(|trace| trace.frames().count() > 0));
        });
    }
}

pub fn more_stack_is_more_depth(setup: Setup) {
    // Under zeal, each of thousands of calls would walk thousands of frames.
    let setup = Setup { zeal: false, ..setup };
    let deepest = |bytes: usize| {
        let works = Cell::new(0_u32);
        setup.each_config(stack_bytes(bytes), |engine| {
            let (mut store, instance) = linked(&tools(engine), Census::default(), DEEP);
            let down = instance.get_typed_func::<u32, u32>(&mut store, "direct").unwrap();
            let mut fails = 1_000_000;
            while works.get() + 1 < fails {
                let middle = (works.get() + fails) / 2;
                match down.call(&mut store, middle) {
                    Ok(found) => works.set(found),
                    Err(_) => fails = middle,
                }
            }
        });
        works.get()
    };
    let (small, large) = (deepest(16 << 10), deepest(64 << 10));
    assert!(small > 20, "{small} frames in 16 KiB");
    assert!(large > 3 * small, "{small} frames in 16 KiB, {large} in 64 KiB");
}

pub fn large_frames(setup: Setup) {
    // Frames larger than a page: the check comes before the stack is touched.
    const LOCALS: u64 = 600;
    setup.each_config(stack_bytes(64 << 10), |engine| {
        let (mut written, mut read) = (String::new(), String::new());
        for at in 0..LOCALS {
            let (local, offset) = (at + 2, 8 * at);
            written += &format!("(local.set {local} (i64.load offset={offset} (i32.const 0))) ");
            read += &format!("(local.get {local}) i64.xor ");
        }
        let declared = "i64 ".repeat(LOCALS as usize);
        // Loads cannot be moved past the call, so frames really do hold them.
        let text = format!(
            r#"(module
                (memory (export "m") 1)
                (func $large (export "large") (param i64 i32) (result i64) (local {declared})
                    {written}
                    (i64.store (i32.const 0) (i64.extend_i32_u (local.get 1)))
                    (if (local.get 1) (then
                        (local.set 0 (call $large (local.get 0)
                            (i32.sub (local.get 1) (i32.const 1))))))
                    (local.get 0) {read}))"#
        );
        let (mut store, instance) = instance(engine, &text);
        let memory = instance.get_memory(&mut store, "m").unwrap();
        for at in 0..LOCALS {
            memory.write(&mut store, 8 * at as usize, &(at * at).to_le_bytes()).unwrap();
        }
        let large = instance.get_typed_func::<(u64, u32), u64>(&mut store, "large").unwrap();
        let expected = (0..LOCALS).fold(9, |sum, at| sum ^ (at * at));
        for _ in 0..3 {
            assert_eq!(large.call(&mut store, (9, 0)).unwrap(), expected);
            let error = large.call(&mut store, (9, 20)).unwrap_err();
            assert_eq!(error.as_trap(), Some(Trap::StackOverflow));
            memory.write(&mut store, 0, &[0; 8]).unwrap();
        }
    });
}

pub fn many_stack_arguments(setup: Setup) {
    setup.each_config(stack_bytes(32 << 10), |engine| {
        let params = "i64 ".repeat(100);
        let passed: String = (0..100).map(|at| format!("(local.get {at}) ")).collect();
        let text = format!(
            r#"(module
                (func $wide (param {params} i32) (result i64)
                    (if (result i64) (local.get 100)
                        (then (call $wide {passed} (i32.sub (local.get 100) (i32.const 1))))
                        (else (i64.add (local.get 0) (local.get 99)))))
                (func (export "run") (param i32) (result i64)
                    (call $wide {} (local.get 0))))"#,
            (0..100).map(|at| format!("(i64.const {at}) ")).collect::<String>()
        );
        let (mut store, instance) = instance(engine, &text);
        let run = instance.get_typed_func::<u32, i64>(&mut store, "run").unwrap();
        for _ in 0..3 {
            assert_eq!(run.call(&mut store, 3).unwrap(), 99);
            let error = run.call(&mut store, 100_000).unwrap_err();
            assert_eq!(error.as_trap(), Some(Trap::StackOverflow));
        }
    });
}

pub fn an_overflow_at_every_level_of_nesting(setup: Setup) {
    // Each activation overflows on its own; the host continues above it.
    setup.each_config(stack_bytes(40 << 10), |engine| {
        let census = Census::default();
        let mut linker = tools(engine);
        let nest = |mut caller: Caller<'_, Census>, depth: u32| -> kernref::Result<u32> {
            let mut overflows = 0;
            let deep = caller.get_export("deep").and_then(Extern::into_func).unwrap();
            match deep.typed::<(), ()>(&caller)?.call(&mut caller, ()) {
                Err(Error::Trap(Trap::StackOverflow)) => overflows += 1,
                other => panic!("{other:?}"),
            }
            if depth > 0 {
                let run = caller.get_export("run").and_then(Extern::into_func).unwrap();
                overflows += run.typed::<u32, u32>(&caller)?.call(&mut caller, depth - 1)?;
            }
            caller.gc()?;
            Ok(overflows)
        };
        linker.func_wrap("h", "nest", nest).unwrap();
        let (mut store, instance) = linked(
            &linker,
            census.clone(),
            r#"(module
                (import "h" "make" (func $make (param i32) (result externref)))
                (import "h" "number" (func $number (param externref) (result i32)))
                (import "h" "use" (func $use (param externref)))
                (import "h" "nest" (func $nest (param i32) (result i32)))
                (func $deep (export "deep")
                    (local $mine externref)
                    (local.set $mine (call $make (i32.const 5)))
                    (call $deep)
                    (call $use (local.get $mine)))
                (func (export "run") (param i32) (result i32)
                    (local $mine externref) (local $n i32)
                    (local.set $mine (call $make (local.get 0)))
                    (local.set $n (call $nest (local.get 0)))
                    (if (i32.ne (call $number (local.get $mine)) (local.get 0)) (then unreachable))
                    (local.get $n)))"#,
        );
        let run = instance.get_typed_func::<u32, u32>(&mut store, "run").unwrap();
        for depth in [0, 2, 4] {
            assert_eq!(run.call(&mut store, depth).unwrap(), depth + 1);
            assert_eq!(census.alive(), 0);
        }
    });
}

pub fn a_start_function_that_overflows(setup: Setup) {
    setup.each_config(stack_bytes(20 << 10), |engine| {
        let mut store = Store::new(engine, ()).unwrap();
        let bad = module(engine, "(module (func $f call $f) (start $f))");
        for _ in 0..3 {
            let error = Instance::new(&mut store, &bad, &[]).unwrap_err();
            assert_eq!(error.as_trap(), Some(Trap::StackOverflow));
        }
        let good = module(engine, r#"(module (func (export "f") (result i32) i32.const 4))"#);
        let instance = Instance::new(&mut store, &good, &[]).unwrap();
        let f = instance.get_typed_func::<(), i32>(&mut store, "f").unwrap();
        assert_eq!(f.call(&mut store, ()).unwrap(), 4);
    });
}

pub fn tail_calls_need_no_stack(setup: Setup) {
    setup.each_config(stack_bytes(16 << 10), |engine| {
        let (mut store, instance) = instance(
            engine,
            r#"(module
                (func $count (export "count") (param i32 i64) (result i64)
                    (if (i32.eqz (local.get 0)) (then (return (local.get 1))))
                    (return_call $count (i32.sub (local.get 0) (i32.const 1))
                        (i64.add (local.get 1) (i64.const 2))))
                (func $grows (export "grows") (param i32) (result i32)
                    (if (i32.eqz (local.get 0)) (then (return (i32.const 7))))
                    (return_call $wide (i32.sub (local.get 0) (i32.const 1))
                        (i32.const 1) (i32.const 2) (i32.const 3) (i32.const 4) (i32.const 5)
                        (i32.const 6) (i32.const 7) (i32.const 8) (i32.const 9) (i32.const 10)))
                (func $wide (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
                    (if (i32.ne (local.get 10) (i32.const 10)) (then unreachable))
                    (return_call $grows (local.get 0))))"#,
        );
        let count = instance.get_typed_func::<(u32, u64), u64>(&mut store, "count").unwrap();
        assert_eq!(count.call(&mut store, (100_000, 1)).unwrap(), 200_001);
        let grows = instance.get_typed_func::<u32, u32>(&mut store, "grows").unwrap();
        assert_eq!(grows.call(&mut store, 50_000).unwrap(), 7);
    });
}
