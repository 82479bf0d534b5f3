//! Traps, their backtraces, and stack exhaustion.

use crate::support::{Setup, instance, linked};
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;
use kernref::abi::Trap;
use kernref::{Caller, Error, Extern, Linker};

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
        assert!(trace.to_string().contains("guest!middle+0x"));
        assert!(!trace.is_truncated());
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
        assert!(text.contains("deep+") && text.contains("times, to 31"), "{text}");
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
        store.set_stack_limit(Some(usize::MAX));
        assert!(matches!(func.call(&mut store, ()), Err(Error::Trap(Trap::StackOverflow))));
        let here = 0_u8;
        store.set_stack_limit(Some((&raw const here).addr() - (64 << 10)));
        func.call(&mut store, ()).unwrap();
        store.set_stack_limit(None);
        func.call(&mut store, ()).unwrap();
    });
}
