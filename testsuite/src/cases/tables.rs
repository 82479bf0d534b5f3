//! Tables: bulk operations and growth on counted references.

use crate::support::{Census, Setup, instance, module, number};
use alloc::vec::Vec;
use kernref::{
    Error, ExternRef, Func, Global, GlobalType, Instance, Misuse, RefType, Store, Table, TableType,
    Trap, Val, ValType,
};

const BULK: &str = r#"(module
    (table $a (export "a") 10 20 externref)
    (table $b (export "b") 10 externref)
    (func (export "fill") (param i32 externref i32)
        (table.fill $a (local.get 0) (local.get 1) (local.get 2)))
    (func (export "copy") (param i32 i32 i32)
        (table.copy $a $a (local.get 0) (local.get 1) (local.get 2)))
    (func (export "across") (param i32 i32 i32)
        (table.copy $b $a (local.get 0) (local.get 1) (local.get 2)))
    (func (export "grow") (param i32 externref) (result i32)
        (table.grow $a (local.get 1) (local.get 0)))
    (func (export "size") (result i32) (table.size $a)))"#;

fn numbers(store: &Store<()>, table: Table) -> Vec<Option<u32>> {
    let len = table.size(store).unwrap();
    (0..len)
        .map(|at| match table.get(store, at).unwrap() {
            Val::ExternRef(reference) => reference.as_ref().map(number),
            other => panic!("{other:?}"),
        })
        .collect()
}

pub fn bulk_operations_count(setup: Setup) {
    setup.each_engine(|engine| {
        let census = Census::default();
        let (mut store, instance) = instance(engine, BULK);
        let a = instance.get_table(&mut store, "a").unwrap();
        let b = instance.get_table(&mut store, "b").unwrap();
        for at in 0..10 {
            a.set(&mut store, at, census.object(at as u32).into()).unwrap();
        }
        type Three = (u32, u32, u32);
        let copy = instance.get_typed_func::<Three, ()>(&mut store, "copy").unwrap();
        let across = instance.get_typed_func::<Three, ()>(&mut store, "across").unwrap();
        copy.call(&mut store, (2, 0, 6)).unwrap();
        let expect = |found: Vec<Option<u32>>, wanted: &[u32]| {
            assert_eq!(found, wanted.iter().map(|n| Some(*n)).collect::<Vec<_>>());
        };
        expect(numbers(&store, a), &[0, 1, 0, 1, 2, 3, 4, 5, 8, 9]);
        assert_eq!(census.alive(), 8, "6 and 7 are gone");
        copy.call(&mut store, (0, 4, 6)).unwrap();
        expect(numbers(&store, a), &[2, 3, 4, 5, 8, 9, 4, 5, 8, 9]);
        assert_eq!(census.alive(), 6);
        across.call(&mut store, (0, 0, 10)).unwrap();
        expect(numbers(&store, b), &[2, 3, 4, 5, 8, 9, 4, 5, 8, 9]);
        let fill = instance
            .get_typed_func::<(u32, Option<ExternRef>, u32), ()>(&mut store, "fill")
            .unwrap();
        fill.call(&mut store, (0, Some(census.object(50)), 10)).unwrap();
        assert_eq!(census.alive(), 7);
        across.call(&mut store, (0, 0, 10)).unwrap();
        assert_eq!(census.alive(), 1);
        for (name, args) in [("copy", (5, 0, 6)), ("copy", (0, 5, 6)), ("across", (11, 0, 0))] {
            let func = instance.get_typed_func::<Three, ()>(&mut store, name).unwrap();
            let error = func.call(&mut store, args).unwrap_err();
            assert_eq!(error.as_trap(), Some(Trap::TableOutOfBounds));
        }
        fill.call(&mut store, (0, None, 10)).unwrap();
        Table::copy(&mut store, &b, 0, &a, 0, 10).unwrap();
        assert_eq!(census.alive(), 0);
        let outside = Table::copy(&mut store, &b, 1, &a, 0, 10);
        assert!(matches!(outside, Err(Error::Misuse(Misuse::OutOfBounds))));
        assert!(matches!(a.get(&store, 9), Ok(Val::ExternRef(None))));
        for index in [10, u64::MAX] {
            let outside = a.get(&store, index);
            assert!(matches!(outside, Err(Error::Misuse(Misuse::OutOfBounds))));
        }
    });
}

pub fn growing_counts(setup: Setup) {
    setup.each_engine(|engine| {
        let census = Census::default();
        let (mut store, instance) = instance(engine, BULK);
        let a = instance.get_table(&mut store, "a").unwrap();
        let grow = instance.get_typed_func::<(i32, Option<ExternRef>), i32>(&mut store, "grow");
        let grow = grow.unwrap();
        assert_eq!(grow.call(&mut store, (3, Some(census.object(1)))).unwrap(), 10);
        assert_eq!(grow.call(&mut store, (8, Some(census.object(2)))).unwrap(), -1);
        assert_eq!(census.alive(), 1);
        assert_eq!(grow.call(&mut store, (-1, None)).unwrap(), -1);
        assert_eq!(a.grow(&mut store, 7, Val::ExternRef(None)).unwrap(), 13);
        assert!(matches!(a.grow(&mut store, 1, Val::ExternRef(None)), Err(Error::Limit(_))));
        let size = instance.get_typed_func::<(), i32>(&mut store, "size").unwrap();
        assert_eq!(size.call(&mut store, ()).unwrap(), 20);
        let found = numbers(&store, a);
        assert_eq!(found.iter().flatten().count(), 3);
        a.fill(&mut store, 10, Val::ExternRef(None), 3).unwrap();
        assert_eq!(census.alive(), 0);
    });
}

pub fn segments_of_references(setup: Setup) {
    setup.each_engine(|engine| {
        let census = Census::default();
        let mut store = Store::new(engine, ()).unwrap();
        let ty = GlobalType { content: ValType::EXTERNREF, mutable: false };
        let global = Global::new(&mut store, ty, census.object(3).into()).unwrap();
        let text = r#"(module
            (import "" "g" (global $g externref))
            (table $t (export "t") 6 externref)
            (global (export "copy") externref (global.get $g))
            (elem (table $t) (i32.const 0) externref (global.get $g) (ref.null extern))
            (elem $later externref (global.get $g) (global.get $g))
            (func (export "init") (param i32 i32 i32)
                (table.init $t $later (local.get 0) (local.get 1) (local.get 2)))
            (func (export "dropped") (elem.drop $later)))"#;
        let instance = Instance::new(&mut store, &module(engine, text), &[global.into()]).unwrap();
        let t = instance.get_table(&mut store, "t").unwrap();
        assert_eq!(numbers(&store, t), [Some(3), None, None, None, None, None]);
        let init = instance.get_typed_func::<(u32, u32, u32), ()>(&mut store, "init").unwrap();
        init.call(&mut store, (2, 0, 2)).unwrap();
        assert_eq!(numbers(&store, t), [Some(3), None, Some(3), Some(3), None, None]);
        assert!(init.call(&mut store, (0, 1, 2)).is_err());
        assert!(init.call(&mut store, (5, 0, 2)).is_err());
        let dropped = instance.get_typed_func::<(), ()>(&mut store, "dropped").unwrap();
        dropped.call(&mut store, ()).unwrap();
        init.call(&mut store, (0, 0, 0)).unwrap();
        let error = init.call(&mut store, (0, 0, 1)).unwrap_err();
        assert_eq!(error.as_trap(), Some(Trap::TableOutOfBounds));
        assert_eq!(census.alive(), 1);
    });
}

pub fn active_segments_are_dropped(setup: Setup) {
    // When they have been written, and declared ones at once: they are empty then.
    setup.each_engine(|engine| {
        let (mut store, instance) = instance(
            engine,
            r#"(module
                (table $t 4 funcref) (table $x 4 externref) (memory 1)
                (elem $active (table $t) (i32.const 0) func $f $f)
                (elem $exprs (table $x) (i32.const 0) externref (ref.null extern))
                (elem $declared declare func $f)
                (elem $passive func $f)
                (data $d (i32.const 0) "abc")
                (func $f)
                (func (export "active") (param i32)
                    (table.init $t $active (i32.const 0) (i32.const 0) (local.get 0)))
                (func (export "exprs") (param i32)
                    (table.init $x $exprs (i32.const 0) (i32.const 0) (local.get 0)))
                (func (export "declared") (param i32)
                    (table.init $t $declared (i32.const 0) (i32.const 0) (local.get 0)))
                (func (export "passive") (param i32)
                    (table.init $t $passive (i32.const 0) (i32.const 0) (local.get 0)))
                (func (export "data") (param i32)
                    (memory.init $d (i32.const 0) (i32.const 0) (local.get 0))))"#,
        );
        let mut init = |name: &str, len: u32| {
            let func = instance.get_typed_func::<u32, ()>(&mut store, name).unwrap();
            func.call(&mut store, len).map_err(|error| error.as_trap().unwrap())
        };
        for name in ["active", "exprs", "declared"] {
            assert_eq!(init(name, 0), Ok(()), "{name}");
            assert_eq!(init(name, 1), Err(Trap::TableOutOfBounds), "{name}");
        }
        assert_eq!(init("data", 0), Ok(()));
        assert_eq!(init("data", 1), Err(Trap::MemoryOutOfBounds));
        assert_eq!(init("passive", 1), Ok(()));
        assert_eq!(init("passive", 1), Ok(()));
    });
}

pub fn tables_of_functions(setup: Setup) {
    setup.each_engine(|engine| {
        let (mut store, instance) = instance(
            engine,
            r#"(module
                (type $i (func (result i32)))
                (table $t (export "t") 4 funcref)
                (elem (i32.const 0) func $one $two)
                (elem $expr funcref (ref.func $two) (ref.null func))
                (elem declare func $one)
                (func $one (type $i) i32.const 1)
                (func $two (type $i) i32.const 2)
                (func (export "call") (param i32) (result i32)
                    (call_indirect (type $i) (local.get 0)))
                (func (export "init") (table.init $t $expr (i32.const 0) (i32.const 0) (i32.const 2)))
                (func (export "one") (result funcref) (ref.func $one)))"#,
        );
        let t = instance.get_table(&mut store, "t").unwrap();
        let call = instance.get_typed_func::<i32, i32>(&mut store, "call").unwrap();
        assert_eq!(call.call(&mut store, 0).unwrap(), 1);
        assert_eq!(call.call(&mut store, 1).unwrap(), 2);
        let init = instance.get_typed_func::<(), ()>(&mut store, "init").unwrap();
        init.call(&mut store, ()).unwrap();
        assert_eq!(call.call(&mut store, 0).unwrap(), 2);
        let error = call.call(&mut store, 1).unwrap_err();
        assert_eq!(error.as_trap(), Some(Trap::IndirectCallToNull));
        let one = instance.get_typed_func::<(), Func>(&mut store, "one").unwrap();
        let one = one.call(&mut store, ()).unwrap();
        t.set(&mut store, 3, Val::FuncRef(Some(one))).unwrap();
        assert_eq!(call.call(&mut store, 3).unwrap(), 1);
        let Val::FuncRef(Some(found)) = t.get(&store, 3).unwrap() else { panic!() };
        assert_eq!(found.typed::<(), i32>(&store).unwrap().call(&mut store, ()).unwrap(), 1);
        t.grow(&mut store, 100, Val::FuncRef(Some(one))).unwrap();
        assert_eq!(call.call(&mut store, 103).unwrap(), 1);
    });
}

pub fn tables_that_the_host_makes(setup: Setup) {
    setup.each_engine(|engine| {
        let census = Census::default();
        let mut store = Store::new(engine, ()).unwrap();
        let ty = TableType { element: RefType::EXTERNREF, minimum: 3, maximum: None, table64: false };
        let table = Table::new(&mut store, ty, census.object(1).into()).unwrap();
        assert_eq!(numbers(&store, table), [Some(1); 3]);
        let text = r#"(module
            (import "" "t" (table $t 2 externref))
            (func (export "get") (param i32) (result externref) (table.get $t (local.get 0)))
            (func (export "grow") (result i32) (table.grow $t (ref.null extern) (i32.const 1000))))"#;
        let instance = Instance::new(&mut store, &module(engine, text), &[table.into()]).unwrap();
        let get = instance.get_typed_func::<u32, Option<ExternRef>>(&mut store, "get").unwrap();
        let grow = instance.get_typed_func::<(), i32>(&mut store, "grow").unwrap();
        assert_eq!(grow.call(&mut store, ()).unwrap(), 3);
        assert_eq!(table.size(&store).unwrap(), 1003);
        assert_eq!(get.call(&mut store, 2).unwrap().as_ref().map(number), Some(1));
        assert!(get.call(&mut store, 1002).unwrap().is_none());
        let huge = TableType { minimum: 1 << 40, ..ty };
        assert!(matches!(Table::new(&mut store, huge, Val::ExternRef(None)), Err(Error::Limit(_))));
    });
}

pub fn tables_with_64_bit_indices(setup: Setup) {
    setup.each_engine(|engine| {
        let census = Census::default();
        let (mut store, instance) = instance(
            engine,
            r#"(module
                (table $t (export "t") i64 3 6 externref)
                (func (export "get") (param i64) (result externref) (table.get $t (local.get 0)))
                (func (export "set") (param i64 externref)
                    (table.set $t (local.get 0) (local.get 1)))
                (func (export "fill") (param i64 externref i64)
                    (table.fill $t (local.get 0) (local.get 1) (local.get 2)))
                (func (export "grow") (param externref i64) (result i64)
                    (table.grow $t (local.get 0) (local.get 1))))"#,
        );
        let get = instance.get_typed_func::<u64, Option<ExternRef>>(&mut store, "get").unwrap();
        let set = instance.get_typed_func::<(u64, ExternRef), ()>(&mut store, "set").unwrap();
        set.call(&mut store, (2, census.object(2))).unwrap();
        assert_eq!(get.call(&mut store, 2).unwrap().as_ref().map(number), Some(2));
        for index in [3, 1 << 32, (1 << 32) + 2, u64::MAX] {
            let error = get.call(&mut store, index).unwrap_err();
            assert_eq!(error.as_trap(), Some(Trap::TableOutOfBounds), "{index}");
            let error = set.call(&mut store, (index, census.object(3))).unwrap_err();
            assert_eq!(error.as_trap(), Some(Trap::TableOutOfBounds), "{index}");
        }
        assert_eq!(census.alive(), 1);
        type Fill = (u64, Option<ExternRef>, u64);
        let fill = instance.get_typed_func::<Fill, ()>(&mut store, "fill").unwrap();
        for (start, len) in [(1, 3), (u64::MAX, 2), (2, u64::MAX), (4, 0)] {
            let error = fill.call(&mut store, (start, None, len)).unwrap_err();
            assert_eq!(error.as_trap(), Some(Trap::TableOutOfBounds), "{start} {len}");
        }
        assert_eq!(census.alive(), 1, "nothing is filled by halves");
        let grow = instance.get_typed_func::<(ExternRef, u64), i64>(&mut store, "grow").unwrap();
        for (delta, old) in [(u64::MAX, -1), (1 << 32, -1), (4, -1), (3, 3), (1, -1)] {
            assert_eq!(grow.call(&mut store, (census.object(4), delta)).unwrap(), old);
        }
        assert_eq!(census.alive(), 2);
        fill.call(&mut store, (0, None, 6)).unwrap();
        assert_eq!(census.alive(), 0);
    });
}

pub fn copies_segments_and_calls_with_64_bit_indices(setup: Setup) {
    const TEXT: &str = r#"(module
        (type $one (func (result i32)))
        (table $narrow 4 funcref)
        (table $wide i64 8 8 funcref)
        (elem (table $wide) (i64.const 2) func $a $b)
        (elem $segment func $a $b $a)
        (func $a (result i32) (i32.const 10))
        (func $b (result i32) (i32.const 11))
        (func (export "size") (result i64) (table.size $wide))
        (func (export "call") (param i64) (result i32)
            (call_indirect $wide (type $one) (local.get 0)))
        (func (export "tail") (param i64) (result i32)
            (return_call_indirect $wide (type $one) (local.get 0)))
        (func (export "init") (param i64 i32 i32)
            (table.init $wide $segment (local.get 0) (local.get 1) (local.get 2)))
        (func (export "within") (param i64 i64 i64)
            (table.copy $wide $wide (local.get 0) (local.get 1) (local.get 2)))
        (func (export "narrow") (param i32 i64 i32)
            (table.copy $narrow $wide (local.get 0) (local.get 1) (local.get 2)))
        (func (export "widen") (param i64 i32 i32)
            (table.copy $wide $narrow (local.get 0) (local.get 1) (local.get 2))))"#;
    setup.each_engine(|engine| {
        let (mut store, instance) = instance(engine, TEXT);
        let size = instance.get_typed_func::<(), i64>(&mut store, "size").unwrap();
        assert_eq!(size.call(&mut store, ()).unwrap(), 8);
        let calls = ["call", "tail"]
            .map(|name| instance.get_typed_func::<u64, i32>(&mut store, name).unwrap());
        let expect = |store: &mut Store<()>, wanted: [i32; 8]| {
            for (at, wanted) in (0..).zip(wanted) {
                for call in &calls {
                    let found = call.call(&mut *store, at);
                    match wanted {
                        0 => {
                            assert_eq!(found.unwrap_err().as_trap(), Some(Trap::IndirectCallToNull))
                        }
                        _ => assert_eq!(found.unwrap(), wanted, "{at}"),
                    }
                }
            }
        };
        let outside = Some(Trap::TableOutOfBounds);
        expect(&mut store, [0, 0, 10, 11, 0, 0, 0, 0]);
        for index in [8, 1 << 32, (1 << 32) + 2, u64::MAX] {
            for call in &calls {
                let trap = call.call(&mut store, index).unwrap_err().as_trap();
                assert_eq!(trap, Some(Trap::UndefinedElement), "{index}");
            }
        }
        let init = instance.get_typed_func::<(u64, u32, u32), ()>(&mut store, "init").unwrap();
        let within = instance.get_typed_func::<(u64, u64, u64), ()>(&mut store, "within").unwrap();
        let narrow = instance.get_typed_func::<(u32, u64, u32), ()>(&mut store, "narrow").unwrap();
        let widen = instance.get_typed_func::<(u64, u32, u32), ()>(&mut store, "widen").unwrap();
        init.call(&mut store, (5, 0, 3)).unwrap();
        expect(&mut store, [0, 0, 10, 11, 0, 10, 11, 10]);
        within.call(&mut store, (0, 6, 2)).unwrap();
        expect(&mut store, [11, 10, 10, 11, 0, 10, 11, 10]);
        narrow.call(&mut store, (1, 3, 2)).unwrap();
        widen.call(&mut store, (4, 0, 4)).unwrap();
        expect(&mut store, [11, 10, 10, 11, 0, 11, 0, 0]);
        for at in [6, 8, 1 << 32, u64::MAX] {
            let found = init.call(&mut store, (at, 0, 3)).unwrap_err();
            assert_eq!(found.as_trap(), outside, "init {at}");
            let found = widen.call(&mut store, (at, 0, 3)).unwrap_err();
            assert_eq!(found.as_trap(), outside, "widen {at}");
            let found = narrow.call(&mut store, (0, at, 3)).unwrap_err();
            assert_eq!(found.as_trap(), outside, "narrow {at}");
            for args in [(at, 0, 3), (0, at, 3), (0, 0, at.max(9))] {
                let found = within.call(&mut store, args).unwrap_err();
                assert_eq!(found.as_trap(), outside, "within {args:?}");
            }
        }
        expect(&mut store, [11, 10, 10, 11, 0, 11, 0, 0]);
    });
}

pub fn a_bulk_operation_out_of_bounds_changes_nothing(setup: Setup) {
    setup.each_engine(|engine| {
        let census = Census::default();
        let (mut store, instance) = instance(engine, BULK);
        let a = instance.get_table(&mut store, "a").unwrap();
        for at in 0..10 {
            a.set(&mut store, at, census.object(at as u32).into()).unwrap();
        }
        let before = numbers(&store, a);
        let outside = Some(Trap::TableOutOfBounds);
        type Fill = (u32, Option<ExternRef>, u32);
        let fill = instance.get_typed_func::<Fill, ()>(&mut store, "fill").unwrap();
        type Three = (u32, u32, u32);
        let copy = instance.get_typed_func::<Three, ()>(&mut store, "copy").unwrap();
        for (start, len) in [(0, 11), (10, 1), (11, 0), (9, 2), (u32::MAX, 1), (1, u32::MAX)] {
            let filled = fill.call(&mut store, (start, Some(census.object(99)), len));
            assert_eq!(filled.unwrap_err().as_trap(), outside, "{start} {len}");
            for args in [(start, 0, len), (0, start, len)] {
                let copied = copy.call(&mut store, args).unwrap_err();
                assert_eq!(copied.as_trap(), outside, "{args:?}");
            }
            assert_eq!((numbers(&store, a), census.alive()), (before.clone(), 10));
        }
        fill.call(&mut store, (10, Some(census.object(99)), 0)).unwrap();
        copy.call(&mut store, (10, 0, 0)).unwrap();
        copy.call(&mut store, (0, 10, 0)).unwrap();
        assert_eq!((numbers(&store, a), census.alive()), (before, 10));
    });
}
