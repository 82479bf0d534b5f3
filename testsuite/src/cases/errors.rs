//! Modules that do not compile, and configurations that are refused.

use crate::support::module;
use crate::support::{Setup, assemble};
use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;
use kernref::{Config, Error, ExternType, Misuse, Module};

pub fn malformed_and_invalid_modules(setup: Setup) {
    let engine = setup.engine();
    assert!(matches!(Module::new(&engine, b"\0asm"), Err(Error::Malformed { .. })));
    assert!(matches!(Module::new(&engine, b"nonsense"), Err(Error::Malformed { .. })));
    let invalid = assemble("(module (func (result i32) i64.const 0))");
    match Module::new(&engine, invalid) {
        Err(Error::Malformed { offset, message }) => {
            assert!(offset > 0 && message.contains("type mismatch"), "{offset} {message}");
        }
        other => panic!("{other:?}"),
    }
}

pub fn names_of_guests_are_escaped(setup: Setup) {
    let is_shown = |text: &str| {
        let is_raw = |character: char| character.is_control() || character == '\u{202e}';
        assert!(!text.trim_end_matches('\n').chars().any(is_raw), "{text:?}");
        assert!(text.contains("\\u{1b}[31m"), "{text}");
    };
    setup.each_engine(|engine| {
        let text = r#"(module (@name "\u{202e}guest\n")
            (func (@name "\1b[31mRED\1b[2J\0d\0afake line") (export "run") unreachable))"#;
        let (mut store, instance) = crate::support::instance(engine, text);
        let run = instance.get_typed_func::<(), ()>(&mut store, "run").unwrap();
        assert!(run.call(&mut store, ()).is_err());
        let trace = store.last_backtrace().unwrap();
        is_shown(&trace.to_string());
        is_shown(&trace.frames().next().unwrap().to_string());
        let missing = module(engine, r#"(module (import "\u{202e}" "\1b[31mRED\0a" (func)))"#);
        let linker = kernref::Linker::<()>::new(engine);
        is_shown(&linker.instantiate(&mut store, &missing).unwrap_err().to_string());
        let twice = assemble(
            r#"(module (func (export "\1b[31mRED\0a\u{202e}"))
                (export "\1b[31mRED\0a\u{202e}" (func 0)))"#,
        );
        is_shown(&Module::new(engine, twice).unwrap_err().to_string());
    });
}

pub fn switched_off_features_are_named(setup: Setup) {
    let wat = [
        ("SIMD (Config::wasm_simd)", "(module (func (result v128) (v128.const i64x2 0 0)))"),
        ("tail calls (Config::wasm_tail_call)", "(module (func $f (return_call $f)))"),
        ("64-bit memories (Config::wasm_memory64)", "(module (memory i64 1))"),
        ("multiple memories (Config::wasm_multi_memory)", "(module (memory 1) (memory 1))"),
        (
            "tail calls (Config::wasm_tail_call), multiple memories (Config::wasm_multi_memory)",
            "(module (memory 1) (memory 1) (func $f (return_call $f)))",
        ),
    ];
    let mut config = setup.config();
    config.wasm_simd(false).wasm_tail_call(false).wasm_memory64(false).wasm_multi_memory(false);
    let engine = crate::support::engine(&config).unwrap();
    for (name, text) in wat {
        match Module::new(&engine, assemble(text)) {
            Err(Error::Unsupported { proposals, .. }) => {
                assert_eq!(proposals.to_string(), name);
            }
            other => panic!("{other:?}"),
        }
    }
}

pub fn configurations_are_checked(setup: Setup) {
    let refused = |config: &Config| {
        matches!(crate::support::engine(config), Err(Error::Misuse(Misuse::InvalidConfig(_))))
    };
    assert!(refused(setup.config().reference_slots(0)));
    assert!(refused(setup.config().max_wasm_stack(100)));
}

pub fn modules_tell_what_they_declare(setup: Setup) {
    let engine = setup.engine();
    let module = module(
        &engine,
        r#"(module $shape
            (import "a" "f" (func $imported (param i32)))
            (import "a" "g" (global (mut f32)))
            (memory (export "m") 1 2)
            (func $named (export "e") (result i64) i64.const 0)
            (func (export "x")))"#,
    );
    assert_eq!(module.name(), Some("shape"));
    assert_eq!(module.function_name(0), Some("imported"));
    assert_eq!(module.function_name(1), Some("named"));
    assert_eq!(module.function_name(9), None);
    let imports: Vec<_> = module
        .imports()
        .map(|import| format!("{}::{} {}", import.module(), import.name(), import.ty().unwrap()))
        .collect();
    assert_eq!(imports, ["a::f (func (param i32))", "a::g (global (mut f32))"]);
    let exports: Vec<_> = module
        .exports()
        .map(|export| format!("{} {}", export.name(), export.ty().unwrap()))
        .collect();
    assert_eq!(exports, ["m (memory 1 2)", "e (func (result i64))", "x (func)"]);
    assert!(matches!(module.get_export("m").unwrap(), Some(ExternType::Memory(_))));
    assert!(module.get_export("nothing").unwrap().is_none());
    assert!(module.code_size() > 0);
}

pub fn missing_exports_are_named(setup: Setup) {
    let engine = setup.engine();
    let (mut store, instance) = crate::support::instance(&engine, "(module $m)");
    let error = instance.get_typed_func::<(), ()>(&mut store, "f").unwrap_err();
    let said = error.to_string();
    assert!(said.contains("`m`") && said.contains("`f`"), "{said}");
}
