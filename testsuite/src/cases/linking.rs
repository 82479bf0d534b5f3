//! Imports by name and by order, shared entities, and all-or-nothing instantiation.

use crate::support::{Census, Setup, linked, module};
use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;
use kernref::{
    Error, Extern, Func, Global, GlobalType, Instance, LinkReason, Linker, Memory, MemoryType,
    Misuse, RefType, Store, Table, TableType, Trap, Val, ValType,
};

const EXPORTER: &str = r#"(module
    (memory (export "m") 1 2)
    (table (export "t") 4 funcref)
    (global (export "c") i32 (i32.const 7))
    (global (export "v") (mut i64) (i64.const 8))
    (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1))))"#;

pub fn instances_share_what_they_export(setup: Setup) {
    setup.each_engine(|engine| {
        let mut linker = Linker::<()>::new(engine);
        let mut store = Store::new(engine, ()).unwrap();
        linker.module(&mut store, "a", &module(engine, EXPORTER)).unwrap();
        linker.alias_module("a", "again").unwrap();
        linker.alias("a", "add", "b", "plus").unwrap();
        let importer = r#"(module
            (import "a" "m" (memory 1))
            (import "again" "t" (table $t 2 funcref))
            (import "a" "c" (global $c i32))
            (import "a" "v" (global $v (mut i64)))
            (import "b" "plus" (func $plus (param i32 i32) (result i32)))
            (elem (i32.const 1) $seven)
            (func $seven (result i32) (call $plus (global.get $c) (i32.const 0)))
            (data (i32.const 100) "shared")
            (export "plus" (func $plus))
            (func (export "bump") (global.set $v (i64.add (global.get $v) (i64.const 1))))
            (func (export "run") (result i32) (call_indirect $t (result i32) (i32.const 1))))"#;
        let instance = linker.instantiate(&mut store, &module(engine, importer)).unwrap();
        let memory = linker.get(&mut store, "a", "m").unwrap().unwrap().into_memory().unwrap();
        assert_eq!(&memory.data(&store).unwrap()[100..106], b"shared");
        let run = instance.get_typed_func::<(), i32>(&mut store, "run").unwrap();
        assert_eq!(run.call(&mut store, ()).unwrap(), 7);
        let table = linker.get(&mut store, "a", "t").unwrap().unwrap().into_table().unwrap();
        let Val::FuncRef(Some(seven)) = table.get(&store, 1).unwrap() else { panic!() };
        assert_eq!(seven.typed::<(), i32>(&store).unwrap().call(&mut store, ()).unwrap(), 7);
        let bump = instance.get_typed_func::<(), ()>(&mut store, "bump").unwrap();
        bump.call(&mut store, ()).unwrap();
        let global = linker.get(&mut store, "a", "v").unwrap().unwrap().into_global().unwrap();
        assert_eq!(global.get(&store).unwrap().i64(), Some(9));
        let plus = instance.get_typed_func::<(i32, i32), i32>(&mut store, "plus").unwrap();
        assert_eq!(plus.call(&mut store, (2, 3)).unwrap(), 5);
        let names: Vec<_> = instance.exports(&store).unwrap().map(|(name, _)| name).collect();
        assert_eq!(names, ["plus", "bump", "run"]);
    });
}

pub fn errors_name_both_types(setup: Setup) {
    setup.each_engine(|engine| {
        let mut store = Store::new(engine, ()).unwrap();
        let mut linker = Linker::<()>::new(engine);
        linker.module(&mut store, "a", &module(engine, EXPORTER)).unwrap();
        linker.func_wrap("h", "f", |_: i32| ()).unwrap();
        let mut check = |import: &str, wanted: &str| {
            let text = format!("(module (import {import}))");
            let error = linker.instantiate(&mut store, &module(engine, &text)).unwrap_err();
            assert!(matches!(error, Error::Link(_)));
            assert_eq!(error.to_string(), wanted);
        };
        check(r#""a" "x" (func)"#, "unknown import: `a::x` is not defined");
        check(
            r#""a" "add" (func (param i32))"#,
            "incompatible import type for `a::add`: expected (func (param i32)), \
             found (func (param i32 i32) (result i32))",
        );
        check(
            r#""h" "f" (func)"#,
            "incompatible import type for `h::f`: expected (func), found (func (param i32))",
        );
        check(
            r#""a" "m" (memory 1 1)"#,
            "incompatible import type for `a::m`: expected (memory 1 1), found (memory 1 2)",
        );
        check(
            r#""a" "t" (table 5 funcref)"#,
            "incompatible import type for `a::t`: expected (table 5 funcref), \
             found (table 4 funcref)",
        );
        check(
            r#""a" "v" (global i64)"#,
            "incompatible import type for `a::v`: expected (global i64), \
             found (global (mut i64))",
        );
        check(
            r#""a" "c" (memory 1)"#,
            "incompatible import type for `a::c`: expected (memory 1), found (global i32)",
        );
    });
}

pub fn names_are_defined_once_unless_shadowing_is_allowed(setup: Setup) {
    setup.each_engine(|engine| {
        let mut linker = Linker::<()>::new(engine);
        linker.func_wrap("h", "f", || 1).unwrap();
        let Err(Error::Link(error)) = linker.func_wrap("h", "f", || 2).map(|_| ()) else {
            panic!()
        };
        assert_eq!(error.reason, LinkReason::Duplicate);
        linker.allow_shadowing(true).func_wrap("h", "f", || 3).unwrap();
        let (mut store, instance) = linked(
            &linker,
            (),
            r#"(module (import "h" "f" (func $f (result i32))) (export "f" (func $f)))"#,
        );
        let func = instance.get_typed_func::<(), i32>(&mut store, "f").unwrap();
        assert_eq!(func.call(&mut store, ()).unwrap(), 3);
        let unknown = linker.alias("h", "g", "x", "y").map(|_| ());
        assert!(matches!(unknown, Err(Error::Link(_))));
    });
}

pub fn imports_found_once_serve_many_stores(setup: Setup) {
    setup.each_engine(|engine| {
        let mut linker = Linker::<i32>::new(engine);
        let get = |caller: kernref::Caller<'_, i32>| *caller.data();
        linker.func_wrap("h", "get", get).unwrap();
        let text = r#"(module (import "h" "get" (func $get (result i32)))
            (func (export "run") (result i32) (i32.add (call $get) (i32.const 1))))"#;
        let module = module(engine, text);
        let ready = linker.instantiate_pre(&module).unwrap();
        // Later changes to the linker do not matter, nor does dropping it.
        linker.allow_shadowing(true).func_wrap("h", "get", || 100).unwrap();
        drop(linker);
        for data in [1, 2] {
            let mut store = Store::new(engine, data).unwrap();
            let instance = ready.clone().instantiate(&mut store).unwrap();
            let run = instance.get_typed_func::<(), i32>(&mut store, "run").unwrap();
            assert_eq!(run.call(&mut store, ()).unwrap(), data + 1);
        }
        assert_eq!(ready.module().imports().len(), 1);
    });
}

pub fn what_can_be_refused_before_there_is_a_store(setup: Setup) {
    setup.each_engine(|engine| {
        let mut store = Store::new(engine, ()).unwrap();
        let mut linker = Linker::<()>::new(engine);
        linker.func_wrap("h", "f", |_: i32| ()).unwrap();
        let ty = GlobalType { content: ValType::I32, mutable: false };
        let global = Global::new(&mut store, ty, 1.into()).unwrap();
        linker.define(&store, "h", "g", global).unwrap();
        let check = |import: &str, wanted: &str| {
            let module = module(engine, &format!("(module (import {import}))"));
            assert_eq!(linker.instantiate_pre(&module).unwrap_err().to_string(), wanted);
        };
        check(r#""h" "x" (func)"#, "unknown import: `h::x` is not defined");
        let found = "found (func (param i32))";
        let message = "incompatible import type for `h::f`: expected";
        check(r#""h" "f" (func)"#, &format!("{message} (func), {found}"));
        check(r#""h" "f" (memory 1)"#, &format!("{message} (memory 1), {found}"));
        // Entities that live in a store are checked against that store.
        let of_type = |ty: &str| {
            let text = format!(r#"(module (import "h" "g" (global {ty})))"#);
            linker.instantiate_pre(&module(engine, &text)).unwrap()
        };
        let wrong = of_type("i64").instantiate(&mut store);
        assert!(matches!(wrong, Err(Error::Link(_))));
        let right = of_type("i32");
        right.instantiate(&mut store).unwrap();
        let strange = right.instantiate(Store::new(engine, ()).unwrap());
        assert!(matches!(strange, Err(Error::Misuse(Misuse::WrongStore))));
    });
}

pub fn unknown_imports_as_traps(setup: Setup) {
    setup.each_engine(|engine| {
        let mut linker = Linker::<()>::new(engine);
        let text = r#"(module
            (import "x" "y" (func $y (param i32) (result i64)))
            (func (export "f") (result i64) (call $y (i32.const 1))))"#;
        linker.define_unknown_imports_as_traps(&module(engine, text)).unwrap();
        let (mut store, instance) = linked(&linker, (), text);
        let func = instance.get_typed_func::<(), i64>(&mut store, "f").unwrap();
        let error = func.call(&mut store, ()).unwrap_err();
        assert_eq!(error.to_string(), "unknown import: `x::y` is not defined");
        let missing = instance.get_typed_func::<(), ()>(&mut store, "g").unwrap_err();
        assert_eq!(missing.to_string(), "unknown export: the module has no export `g`");
    });
}

pub fn unknown_imports_as_default_values(setup: Setup) {
    setup.each_engine(|engine| {
        let mut linker = Linker::<()>::new(engine);
        let text = r#"(module
            (import "x" "y" (func $y (param i32) (result i64 externref)))
            (import "x" "z" (func $z (result i32)))
            (func (export "f") (result i64 externref) (call $y (i32.const 1)))
            (func (export "g") (result i32) (call $z)))"#;
        linker.func_wrap("x", "z", || 7).unwrap();
        assert!(linker.contains("x", "z") && !linker.contains("x", "y"));
        assert_eq!(linker.names().collect::<Vec<_>>(), [("x", "z")]);
        linker.define_unknown_imports_as_default_values(&module(engine, text)).unwrap();
        assert!(linker.contains("x", "y"));
        assert_eq!(linker.names().collect::<Vec<_>>(), [("x", "z"), ("x", "y")]);
        let (mut store, instance) = linked(&linker, (), text);
        let func = instance
            .get_typed_func::<(), (i64, Option<kernref::ExternRef>)>(&mut store, "f")
            .unwrap();
        let (number, reference) = func.call(&mut store, ()).unwrap();
        assert!(number == 0 && reference.is_none());
        let func = instance.get_typed_func::<(), i32>(&mut store, "g").unwrap();
        assert_eq!(func.call(&mut store, ()).unwrap(), 7);
        let both = instance.get_func(&mut store, "f").unwrap();
        let results = both.call_values(&mut store, &[]).unwrap();
        assert!(matches!(&results[..], [Val::I64(0), Val::ExternRef(None)]));
        let refused = both.call_values(&mut store, &[Val::I32(0)]);
        assert!(matches!(refused, Err(Error::Misuse(Misuse::WrongArity))));
    });
}

pub fn the_first_memory_of_the_caller_has_no_name(setup: Setup) {
    setup.each_engine(|engine| {
        let mut linker = Linker::<u64>::new(engine);
        let look = |mut caller: kernref::Caller<'_, u64>| {
            let first = caller.memory().map(|memory| memory.data(&caller).unwrap()[0]);
            *caller.data_mut() = first.map_or(u64::MAX, u64::from);
        };
        linker.func_wrap("h", "look", look).unwrap();
        let own = r#"(module (import "h" "look" (func $look)) (memory 1) (memory (export "memory") 1)
            (data (memory 0) (i32.const 0) "\07") (func (export "run") (call $look)))"#;
        let imported = r#"(module (import "h" "look" (func $look)) (import "h" "m" (memory 1))
            (func (export "run") (call $look)))"#;
        let none = r#"(module (import "h" "look" (func $look)) (func (export "run") (call $look)))"#;
        let mut store = Store::new(engine, 0).unwrap();
        let ty = MemoryType { minimum: 1, maximum: None, memory64: false };
        let memory = Memory::new(&mut store, ty).unwrap();
        memory.write(&mut store, 0, &[9]).unwrap();
        linker.define(&store, "h", "m", memory).unwrap();
        for (text, expected) in [(own, 7), (imported, 9), (none, u64::MAX)] {
            let instance = linker.instantiate(&mut store, &module(engine, text)).unwrap();
            let run = instance.get_typed_func::<(), ()>(&mut store, "run").unwrap();
            run.call(&mut store, ()).unwrap();
            assert_eq!(*store.data(), expected);
        }
        // Called by the host, it has no caller with a memory.
        let look = linker.get(&mut store, "h", "look").unwrap().unwrap().into_func().unwrap();
        assert_eq!(look.call_values(&mut store, &[]).unwrap().len(), 0);
        assert_eq!(*store.data(), u64::MAX);
    });
}

pub fn imports_by_order(setup: Setup) {
    setup.each_engine(|engine| {
        let mut store = Store::new(engine, ()).unwrap();
        let func = Func::wrap(&mut store, |x: i32| x * 2).unwrap();
        let memory =
            Memory::new(&mut store, MemoryType { minimum: 1, maximum: None, memory64: false })
                .unwrap();
        let ty = TableType { element: RefType::FUNCREF, minimum: 1, maximum: None, table64: false };
        let table = Table::new(&mut store, ty, Val::FuncRef(Some(func))).unwrap();
        let ty = GlobalType { content: ValType::F64, mutable: true };
        let global = Global::new(&mut store, ty, 1.5.into()).unwrap();
        let text = r#"(module
            (import "" "" (global $g (mut f64)))
            (import "" "" (func $f (param i32) (result i32)))
            (import "" "" (memory 1))
            (import "" "" (table $t 1 funcref))
            (func (export "run") (result i32)
                (global.set $g (f64.const 2.5))
                (i32.store (i32.const 0) (i32.const 9))
                (i32.add (call $f (i32.const 4))
                    (call_indirect $t (param i32) (result i32) (i32.const 5) (i32.const 0)))))"#;
        let module = module(engine, text);
        let imports: [Extern; 4] = [global.into(), func.into(), memory.into(), table.into()];
        let instance = Instance::new(&mut store, &module, &imports).unwrap();
        let run = instance.get_typed_func::<(), i32>(&mut store, "run").unwrap();
        assert_eq!(run.call(&mut store, ()).unwrap(), 18);
        assert_eq!(global.get(&store).unwrap().f64(), Some(2.5));
        assert_eq!(memory.data(&store).unwrap()[0], 9);
        let few = Instance::new(&mut store, &module, &imports[1..]);
        assert!(matches!(few, Err(Error::Misuse(Misuse::WrongArity))));
        let mut other = Store::new(engine, ()).unwrap();
        let strange = Instance::new(&mut other, &module, &imports);
        assert!(matches!(strange, Err(Error::Misuse(Misuse::WrongStore))));
    });
}

pub fn start_functions_run(setup: Setup) {
    setup.each_engine(|engine| {
        let mut linker = Linker::<u32>::new(engine);
        linker
            .func_wrap("h", "started", |mut caller: kernref::Caller<'_, u32>| {
                *caller.data_mut() += 1;
            })
            .unwrap();
        let direct = r#"(module (import "h" "started" (func $s)) (start $s))"#;
        let (store, _) = linked(&linker, 0, direct);
        assert_eq!(*store.data(), 1);
        let own =
            r#"(module (import "h" "started" (func $s)) (func $f call $s call $s) (start $f))"#;
        let (store, _) = linked(&linker, 0, own);
        assert_eq!(*store.data(), 2);
        let mut store = Store::new(engine, 0).unwrap();
        let bad = module(engine, "(module (func $f unreachable) (start $f))");
        let error = linker.instantiate(&mut store, &bad).unwrap_err();
        assert_eq!(error.as_trap(), Some(Trap::UnreachableCodeReached));
    });
}

pub fn a_failed_segment_leaves_what_came_before(setup: Setup) {
    // Specification 2.0: writes before the trap persist, and functions already
    // put into shared tables stay callable.
    setup.each_engine(|engine| {
        let mut store = Store::new(engine, ()).unwrap();
        let mut linker = Linker::<()>::new(engine);
        linker.module(&mut store, "a", &module(engine, EXPORTER)).unwrap();
        let text = r#"(module
            (import "a" "t" (table 4 funcref))
            (import "a" "m" (memory 1))
            (func $nine (result i32) i32.const 9)
            (elem (i32.const 0) $nine)
            (data (i32.const 0) "ok")
            (data (i32.const 65535) "too long"))"#;
        let error = linker.instantiate(&mut store, &module(engine, text)).unwrap_err();
        assert_eq!(error.as_trap(), Some(Trap::MemoryOutOfBounds));
        let memory = linker.get(&mut store, "a", "m").unwrap().unwrap().into_memory().unwrap();
        assert_eq!(&memory.data(&store).unwrap()[..2], b"ok");
        let table = linker.get(&mut store, "a", "t").unwrap().unwrap().into_table().unwrap();
        let Val::FuncRef(Some(nine)) = table.get(&store, 0).unwrap() else { panic!() };
        assert_eq!(nine.typed::<(), i32>(&store).unwrap().call(&mut store, ()).unwrap(), 9);
    });
}

pub fn a_refused_instance_leaves_nothing(setup: Setup) {
    setup.each_engine(|engine| {
        let census = Census::default();
        let mut store = Store::new(engine, ()).unwrap();
        let ty = GlobalType { content: ValType::EXTERNREF, mutable: false };
        let global = Global::new(&mut store, ty, census.object(0).into()).unwrap();
        let text = r#"(module
            (import "" "g" (global $g externref))
            (global externref (global.get $g))
            (table 5 externref)
            (elem (i32.const 0) externref (global.get $g))
            (memory 1)
            (table 20000000 externref))"#;
        let module = module(engine, text);
        for _ in 0..3 {
            let refused = Instance::new(&mut store, &module, &[global.into()]);
            assert!(matches!(refused, Err(Error::Limit(_))));
        }
        store.gc().unwrap();
        assert_eq!(census.alive(), 1);
        drop(store);
        assert_eq!(census.alive(), 0);
    });
}

pub fn constant_expressions_with_arithmetic(setup: Setup) {
    setup.each_engine(|engine| {
        let mut store = Store::new(engine, ()).unwrap();
        let ty = GlobalType { content: ValType::I32, mutable: false };
        let base = Global::new(&mut store, ty, 40.into()).unwrap();
        let text = r#"(module
            (import "" "base" (global $base i32))
            (global (export "sum") i32 (i32.add (global.get $base) (i32.mul (i32.const 3) (i32.const -2))))
            (global (export "long") i64 (i64.sub (i64.const 1) (i64.const 2)))
            (memory (export "m") 1)
            (data (i32.sub (global.get $base) (i32.const 39)) "x"))"#;
        let instance = Instance::new(&mut store, &module(engine, text), &[base.into()]).unwrap();
        let get = |store: &mut Store<()>, name| {
            instance.get_global(&mut *store, name).unwrap().get(store).unwrap()
        };
        assert_eq!(get(&mut store, "sum").i32(), Some(34));
        assert_eq!(get(&mut store, "long").i64(), Some(-1));
        let memory = instance.get_memory(&mut store, "m").unwrap();
        assert_eq!(&memory.data(&store).unwrap()[..3], b"\0x\0");
    });
}

pub fn many_instances_and_modules_of_one_store(setup: Setup) {
    setup.each_engine(|engine| {
        let mut store = Store::new(engine, ()).unwrap();
        let mut linker = Linker::<()>::new(engine);
        linker.func_wrap("h", "f", |x: i32| x).unwrap();
        for round in 0..20 {
            let text = format!(
                r#"(module $m{round}
                    (import "h" "f" (func $f (param i32) (result i32)))
                    (func $bad (export "bad") unreachable)
                    (func (export "run") (result i32) (call $f (i32.const {round}))))"#
            );
            let module = module(engine, &text);
            for _ in 0..3 {
                let instance = linker.instantiate(&mut store, &module).unwrap();
                let run = instance.get_typed_func::<(), i32>(&mut store, "run").unwrap();
                assert_eq!(run.call(&mut store, ()).unwrap(), round);
                let bad = instance.get_typed_func::<(), ()>(&mut store, "bad").unwrap();
                assert!(bad.call(&mut store, ()).is_err());
                let trace = store.last_backtrace().unwrap();
                let frame = trace.frames().next().unwrap();
                assert_eq!(frame.module_name(), Some(&*format!("m{round}")));
            }
        }
    });
}
