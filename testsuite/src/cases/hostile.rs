//! Modules that are deliberately broken, use features Kernref lacks, or push
//! its limits: each yields an error that says what is wrong, and nothing worse.

use crate::support::{Census, Setup, assemble, linked, module, tools};
use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;
use kernref::{
    Error, FuncType, Global, GlobalType, Instance, Memory, MemoryType, Misuse, Module, RefType,
    Store, Table, TableType, Val, ValType,
};

pub fn proposals_that_are_missing_are_named(setup: Setup) {
    let engine = setup.engine();
    for (name, text) in [
        ("threads", "(module (memory 1 1 shared))"),
        ("threads", "(module (memory 1) (func (drop (i32.atomic.load (i32.const 0)))))"),
        (
            "relaxed SIMD",
            "(module (func (param v128 v128) (result v128)
            (i8x16.relaxed_swizzle (local.get 0) (local.get 1))))",
        ),
        ("exception handling", "(module (tag))"),
        ("exception handling", "(module (tag $e) (func (throw $e)))"),
        ("typed function references", "(module (type $f (func)) (func (param (ref $f))))"),
        ("garbage-collected types", "(module (type (struct (field i32))))"),
        ("garbage-collected types", "(module (func (result i31ref) (ref.i31 (i32.const 1))))"),
        ("custom page sizes", "(module (memory 1 (pagesize 1)))"),
        (
            "wide arithmetic",
            "(module (func (param i64 i64 i64 i64) (result i64 i64)
            (i64.add128 (local.get 0) (local.get 1) (local.get 2) (local.get 3))))",
        ),
        ("stack switching", "(module (type $f (func)) (type $c (cont $f)))"),
        (
            "threads, exception handling",
            "(module (tag) (memory 1) (func (drop (i32.atomic.load (i32.const 0)))))",
        ),
        ("exception handling, garbage-collected types", "(module (type (sub (func))) (tag))"),
    ] {
        match Module::new(&engine, assemble(text)) {
            Err(Error::Unsupported { proposals, offset }) => {
                assert_eq!(proposals.to_string(), name, "{text}");
                assert!(offset >= 8, "{offset}: {text}");
            }
            other => panic!("{other:?} instead of {name}: {text}"),
        }
    }
}

/// A bit of everything, to be corrupted.
const RICH: &str = r#"(module $rich
    (type $t (func (param i32 externref) (result externref)))
    (import "a" "f" (func $imported (param i32)))
    (import "a" "g" (global $g externref))
    (memory 1 2)
    (table $x 2 4 externref)
    (table $f 2 funcref)
    (global $m (mut i64) (i64.const 7))
    (export "m" (memory 0))
    (start $go)
    (elem (table $f) (i32.const 0) func $one $go)
    (elem $e externref (global.get $g) (ref.null extern))
    (func $one (type $t)
        (block $b (loop $l (br_if $b (local.get 0)) (br $l)))
        (table.set $x (i32.const 0) (local.get 1))
        (select (result externref) (local.get 1) (table.get $x (i32.const 1)) (local.get 0)))
    (func $go (local f32 f64)
        (table.init $x $e (i32.const 0) (i32.const 0) (i32.const 2))
        (i64.store offset=8 (i32.const 0) (i64.trunc_sat_f64_s (local.get 1)))
        (global.set $m (i64.extend_i32_u (memory.grow (i32.const 0)))))
    (data (i32.const 3) "hello"))"#;

pub fn a_truncated_module_is_malformed(setup: Setup) {
    let engine = setup.engine();
    let bytes = assemble(RICH);
    Module::new(&engine, &bytes).unwrap();
    for len in 0..bytes.len() {
        match Module::new(&engine, &bytes[..len]) {
            Err(Error::Malformed { offset, message }) => {
                assert!(offset <= len && !message.is_empty(), "{len}: {offset} {message}");
            }
            // A module cut at the end of a section may still be complete.
            Ok(_) => {}
            Err(other) => panic!("{len}: {other}"),
        }
    }
}

pub fn changed_bytes_do_no_harm(setup: Setup) {
    let engine = setup.engine();
    let bytes = assemble(RICH);
    let (mut accepted, mut refused) = (0, 0);
    // Compiling is slow: each setup takes its share of the bytes.
    let same = |one: &Setup| (one.policy, one.zeal) == (setup.policy, setup.zeal);
    let share = Setup::ALL.iter().position(same).unwrap();
    for at in (8 + share..bytes.len()).step_by(Setup::ALL.len()) {
        // A few changes to each byte, varying from byte to byte.
        for change in [0x01, 0x80, at as u8 | 1] {
            let mut changed = bytes.clone();
            changed[at] ^= change;
            match Module::new(&engine, &changed) {
                Ok(_) => accepted += 1,
                Err(Error::Malformed { .. } | Error::Unsupported { .. } | Error::Limit(_)) => {
                    refused += 1;
                }
                Err(other) => panic!("byte {at} by {change:#x}: {other}"),
            }
        }
    }
    assert!(accepted > 10 && refused > 50, "{accepted} accepted, {refused} refused");
}

pub fn malformed_modules_say_where(setup: Setup) {
    let engine = setup.engine();
    let refused = |bytes: &[u8]| match Module::new(&engine, bytes) {
        Err(Error::Malformed { offset, message }) => (offset, message.to_string()),
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(b"\0asm\x02\0\0\0").0, 4);
    assert_eq!(refused(b"\0wasm\x01\0\0").0, 0);
    // A section with an unknown id: its header is two bytes.
    assert_eq!(refused(b"\0asm\x01\0\0\0\x7f\x00").0, 10);
    // In a longer body, the same operator is reported at a larger offset.
    let invalid = |nops: usize| {
        let nops = "nop ".repeat(nops);
        refused(&assemble(&format!("(module (func {nops} i32.add drop))")))
    };
    let ((near, message), (far, _)) = (invalid(0), invalid(20));
    assert_eq!(far - near, 20);
    assert!(message.contains("type mismatch") && !message.contains('\n'), "{message}");
    let text = Module::new(&engine, b"\0asm\x02\0\0\0").unwrap_err().to_string();
    assert!(text.starts_with("malformed module: ") && text.ends_with("(at offset 0x4)"), "{text}");
}

pub fn invalid_uses_of_references(setup: Setup) {
    // Anything that would confuse references with numbers is refused before it
    // runs.
    let engine = setup.engine();
    for text in [
        "(module (func (param externref) (result i32) local.get 0))",
        "(module (func (param i32) (result externref) local.get 0))",
        "(module (func (param externref) (result funcref) local.get 0))",
        "(module (func (param externref) (result externref)
            local.get 0 local.get 0 i32.const 0 select))",
        "(module (func (param externref) (drop (i32.add (local.get 0) (i32.const 1)))))",
        "(module (table 1 funcref) (func (param externref)
            (table.set (i32.const 0) (local.get 0))))",
        "(module (table $a 1 funcref) (table $b 1 externref) (func
            (table.copy $a $b (i32.const 0) (i32.const 0) (i32.const 1))))",
        "(module (table 1 externref) (func (call_indirect (i32.const 0))))",
        "(module (global externref (ref.null func)))",
        "(module (global i32 (ref.null extern)))",
        "(module (memory 1) (func (param externref) (i32.store (i32.const 0) (local.get 0))))",
        "(module (func $f) (func (result funcref) (ref.func $f)))",
        "(module (func (result externref) (i32.const 5) (br 0)))",
    ] {
        match Module::new(&engine, assemble(text)) {
            Err(Error::Malformed { .. }) => {}
            other => panic!("{other:?}: {text}"),
        }
    }
}

pub fn limits_are_named(setup: Setup) {
    let engine = setup.engine();
    let mut store = Store::new(&engine, ()).unwrap();
    let limit = |outcome: kernref::Result<()>| match outcome {
        Err(Error::Limit(limit)) => {
            let text = Error::Limit(limit).to_string();
            assert!(text.contains(limit.what) && !limit.what.is_empty(), "{text}");
            assert!(Error::Limit(limit).is_guest_fault());
            (limit.requested, limit.limit)
        }
        other => panic!("{other:?}"),
    };
    let memory = |minimum, memory64| MemoryType { minimum, maximum: None, memory64 };
    let of = limit(Memory::new(&mut store, memory(65_537, false)).map(|_| ()));
    assert_eq!(of, (65_537, 65_536));
    let of = limit(Memory::new(&mut store, memory((1 << 20) + 1, true)).map(|_| ()));
    assert_eq!(of, ((1 << 20) + 1, 1 << 20));
    let element = RefType::EXTERNREF;
    let table = TableType { element, minimum: 10_000_001, maximum: None, table64: false };
    let of = limit(Table::new(&mut store, table, Val::ExternRef(None)).map(|_| ()));
    assert_eq!(of, (10_000_001, 10_000_000));
    let wide = FuncType::new((0..1001).map(|_| ValType::I32), []).unwrap();
    let of = limit(kernref::Func::new(&mut store, wide, |_, _, _| Ok(())).map(|_| ()));
    assert_eq!(of, (1001, 1000));
    let wide = FuncType::new([], (0..1001).map(|_| ValType::I32)).unwrap();
    let of = limit(kernref::Func::new(&mut store, wide, |_, _, _| Ok(())).map(|_| ()));
    assert_eq!(of, (1001, 1000));
}

pub fn the_most_parameters_and_results(setup: Setup) {
    setup.each_engine(|engine| {
        const COUNT: usize = 1000;
        let mut store = Store::new(engine, ()).unwrap();
        let i32s = || (0..COUNT).map(|_| ValType::I32);
        let ty = FuncType::new(i32s(), i32s()).unwrap();
        let reverse = |_: kernref::Caller<'_, ()>, params: &[Val], results: &mut [Val]| {
            for (param, result) in params.iter().rev().zip(results) {
                *result = param.clone();
            }
            Ok(())
        };
        let reverse = kernref::Func::new(&mut store, ty, reverse).unwrap();
        let types = "i32 ".repeat(COUNT);
        let gets: alloc::string::String =
            (0..COUNT).map(|at| format!("(local.get {at}) ")).collect();
        let text = format!(
            r#"(module
                (import "" "f" (func $f (param {types}) (result {types})))
                (func (export "run") (param {types}) (result {types}) (call $f {gets})))"#
        );
        let instance =
            Instance::new(&mut store, &module(engine, &text), &[reverse.into()]).unwrap();
        let run = instance.get_func(&mut store, "run").unwrap();
        let params: Vec<Val> = (0..COUNT as i32).map(Val::I32).collect();
        let mut results: Vec<Val> = (0..COUNT).map(|_| Val::I64(0)).collect();
        for func in [run, reverse] {
            func.call(&mut store, &params, &mut results).unwrap();
            let found: Vec<i32> = results.iter().filter_map(Val::i32).collect();
            assert_eq!(found, (0..COUNT as i32).rev().collect::<Vec<i32>>());
        }
        let few = run.call(&mut store, &params[1..], &mut results);
        assert!(matches!(few, Err(Error::Misuse(Misuse::WrongArity))));
    });
}

pub fn every_handle_knows_its_store(setup: Setup) {
    setup.each_engine(|engine| {
        let census = Census::default();
        let text = r#"(module (memory (export "m") 1) (table (export "t") 1 externref)
            (global (export "g") (mut i32) (i32.const 0)) (func (export "f")))"#;
        let (mut store, instance) = linked(&tools(engine), census.clone(), text);
        let mut other = Store::new(engine, census.clone()).unwrap();
        let memory = instance.get_memory(&mut store, "m").unwrap();
        let table = instance.get_table(&mut store, "t").unwrap();
        let global = instance.get_global(&mut store, "g").unwrap();
        let func = instance.get_func(&mut store, "f").unwrap();
        let strange = |outcome: kernref::Result<()>| {
            assert!(matches!(outcome, Err(Error::Misuse(Misuse::WrongStore))), "{outcome:?}");
        };
        strange(memory.size(&other).map(|_| ()));
        strange(memory.grow(&mut other, 1).map(|_| ()));
        strange(memory.write(&mut other, 0, &[1]));
        strange(memory.read(&other, 0, &mut [0]));
        strange(memory.data(&other).map(|_| ()));
        strange(table.get(&other, 0).map(|_| ()));
        strange(table.set(&mut other, 0, census.object(1).into()));
        strange(table.grow(&mut other, 1, census.object(1).into()).map(|_| ()));
        strange(global.get(&other).map(|_| ()));
        strange(global.set(&mut other, Val::I32(1)));
        strange(func.call(&mut other, &[], &mut []));
        strange(func.ty(&other).map(|_| ()));
        strange(func.typed::<(), ()>(&other).map(|_| ()));
        strange(instance.get_typed_func::<(), ()>(&mut other, "f").map(|_| ()));
        strange(instance.exports(&other).map(|_| ()));
        strange(instance.module(&other).map(|_| ()));
        let functions =
            TableType { element: RefType::FUNCREF, minimum: 1, maximum: None, table64: false };
        let mine = Table::new(&mut other, functions, Val::FuncRef(None)).unwrap();
        strange(mine.set(&mut other, 0, func.into()));
        let ty = GlobalType { content: ValType::FUNCREF, mutable: true };
        strange(Global::new(&mut other, ty, func.into()).map(|_| ()));
        strange(Table::copy(&mut other, &mine, 0, &table, 0, 1));
        assert_eq!((census.alive(), global.get(&store).unwrap().i32()), (0, Some(0)));
    });
}
