//! What instances share: tables, memories, globals and functions exported by
//! one and imported by others; and what remains after a failed instantiation.

use crate::support::{Census, Maybe, Setup, module, number, tools};
use alloc::vec::Vec;
use kernref::{
    Caller, Error, Extern, ExternRef, Func, Global, GlobalType, Instance, LinkReason, Linker,
    Memory, MemoryType, RefType, Store, Table, TableType, Trap, Val, ValType,
};

pub fn references_in_a_shared_table_and_global(setup: Setup) {
    setup.each_engine(|engine| {
        let census = Census::default();
        let mut linker = tools(engine);
        let mut store = Store::new(engine, census.clone()).unwrap();
        let owner = module(
            engine,
            r#"(module
                (table (export "t") 4 8 externref)
                (global (export "g") (mut externref) (ref.null extern)))"#,
        );
        linker.module(&mut store, "own", &owner).unwrap();
        let user = module(
            engine,
            r#"(module
                (import "own" "t" (table $t 2 externref))
                (import "own" "g" (global $g (mut externref)))
                (import "h" "gc" (func $gc))
                (func (export "put") (param i32 externref)
                    (table.set $t (local.get 0) (local.get 1)) (call $gc))
                (func (export "swap") (param i32)
                    (local $v externref)
                    (local.set $v (table.get $t (local.get 0)))
                    (table.set $t (local.get 0) (global.get $g))
                    (call $gc)
                    (global.set $g (local.get $v)))
                (func (export "grow") (param externref) (result i32)
                    (table.grow $t (local.get 0) (i32.const 2)))
                (func (export "size") (result i32) (table.size $t)))"#,
        );
        let a = linker.instantiate(&mut store, &user).unwrap();
        let b = linker.instantiate(&mut store, &user).unwrap();
        type Put = kernref::TypedFunc<(u32, ExternRef), ()>;
        let put: Put = a.get_typed_func(&mut store, "put").unwrap();
        let swap = b.get_typed_func::<u32, ()>(&mut store, "swap").unwrap();
        put.call(&mut store, (0, census.object(1))).unwrap();
        put.call(&mut store, (1, census.object(2))).unwrap();
        swap.call(&mut store, 0).unwrap();
        swap.call(&mut store, 1).unwrap();
        assert_eq!(census.alive(), 2);
        let table = linker.get(&mut store, "own", "t").unwrap().unwrap().into_table().unwrap();
        let global = linker.get(&mut store, "own", "g").unwrap().unwrap().into_global().unwrap();
        let found = |val: Val| val.extern_ref().flatten().map(number);
        assert_eq!(found(table.get(&store, 0).unwrap()), None);
        assert_eq!(found(table.get(&store, 1).unwrap()), Some(1));
        assert_eq!(found(global.get(&store).unwrap()), Some(2));
        let grow = a.get_typed_func::<Maybe, i32>(&mut store, "grow").unwrap();
        let size = b.get_typed_func::<(), i32>(&mut store, "size").unwrap();
        assert_eq!(grow.call(&mut store, Some(census.object(3))).unwrap(), 4);
        assert_eq!(size.call(&mut store, ()).unwrap(), 6);
        assert_eq!((found(table.get(&store, 5).unwrap()), census.alive()), (Some(3), 3));
        put.call(&mut store, (4, census.object(4))).unwrap();
        put.call(&mut store, (5, census.object(5))).unwrap();
        assert_eq!(census.alive(), 4);
        drop(store);
        assert_eq!((census.alive(), census.released()), (0, 5));
    });
}

pub fn functions_call_back_and_forth(setup: Setup) {
    // Instances that call each other through a shared table, each with its own
    // memory and globals.
    setup.each_engine(|engine| {
        let census = Census::default();
        let mut linker = tools(engine);
        let mut store = Store::new(engine, census.clone()).unwrap();
        let ty = TableType { element: RefType::FUNCREF, minimum: 4, maximum: None, table64: false };
        let table = Table::new(&mut store, ty, Val::FuncRef(None)).unwrap();
        linker.define(&store, "own", "t", table).unwrap();
        let text = |own: u32, other: u32| {
            alloc::format!(
                r#"(module
                (import "own" "t" (table $t 4 funcref))
                (import "h" "gc" (func $gc))
                (import "h" "number" (func $number (param externref) (result i32)))
                (memory (export "m") 1)
                (global $calls (export "calls") (mut i32) (i32.const 0))
                (type $ping (func (param i32 externref) (result i32)))
                (elem (table $t) (i32.const {own}) func $ping)
                (func $ping (export "ping") (type $ping)
                    (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
                    (i32.store8 (local.get 0) (i32.const {own}))
                    (call $gc)
                    (if (result i32) (local.get 0)
                        (then (i32.add (i32.const {own}) (call_indirect $t (type $ping)
                            (i32.sub (local.get 0) (i32.const 1)) (local.get 1)
                            (i32.const {other}))))
                        (else (call $number (local.get 1))))))"#
            )
        };
        let one = linker.instantiate(&mut store, &module(engine, &text(1, 2))).unwrap();
        let two = linker.instantiate(&mut store, &module(engine, &text(2, 1))).unwrap();
        let ping = one.get_typed_func::<(u32, ExternRef), u32>(&mut store, "ping").unwrap();
        assert_eq!(ping.call(&mut store, (9, census.object(100))).unwrap(), 100 + 5 + 4 * 2);
        assert_eq!(census.alive(), 0);
        for (instance, byte, odd) in [(one, 1, 1), (two, 2, 0)] {
            let calls = instance.get_global(&mut store, "calls").unwrap();
            assert_eq!(calls.get(&store).unwrap().i32(), Some(5));
            let memory = instance.get_memory(&mut store, "m").unwrap();
            let bytes = &memory.data(&store).unwrap()[..10];
            let expected: Vec<u8> =
                (0..10).map(|at| if at % 2 == odd { byte } else { 0 }).collect();
            assert_eq!(bytes, expected);
        }
    });
}

pub fn a_trap_goes_through_several_instances(setup: Setup) {
    setup.each_engine(|engine| {
        let mut linker = Linker::<()>::new(engine);
        let mut store = Store::new(engine, ()).unwrap();
        let inner = r#"(module $inner
            (func $div (export "div") (param i32) (result i32)
                (i32.div_u (i32.const 100) (local.get 0))))"#;
        linker.module(&mut store, "inner", &module(engine, inner)).unwrap();
        let outer = r#"(module $outer
            (import "inner" "div" (func $imported (param i32) (result i32)))
            (func $middle (param i32) (result i32) (call $imported (local.get 0)))
            (func $run (export "run") (param i32) (result i32) (call $middle (local.get 0)))
            (export "div" (func $imported)))"#;
        let instance = linker.instantiate(&mut store, &module(engine, outer)).unwrap();
        let run = instance.get_typed_func::<u32, u32>(&mut store, "run").unwrap();
        assert_eq!(run.call(&mut store, 7).unwrap(), 14);
        let error = run.call(&mut store, 0).unwrap_err();
        assert_eq!(error.as_trap(), Some(Trap::IntegerDivisionByZero));
        let trace = store.last_backtrace().unwrap();
        let frames: Vec<_> = trace
            .frames()
            .map(|frame| (frame.module_name().unwrap(), frame.func_name().unwrap()))
            .collect();
        assert_eq!(frames, [("inner", "div"), ("outer", "middle"), ("outer", "run")]);
        // An imported function that is exported again is the same function.
        let again = instance.get_typed_func::<u32, u32>(&mut store, "div").unwrap();
        assert_eq!(again.call(&mut store, 5).unwrap(), 20);
    });
}

pub fn a_memory_that_one_grows_and_all_see(setup: Setup) {
    setup.each_engine(|engine| {
        let mut store = Store::new(engine, ()).unwrap();
        let ty = MemoryType { minimum: 1, maximum: Some(4), memory64: false };
        let memory = Memory::new(&mut store, ty).unwrap();
        let text = r#"(module
            (import "" "" (memory 1 4))
            (func (export "grow") (result i32) (memory.grow (i32.const 1)))
            (func (export "store") (param i32 i32) (i32.store (local.get 0) (local.get 1)))
            (func (export "load") (param i32) (result i32) (i32.load (local.get 0))))"#;
        let module = module(engine, text);
        let a = Instance::new(&mut store, &module, &[memory.into()]).unwrap();
        let b = Instance::new(&mut store, &module, &[memory.into()]).unwrap();
        let load = b.get_typed_func::<u32, u32>(&mut store, "load").unwrap();
        let store_in = a.get_typed_func::<(u32, u32), ()>(&mut store, "store").unwrap();
        let grow = a.get_typed_func::<(), i32>(&mut store, "grow").unwrap();
        for page in 1..4_u32 {
            let address = page * 65536 + 8;
            let error = load.call(&mut store, address).unwrap_err();
            assert_eq!(error.as_trap(), Some(Trap::MemoryOutOfBounds));
            assert_eq!(grow.call(&mut store, ()).unwrap(), page as i32);
            store_in.call(&mut store, (address, page)).unwrap();
            assert_eq!(load.call(&mut store, address).unwrap(), page);
        }
        assert_eq!(grow.call(&mut store, ()).unwrap(), -1);
    });
}

pub fn imports_may_be_larger_than_wanted_but_not_smaller(setup: Setup) {
    setup.each_engine(|engine| {
        let mut store = Store::new(engine, ()).unwrap();
        let limits = |minimum, maximum| MemoryType { minimum, maximum, memory64: false };
        let memory = Memory::new(&mut store, limits(2, Some(5))).unwrap();
        for (wanted, fits) in [
            ("1", true),
            ("2", true),
            ("3", false),
            ("1 5", true),
            ("1 6", true),
            ("2 4", false),
            ("i64 1", false),
        ] {
            let text = alloc::format!(r#"(module (import "" "" (memory {wanted})))"#);
            let outcome = Instance::new(&mut store, &module(engine, &text), &[memory.into()]);
            assert_eq!(outcome.is_ok(), fits, "{wanted}: {outcome:?}");
            assert!(fits || matches!(outcome, Err(Error::Link(_))));
        }
        // The current size counts, not the initial one.
        memory.grow(&mut store, 1).unwrap();
        let three = module(engine, r#"(module (import "" "" (memory 3)))"#);
        Instance::new(&mut store, &three, &[memory.into()]).unwrap();
        // A memory without a maximum does not match an import that has one.
        let unbounded = Memory::new(&mut store, limits(2, None)).unwrap();
        let bounded = module(engine, r#"(module (import "" "" (memory 1 9)))"#);
        assert!(Instance::new(&mut store, &bounded, &[unbounded.into()]).is_err());
        for (content, wanted, fits) in [
            (ValType::I32, "i32", true),
            (ValType::I32, "i64", false),
            (ValType::I32, "(mut i32)", false),
            (ValType::EXTERNREF, "externref", true),
            (ValType::EXTERNREF, "funcref", false),
        ] {
            let ty = GlobalType { content, mutable: false };
            let global = Global::new(&mut store, ty, Val::default_for_ty(content)).unwrap();
            let text = alloc::format!(r#"(module (import "" "" (global {wanted})))"#);
            let outcome = Instance::new(&mut store, &module(engine, &text), &[global.into()]);
            assert_eq!(outcome.is_ok(), fits, "{wanted}: {outcome:?}");
        }
    });
}

pub fn the_first_missing_import_is_named(setup: Setup) {
    setup.each_engine(|engine| {
        let mut linker = Linker::<()>::new(engine);
        linker.func_wrap("a", "f", || ()).unwrap();
        let mut store = Store::new(engine, ()).unwrap();
        let text = r#"(module
            (import "a" "f" (func)) (import "a" "g" (func)) (import "b" "h" (memory 1)))"#;
        match linker.instantiate(&mut store, &module(engine, text)) {
            Err(Error::Link(error)) => {
                assert_eq!((&*error.module, &*error.name), ("a", "g"));
                assert_eq!(error.reason, LinkReason::Unknown);
            }
            other => panic!("{other:?}"),
        }
        match linker.alias_module("nothing", "else").map(|_| ()) {
            // Aliasing a module name without definitions defines nothing.
            Ok(()) => assert!(linker.get(&mut store, "else", "f").unwrap().is_none()),
            Err(error) => assert!(matches!(error, Error::Link(_)), "{error}"),
        }
    });
}

pub fn a_start_function_that_fails_leaves_a_good_store(setup: Setup) {
    setup.each_engine(|engine| {
        let census = Census::default();
        let mut linker = tools(engine);
        let mut store = Store::new(engine, census.clone()).unwrap();
        let ty =
            TableType { element: RefType::EXTERNREF, minimum: 1, maximum: None, table64: false };
        let table = Table::new(&mut store, ty, Val::ExternRef(None)).unwrap();
        linker.define(&store, "own", "t", table).unwrap();
        let bad = module(
            engine,
            r#"(module
                (import "h" "make" (func $make (param i32) (result externref)))
                (import "own" "t" (table $t 1 externref))
                (global $g (mut externref) (ref.null extern))
                (func $start
                    (local $held externref)
                    (local.set $held (call $make (i32.const 1)))
                    (table.set $t (i32.const 0) (call $make (i32.const 2)))
                    (global.set $g (call $make (i32.const 3)))
                    (drop (call $make (i32.const 4)))
                    (unreachable))
                (start $start))"#,
        );
        for round in 1..4 {
            let error = linker.instantiate(&mut store, &bad).unwrap_err();
            assert_eq!(error.as_trap(), Some(Trap::UnreachableCodeReached));
            // What it stored remains: in the shared table, and in the global of
            // each failed instance, which lives as long as the store.
            assert_eq!(census.alive(), 1 + round);
            let kept = table.get(&store, 0).unwrap();
            assert_eq!(kept.extern_ref().flatten().map(number), Some(2));
        }
        drop(store);
        assert_eq!((census.alive(), census.released()), (0, 12));
    });
}

pub fn a_start_function_may_instantiate(setup: Setup) {
    // From a host function called by a start function.
    setup.each_engine(|engine| {
        let inner = module(
            engine,
            r#"(module (memory 1) (table 2 externref)
                (func (export "f") (result i32) (i32.load (i32.const 0)))
                (data (i32.const 0) "\07"))"#,
        );
        let mut linker = Linker::<Vec<u32>>::new(engine);
        let again = move |mut caller: Caller<'_, Vec<u32>>| -> kernref::Result<()> {
            let instance = Instance::new(&mut caller, &inner, &[])?;
            let f = instance.get_typed_func::<(), u32>(&mut caller, "f")?;
            let found = f.call(&mut caller, ())?;
            caller.data_mut().push(found);
            Ok(())
        };
        linker.func_wrap("h", "again", again).unwrap();
        let outer = module(
            engine,
            r#"(module (import "h" "again" (func $again))
                (func $start call $again call $again) (start $start)
                (func (export "f") (call $again)))"#,
        );
        let mut store = Store::new(engine, Vec::new()).unwrap();
        let instance = linker.instantiate(&mut store, &outer).unwrap();
        let f = instance.get_typed_func::<(), ()>(&mut store, "f").unwrap();
        f.call(&mut store, ()).unwrap();
        assert_eq!(*store.data(), [7, 7, 7]);
    });
}

pub fn one_host_function_imported_many_times(setup: Setup) {
    setup.each_engine(|engine| {
        let mut store = Store::new(engine, 0_u32).unwrap();
        let count = |mut caller: Caller<'_, u32>, by: u32| {
            *caller.data_mut() += by;
            caller
                .instance()
                .map(|instance| instance.get_func(&mut caller, "run").is_some())
                .map_or(0, u32::from)
        };
        let count = Func::wrap(&mut store, count).unwrap();
        let text = r#"(module
            (import "" "a" (func $a (param i32) (result i32)))
            (import "" "b" (func $b (param i32) (result i32)))
            (import "" "a" (func $c (param i32) (result i32)))
            (table $t 3 funcref)
            (elem (i32.const 0) $a $b $c)
            (type $f (func (param i32) (result i32)))
            (func (export "run") (result i32)
                (i32.add (i32.add (call $a (i32.const 1)) (call $b (i32.const 10)))
                    (call_indirect (type $f) (i32.const 100) (i32.const 2)))))"#;
        let imports: [Extern; 3] = [count.into(); 3];
        let instance = Instance::new(&mut store, &module(engine, text), &imports).unwrap();
        let run = instance.get_typed_func::<(), u32>(&mut store, "run").unwrap();
        assert_eq!(run.call(&mut store, ()).unwrap(), 3);
        assert_eq!(*store.data(), 111);
        // Called directly by the host: there is no instance.
        let count = count.typed::<u32, u32>(&store).unwrap();
        assert_eq!(count.call(&mut store, 1000).unwrap(), 0);
        assert_eq!(*store.data(), 1111);
    });
}
