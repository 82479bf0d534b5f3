//! Traps, their backtraces, and stack exhaustion.

use crate::support::{Setup, assemble, instance, linked};
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;
use kernref::{Caller, Error, Extern, Instance, Linker, Module, Store, Trap};

pub fn every_kind_of_trap(setup: Setup) {
    setup.each_engine(|engine| {
        let (mut store, instance) = instance(
            engine,
            r#"(module
                (memory 1)
                (type $v (func))
                (type $i (func (result i32)))
                (table 3 funcref)
                (elem (i32.const 0) $seven)
                (func $seven (type $i) i32.const 7)
                (func (export "UnreachableCodeReached") unreachable)
                (func (export "IntegerDivisionByZero") (drop (i32.div_s (i32.const 1) (i32.const 0))))
                (func (export "IntegerOverflow") (drop (i32.div_s (i32.const 0x80000000) (i32.const -1))))
                (func (export "BadConversionToInteger") (drop (i32.trunc_f32_s (f32.const nan))))
                (func (export "MemoryOutOfBounds") (drop (i32.load (i32.const 65533))))
                (func (export "UndefinedElement") (call_indirect (type $v) (i32.const 3)))
                (func (export "IndirectCallToNull") (call_indirect (type $v) (i32.const 2)))
                (func (export "BadSignature") (call_indirect (type $v) (i32.const 0)))
                (func (export "TableOutOfBounds") (drop (table.get 0 (i32.const 3))))
                (func $deep (export "StackOverflow") call $deep)
                (func (export "fine") (result i32) (call_indirect (type $i) (i32.const 0))))"#,
        );
        let fine = instance.get_typed_func::<(), i32>(&mut store, "fine").unwrap();
        for trap in Trap::ALL {
            let Ok(func) = instance.get_typed_func::<(), ()>(&mut store, &format!("{trap:?}"))
            else {
                continue;
            };
            assert_eq!(func.call(&mut store, ()).unwrap_err().as_trap(), Some(*trap));
            assert_eq!(fine.call(&mut store, ()).unwrap(), 7, "after {trap:?}");
        }
    });
}

pub fn backtraces_name_functions(setup: Setup) {
    setup.each_engine(|engine| {
        let (mut store, instance) = instance(
            engine,
            r#"(module $guest
                (func $inner unreachable)
                (func $middle call $inner)
                (func $outer (export "run") call $middle))"#,
        );
        assert!(store.last_backtrace().is_none());
        let run = instance.get_typed_func::<(), ()>(&mut store, "run").unwrap();
        assert!(run.call(&mut store, ()).is_err());
        let trace = store.last_backtrace().unwrap();
        let names: Vec<_> = trace.frames().map(|frame| frame.func_name().unwrap()).collect();
        assert_eq!(names, ["inner", "middle", "outer"]);
        let first = trace.frames().next().unwrap();
        assert_eq!((first.module_name(), first.func_index()), (Some("guest"), 0));
        assert!(trace.to_string().contains("guest!middle@0x"));
        assert!(!trace.is_truncated());
    });
}

pub fn backtraces_name_the_instruction(setup: Setup) {
    // Each function has several instructions of a kind, of which the third one
    // traps; `nop` after `nop` says where: the offsets differ by what lies between.
    let text = r#"(module
        (memory 1)
        (table 1 funcref)
        (type $v (func))
        (func (export "load") (param i32)
            (drop (i32.load8_u (i32.const 0)))
            (drop (i32.load (i32.const 65532)))
            nop nop nop nop nop nop nop nop nop nop
            (drop (i32.load (local.get 0)))
            nop nop nop nop nop nop nop nop nop nop
            (drop (i64.load (local.get 0))))
        (func (export "fill") (param i32)
            (memory.fill (i32.const 0) (i32.const 0) (i32.const 200))
            nop nop nop nop nop nop nop nop nop nop
            (memory.fill (local.get 0) (i32.const 0) (i32.const 200))
            nop nop nop nop nop nop nop nop nop nop
            (memory.fill (local.get 0) (i32.const 0) (i32.const 201)))
        (func (export "divide") (param i32)
            (drop (i32.div_u (i32.const 1) (i32.add (local.get 0) (i32.const 1))))
            nop nop nop nop nop nop nop nop nop nop
            (drop (i32.div_u (i32.const 1) (i32.sub (local.get 0) (i32.const 0x10000))))
            nop nop nop nop nop nop nop nop nop nop
            (drop (i32.div_u (i32.const 1) (i32.sub (local.get 0) (i32.const 0x10000)))))
        (func (export "truncate") (param i32)
            (drop (i32.trunc_f32_s (f32.convert_i32_s (local.get 0))))
            nop nop nop nop nop nop nop nop nop nop
            (drop (i32.trunc_f64_s (f64.mul (f64.convert_i32_s (local.get 0)) (f64.const 1e9))))
            nop nop nop nop nop nop nop nop nop nop
            (drop (i32.trunc_f64_u (f64.mul (f64.convert_i32_s (local.get 0)) (f64.const 1e9)))))
        (func (export "unreachable") (param i32)
            (if (i32.eqz (local.get 0)) (then unreachable))
            nop nop nop nop nop nop nop nop nop nop
            (if (local.get 0) (then unreachable))
            nop nop nop nop nop nop nop nop nop nop
            unreachable)
        (func (export "table") (param i32)
            (drop (table.get 0 (i32.const 0)))
            nop nop nop nop nop nop nop nop nop nop
            (drop (table.get 0 (local.get 0)))
            nop nop nop nop nop nop nop nop nop nop
            (drop (table.get 0 (local.get 0))))
        (func (export "init") (param i32)
            (table.fill 0 (i32.const 0) (ref.null func) (i32.const 1))
            nop nop nop nop nop nop nop nop nop nop
            (table.fill 0 (local.get 0) (ref.null func) (i32.const 1))
            nop nop nop nop nop nop nop nop nop nop
            (table.fill 0 (local.get 0) (ref.null func) (i32.const 1)))
        (func (export "call") (param i32)
            (if (i32.eqz (local.get 0)) (then (call_indirect (type $v) (i32.const 0))))
            nop nop nop nop nop nop nop nop nop nop
            (call_indirect (type $v) (local.get 0))
            nop nop nop nop nop nop nop nop nop nop
            (call_indirect (type $v) (local.get 0))))"#;
    let wasm = assemble(text);
    // Where the only instruction between two rows of `nop` lies, for each.
    const NOPS: &[u8] = &[1; 10];
    let rows: Vec<usize> =
        (0..wasm.len() - NOPS.len()).filter(|at| wasm[*at..].starts_with(NOPS)).collect();
    setup.each_engine(|engine| {
        let module = Module::new(engine, &wasm).unwrap();
        let mut store = Store::new(engine, ()).unwrap();
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        let functions =
            ["load", "fill", "divide", "truncate", "unreachable", "table", "init", "call"];
        for (name, rows) in functions.iter().zip(rows.chunks(2)) {
            let func = instance.get_typed_func::<i32, ()>(&mut store, name).unwrap();
            assert!(func.call(&mut store, 0x1_0000).unwrap_err().as_trap().is_some(), "{name}");
            let trace = store.last_backtrace().unwrap();
            let frame = trace.frames().next().unwrap();
            assert_eq!(frame.func_name(), Some(*name));
            let at = frame.module_offset().unwrap_or_else(|| panic!("{name} lies nowhere"));
            assert!(
                (rows[0] + NOPS.len()..rows[1]).contains(&(at as usize)),
                "{name} at {at}: {rows:?}"
            );
        }
    });
}

pub fn a_long_backtrace_is_told_shortly(setup: Setup) {
    setup.each_engine(|engine| {
        let (mut store, instance) =
            instance(engine, r#"(module (func $deep (export "run") call $deep))"#);
        let run = instance.get_typed_func::<(), ()>(&mut store, "run").unwrap();
        assert!(run.call(&mut store, ()).is_err());
        let trace = store.last_backtrace().unwrap();
        assert!(trace.is_truncated());
        let text = trace.to_string();
        assert_eq!(text.lines().count(), 3, "{text}");
        assert!(text.contains("deep@") && text.contains("times, to 31"), "{text}");
    });
}

pub fn a_trap_keeps_the_innermost_backtrace_on_its_way_out(setup: Setup) {
    setup.each_engine(|engine| {
        let mut linker = Linker::<bool>::new(engine);
        linker
            .func_wrap("h", "again", |mut caller: Caller<'_, bool>| -> kernref::Result<()> {
                let inner = caller.get_export("inner").and_then(Extern::into_func).unwrap();
                let outcome = inner.typed::<(), ()>(&caller)?.call(&mut caller, ());
                if *caller.data() { outcome } else { Ok(()) }
            })
            .unwrap();
        let text = r#"(module
            (import "h" "again" (func $again))
            (func $deepest unreachable)
            (func $inner (export "inner") call $deepest)
            (func $outer (export "outer") call $again)
            (func $swallow (export "swallow") call $again unreachable))"#;
        let frames = |pass_on: bool, name: &str| {
            let (mut store, instance) = linked(&linker, pass_on, text);
            let func = instance.get_typed_func::<(), ()>(&mut store, name).unwrap();
            assert!(func.call(&mut store, ()).is_err());
            let trace = store.last_backtrace().unwrap();
            trace.frames().map(|frame| frame.func_name().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(frames(true, "outer"), ["deepest", "inner", "outer"]);
        assert_eq!(frames(false, "swallow"), ["swallow"]);
    });
}

pub fn stack_overflow_in_nested_activations(setup: Setup) {
    setup.each_engine(|engine| {
        let mut linker = Linker::<u32>::new(engine);
        linker
            .func_wrap("h", "again", |mut caller: Caller<'_, u32>| -> kernref::Result<()> {
                *caller.data_mut() += 1;
                let run = caller.get_export("run").and_then(Extern::into_func).unwrap();
                run.typed::<(), ()>(&caller)?.call(&mut caller, ())
            })
            .unwrap();
        let (mut store, instance) = linked(
            &linker,
            0,
            r#"(module
                (import "h" "again" (func $again))
                (func (export "run") call $again))"#,
        );
        let run = instance.get_typed_func::<(), ()>(&mut store, "run").unwrap();
        for _ in 0..2 {
            let error = run.call(&mut store, ()).unwrap_err();
            assert_eq!(error.as_trap(), Some(Trap::StackOverflow));
            assert!(*store.data() > 5, "{} nested calls", store.data());
        }
    });
}

pub fn a_fixed_stack_limit_is_kept(setup: Setup) {
    setup.each_engine(|engine| {
        let (mut store, instance) = instance(engine, r#"(module (func (export "f")))"#);
        let func = instance.get_typed_func::<(), ()>(&mut store, "f").unwrap();
        // SAFETY: nothing can run with the first; host and kernels have stacks of more
        // than the second, and the third is what the configuration says.
        unsafe { store.set_stack_limit(Some(usize::MAX)) };
        assert!(matches!(func.call(&mut store, ()), Err(Error::Trap(Trap::StackOverflow))));
        let here = 0_u8;
        // SAFETY: as above.
        unsafe { store.set_stack_limit(Some((&raw const here).addr() - (64 << 10))) };
        func.call(&mut store, ()).unwrap();
        // SAFETY: as above.
        unsafe { store.set_stack_limit(None) };
        func.call(&mut store, ()).unwrap();
    });
}

/// Ways to trap, in the function `$it` at the bottom of a call chain.
const TRAPS: [(Trap, &str); 28] = [
    (Trap::UnreachableCodeReached, "unreachable"),
    (Trap::IntegerDivisionByZero, "(drop (i32.div_u (i32.const 1) (local.get 0)))"),
    (Trap::IntegerDivisionByZero, "(drop (i32.rem_s (i32.const 1) (local.get 0)))"),
    (Trap::IntegerDivisionByZero, "(drop (i64.div_s (i64.const 1) (i64.const 0)))"),
    (Trap::IntegerDivisionByZero, "(drop (i64.rem_u (i64.const 1) (i64.const 0)))"),
    (Trap::IntegerOverflow, "(drop (i64.div_s (i64.const 0x8000000000000000) (i64.const -1)))"),
    (Trap::IntegerDivisionByZero, "(drop (i32.div_s (i32.const 1) (local.get 0)))"),
    (Trap::IntegerOverflow, "(drop (i32.div_s (i32.const 0x80000000) (i32.const -1)))"),
    (Trap::IntegerOverflow, "(drop (i32.trunc_f64_u (f64.const 1e10)))"),
    (Trap::IntegerOverflow, "(drop (i32.trunc_f64_u (f64.const -1)))"),
    (Trap::IntegerOverflow, "(drop (i32.trunc_f32_s (f32.const -3e9)))"),
    (Trap::IntegerOverflow, "(drop (i64.trunc_f64_u (f64.const -1)))"),
    (Trap::BadConversionToInteger, "(drop (i32.trunc_f32_u (f32.const nan)))"),
    (Trap::IntegerOverflow, "(drop (i64.trunc_f32_s (f32.const inf)))"),
    (Trap::BadConversionToInteger, "(drop (i64.trunc_f64_s (f64.const nan)))"),
    (Trap::MemoryOutOfBounds, "(i64.store (i32.const -1) (i64.const 1))"),
    (Trap::MemoryOutOfBounds, "(drop (v128.load (i32.const 65521)))"),
    (Trap::MemoryOutOfBounds, "(memory.fill (i32.const 0) (i32.const 0) (i32.const 65537))"),
    (Trap::MemoryOutOfBounds, "(memory.copy (i32.const 1) (i32.const 0) (i32.const 65536))"),
    (Trap::MemoryOutOfBounds, "(memory.init $d (i32.const 0) (i32.const 0) (i32.const 4))"),
    (Trap::TableOutOfBounds, "(table.set $t (i32.const 2) (ref.null func))"),
    (Trap::TableOutOfBounds, "(table.fill $t (i32.const 1) (ref.null func) (i32.const 2))"),
    (Trap::TableOutOfBounds, "(table.copy $t $t (i32.const 0) (i32.const 1) (i32.const 2))"),
    (Trap::TableOutOfBounds, "(table.init $t $e (i32.const 0) (i32.const 0) (i32.const 2))"),
    (Trap::UndefinedElement, "(call_indirect $t (i32.const -1))"),
    (Trap::IndirectCallToNull, "(call_indirect $t (i32.const 1))"),
    (Trap::BadSignature, "(call_indirect $t (param i64) (i64.const 1) (i32.const 0))"),
    (Trap::NullReference, "(call $strict (ref.null extern))"),
];

pub fn every_kind_has_the_backtrace_of_where_it_was(setup: Setup) {
    setup.each_engine(|engine| {
        let mut linker = Linker::<()>::new(engine);
        linker.func_wrap("h", "strict", |_: kernref::ExternRef| ()).unwrap();
        for (trap, body) in TRAPS {
            let text = format!(
                r#"(module $guest
                    (import "h" "strict" (func $strict (param externref)))
                    (memory 1)
                    (table $t 2 funcref)
                    (elem (table $t) (i32.const 0) func $fine)
                    (elem $e func $fine)
                    (data $d "abc")
                    (func $fine)
                    (func $it (param i32) {body})
                    (func $above (param i32) (call $fine) (call $it (local.get 0)) (call $fine))
                    (func $run (export "run") (call $above (i32.const 0))))"#
            );
            let (mut store, instance) = linked(&linker, (), &text);
            let run = instance.get_typed_func::<(), ()>(&mut store, "run").unwrap();
            for _ in 0..2 {
                let error = run.call(&mut store, ()).unwrap_err();
                assert_eq!(error.as_trap(), Some(trap), "{body}");
                let trace = store.last_backtrace().unwrap();
                let frames: Vec<_> =
                    trace.frames().map(|frame| (frame.func_index(), frame.func_name())).collect();
                let wanted = [(2, Some("it")), (3, Some("above")), (4, Some("run"))];
                assert_eq!(frames, wanted, "{body}");
            }
        }
    });
}

pub fn traps_have_codes_and_texts(_: Setup) {
    let mut texts: Vec<_> = Trap::ALL.iter().map(ToString::to_string).collect();
    for trap in Trap::ALL {
        assert_eq!(Trap::from_code(*trap as u64), Some(*trap));
        let error = Error::from(*trap);
        assert_eq!((error.as_trap(), error.is_guest_fault()), (Some(*trap), true));
        assert!(error.to_string().ends_with(&trap.to_string()));
    }
    assert_eq!((Trap::from_code(0), Trap::from_code(1 << 32)), (None, None));
    texts.sort();
    texts.dedup();
    assert_eq!(texts.len(), Trap::ALL.len());
}
