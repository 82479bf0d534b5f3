//! What operators cost in fuel, and where bulk work can be interrupted.

use crate::support::{Census, Setup, module, tools};
use alloc::format;
use alloc::string::String;
use kernref::{Config, Engine, Error, Instance, Linker, Store, Trap, UpdateDeadline, Val};

/// Bytes and elements between two checks of the epoch.
const PIECE_BYTES: usize = 256 << 10;
const PIECE_ELEMENTS: usize = 16 << 10;

const WITH: &str = r#"
    (import "h" "host" (func $host))
    (type $empty (func))
    (memory $m 2 64) (memory $n 1)
    (table $t 64 1024 externref) (table $u 64 externref) (table $f 64 funcref)
    (elem (table $f) (i32.const 0) func $g $host)
    (elem $e externref (ref.null extern) (ref.null extern) (ref.null extern) (ref.null extern)
        (ref.null extern) (ref.null extern) (ref.null extern) (ref.null extern)
        (ref.null extern) (ref.null extern))
    (global $x (mut i32) (i32.const 0))
    (func $g)
    (func $three nop (drop (i32.const 1)) nop (global.set $x (i32.const 5)))
    (func $same (param i32) (result i32) (local.get 0))"#;

/// Bodies of functions, and what they cost.
const COSTS: &[(&str, u64)] = &[
    ("", 0),
    ("nop (block nop)", 0),
    ("(drop (i32.const 1))", 2),
    ("(global.set $x (i32.add (global.get $x) (i32.const 1)))", 4),
    ("(i32.store (i32.const 0) (i32.load (i32.const 4)))", 4),
    ("(if (i32.const 0) (then (drop (i32.const 1))))", 1),
    ("(if (i32.const 1) (then (drop (i32.const 1))) (else nop))", 3),
    ("(block (br 0) (drop (i32.const 1)))", 1),
    ("(block (br_if 0 (i32.const 1)) (drop (i32.const 1)))", 2),
    ("(block (br_table 0 0 (i32.const 1)))", 2),
    ("(return) (drop (i32.const 1))", 1),
    ("(loop (br_if 0 (i32.lt_u (global.get $x) (i32.const 0))))", 4),
    ("(call $g)", 1),
    ("(call $three)", 5),
    ("(call $host)", 1),
    ("(drop (call $same (i32.const 1)))", 4),
    ("(call_indirect $f (type $empty) (i32.const 0))", 2),
    ("(call_indirect $f (type $empty) (i32.const 1))", 2),
    ("(return_call $g)", 1),
    ("(drop (i32.const 1)) (return_call $three)", 7),
    ("(drop (i32.const 1)) (return_call $host)", 3),
    ("(drop (i32.const 1)) (return_call_indirect $f (type $empty) (i32.const 0))", 4),
    ("(drop (i32.const 1)) (return_call_indirect $f (type $empty) (i32.const 1))", 4),
    ("(drop (memory.size))", 2),
    ("(drop (memory.grow (i32.const 0)))", 3),
    ("(drop (memory.grow (i32.const 1)))", 3 + 1024),
    ("(drop (memory.grow (i32.const 1000)))", 3),
    ("(memory.fill (i32.const 0) (i32.const 0) (i32.const 63))", 4),
    ("(memory.fill (i32.const 0) (i32.const 0) (i32.const 64))", 5),
    ("(memory.fill (i32.const 0) (i32.const 0) (i32.const 65))", 5),
    ("(memory.fill (i32.const 0) (i32.const 0) (i32.const 65536))", 4 + 1024),
    ("(memory.copy (i32.const 0) (i32.const 0) (i32.const 64))", 5),
    ("(memory.copy (i32.const 0) (i32.const 7) (i32.const 130))", 6),
    ("(memory.copy $n $m (i32.const 0) (i32.const 7) (i32.const 6400))", 4 + 100),
    ("(memory.init $d (i32.const 0) (i32.const 0) (i32.const 63))", 4),
    ("(memory.init $d (i32.const 0) (i32.const 0) (i32.const 128))", 6),
    ("(drop (table.size $t))", 2),
    ("(drop (table.grow $t (ref.null extern) (i32.const 7)))", 4),
    ("(drop (table.grow $t (ref.null extern) (i32.const 80)))", 4 + 10),
    ("(drop (table.grow $t (ref.null extern) (i32.const 9999)))", 4),
    ("(table.set $t (i32.const 0) (table.get $t (i32.const 1)))", 4),
    ("(table.fill $t (i32.const 0) (ref.null extern) (i32.const 7))", 4),
    ("(table.fill $t (i32.const 0) (ref.null extern) (i32.const 64))", 4 + 8),
    ("(table.copy $t $u (i32.const 0) (i32.const 0) (i32.const 15))", 5),
    ("(table.copy $t $t (i32.const 1) (i32.const 0) (i32.const 16))", 6),
    ("(table.init $t $e (i32.const 0) (i32.const 0) (i32.const 8))", 5),
    ("(data.drop $d) (elem.drop $e)", 2),
];

fn both(config: &mut Config) {
    config.epoch_interruption(true).consume_fuel(true);
}

/// An instance in a store that can pay for it.
fn fueled<T: 'static>(linker: &Linker<T>, data: T, text: &str) -> (Store<T>, Instance) {
    let mut store = Store::new(linker.engine(), data).unwrap();
    store.set_fuel(1 << 40).unwrap();
    let module = module(linker.engine(), text);
    let instance = linker.instantiate(&mut store, &module).unwrap();
    (store, instance)
}

pub fn every_kind_of_operator_costs_what_it_should(setup: Setup) {
    let bodies: String = (COSTS.iter().enumerate())
        .map(|(at, (body, _))| format!("(func (export \"f{at}\") {body})"))
        .collect();
    let data = "x".repeat(128);
    let text = format!("(module {WITH} (data $d \"{data}\") {bodies})");
    setup.each_config(both, |engine| {
        let mut linker = Linker::<()>::new(engine);
        linker.func_wrap("h", "host", || ()).unwrap();
        let (mut store, instance) = fueled(&linker, (), &text);
        for (at, (body, cost)) in COSTS.iter().enumerate() {
            let func = instance.get_typed_func::<(), ()>(&mut store, &format!("f{at}")).unwrap();
            store.set_fuel(1 << 40).unwrap();
            func.call(&mut store, ()).unwrap();
            assert_eq!((1 << 40) - store.get_fuel().unwrap(), *cost, "{body}");
        }
    });
}

const LONG: &str = r#"(module
    (import "h" "make" (func $make (param i32) (result externref)))
    (memory (export "m") 48 64)
    (table $t (export "t") 65536 externref)
    (table $u 65536 externref)
    (table $f 65536 funcref)
    (func (export "fill") (memory.fill (i32.const 1) (i32.const 7) (i32.const 1000000)))
    (func (export "up") (memory.copy (i32.const 100) (i32.const 1) (i32.const 1000000)))
    (func (export "down") (memory.copy (i32.const 1) (i32.const 100) (i32.const 1000000)))
    (func (export "grow") (drop (memory.grow (i32.const 1))))
    (func (export "table.fill")
        (table.fill $t (i32.const 1) (call $make (i32.const 1)) (i32.const 65000)))
    (func (export "table.copy") (table.copy $t $t (i32.const 1) (i32.const 0) (i32.const 65000)))
    (func (export "table.back") (table.copy $t $t (i32.const 0) (i32.const 1) (i32.const 65000)))
    (func (export "table.over") (table.copy $u $t (i32.const 0) (i32.const 0) (i32.const 65000)))
    (func (export "table.grow") (drop (table.grow $u (call $make (i32.const 2)) (i32.const 40000)))))"#;

/// The names of functions in [`LONG`], and how many pieces they have.
fn long() -> [(&'static str, usize); 9] {
    let (bytes, elements) =
        (1_000_000_usize.div_ceil(PIECE_BYTES), 65_000_usize.div_ceil(PIECE_ELEMENTS));
    [
        ("fill", bytes),
        ("up", bytes),
        ("down", bytes),
        ("grow", 1),
        ("table.fill", elements),
        ("table.copy", elements),
        ("table.back", elements),
        ("table.over", elements),
        ("table.grow", 40_000_usize.div_ceil(PIECE_ELEMENTS)),
    ]
}

pub fn the_epoch_is_checked_after_each_piece(setup: Setup) {
    // Under zeal, each host call would walk long tables.
    let setup = Setup { zeal: false, ..setup };
    setup.each_config(both, |engine| {
        for (name, pieces) in long() {
            let asked = alloc::sync::Arc::new(core::sync::atomic::AtomicUsize::new(0));
            let (mut store, instance) = fueled(&tools(engine), Census::default(), LONG);
            let run = instance.get_typed_func::<(), ()>(&mut store, name).unwrap();
            let (ticker, counter) = (engine.clone(), asked.clone());
            store
                .epoch_deadline_callback(move |_| {
                    counter.fetch_add(1, core::sync::atomic::Ordering::Relaxed);
                    ticker.increment_epoch();
                    Ok(UpdateDeadline::Continue(0))
                })
                .unwrap();
            store.set_epoch_deadline(0);
            store.set_fuel(1 << 40).unwrap();
            run.call(&mut store, ()).unwrap();
            // And once at the function's entry.
            let asked = asked.load(core::sync::atomic::Ordering::Relaxed);
            assert_eq!(asked, pieces + 1, "{name}");
            // Not enough fuel: nothing is done at all.
            store.set_fuel(50).unwrap();
            let error = run.call(&mut store, ()).unwrap_err();
            assert_eq!((name, error.as_trap()), (name, Some(Trap::OutOfFuel)));
        }
    });
}

/// A store of [`LONG`] whose deadline passes at the n-th check.
fn stops_after(engine: &Engine, checks: usize) -> (Store<Census>, Instance) {
    let (mut store, instance) = fueled(&tools(engine), Census::default(), LONG);
    let ticker = engine.clone();
    let asked = core::sync::atomic::AtomicUsize::new(0);
    store
        .epoch_deadline_callback(move |_| {
            ticker.increment_epoch();
            let asked = asked.fetch_add(1, core::sync::atomic::Ordering::Relaxed);
            Ok(if asked < checks { UpdateDeadline::Continue(0) } else { UpdateDeadline::Interrupt })
        })
        .unwrap();
    store.set_epoch_deadline(0);
    store.set_fuel(1 << 40).unwrap();
    (store, instance)
}

pub fn what_was_done_before_an_interruption_stays_done(setup: Setup) {
    let setup = Setup { zeal: false, ..setup };
    let interrupted = |engine: &Engine, name: &str, checks| {
        let (mut store, instance) = stops_after(engine, checks);
        let memory = instance.get_memory(&mut store, "m").unwrap();
        for (at, byte) in memory.data_mut(&mut store).unwrap().iter_mut().enumerate() {
            *byte = (at % 251) as u8;
        }
        let before = memory.data(&store).unwrap().to_vec();
        let run = instance.get_typed_func::<(), ()>(&mut store, name).unwrap();
        let error = run.call(&mut store, ()).unwrap_err();
        assert_eq!(error.as_trap(), Some(Trap::Interrupt), "{name}");
        (before, memory.data(&store).unwrap().to_vec())
    };
    setup.each_config(both, |engine| {
        let (mut expected, found) = interrupted(engine, "fill", 2);
        expected[1..][..2 * PIECE_BYTES].fill(7);
        assert!(expected == found);
        // From the end, because source and target overlap.
        let (mut expected, found) = interrupted(engine, "up", 2);
        let from = 1_000_000 - 2 * PIECE_BYTES;
        expected.copy_within(1 + from..1 + 1_000_000, 100 + from);
        assert!(expected == found);
        let (mut expected, found) = interrupted(engine, "down", 2);
        expected.copy_within(100..100 + 2 * PIECE_BYTES, 1);
        assert!(expected == found);
        // A memory that was not grown to the end has not grown.
        let (mut store, instance) = stops_after(engine, 1);
        let run = instance.get_typed_func::<(), ()>(&mut store, "grow").unwrap();
        assert_eq!(run.call(&mut store, ()).unwrap_err().as_trap(), Some(Trap::Interrupt));
        let memory = instance.get_memory(&mut store, "m").unwrap();
        assert_eq!(memory.size(&store).unwrap(), 48);
    });
}

pub fn what_a_table_is_filled_with_is_kept_meanwhile(setup: Setup) {
    // The callback takes away every copy that has been written, and collects.
    let setup = Setup { zeal: false, ..setup };
    for (name, table_len, written) in [("table.fill", 65_536, 65_000), ("table.grow", 0, 0)] {
        setup.each_config(both, |engine| {
            let (mut store, instance) = fueled(&tools(engine), Census::default(), LONG);
            let table = instance.get_table(&mut store, "t").unwrap();
            let ticker = engine.clone();
            store
                .epoch_deadline_callback(move |mut store| {
                    ticker.increment_epoch();
                    table.fill(&mut store, 0, Val::ExternRef(None), table_len)?;
                    store.gc()?;
                    assert!(store.data().alive() <= 1);
                    Ok(UpdateDeadline::Continue(0))
                })
                .unwrap();
            store.set_epoch_deadline(0);
            store.set_fuel(1 << 40).unwrap();
            let run = instance.get_typed_func::<(), ()>(&mut store, name).unwrap();
            run.call(&mut store, ()).unwrap();
            let (alive, released) = (store.data().alive(), store.data().released());
            assert_eq!(alive + released, 1, "{name}");
            // The check after the last piece took all of the table's away.
            assert_eq!(alive, usize::from(written == 0), "{name}");
            store.gc().unwrap();
        });
    }
}

pub fn active_segments_are_work_too(setup: Setup) {
    let count = 3 * PIECE_ELEMENTS;
    let functions = "$f ".repeat(count);
    let elements =
        format!("(module (table {count} funcref) (func $f) (elem (i32.const 0) func {functions}))");
    let bytes = 3 * PIECE_BYTES;
    let data = format!("(module (memory 64) (data (i32.const 5) \"{}\"))", "a".repeat(bytes));
    // The table and the memory cost as much again as writing all of them.
    let costs = [(elements, 2 * count as u64 / 8), (data, bytes as u64 / 64 + 64 * 1024)];
    setup.each_config(both, |engine| {
        for (text, cost) in &costs {
            let module = module(engine, text);
            let instantiate = |fuel: u64, deadline: u64| {
                let mut store = Store::new(engine, ()).unwrap();
                store.set_fuel(fuel).unwrap();
                store.set_epoch_deadline(deadline);
                let outcome = Instance::new(&mut store, &module, &[]).map(|_| ());
                (outcome, store.get_fuel().unwrap())
            };
            assert!(matches!(instantiate(cost + 9, 1), (Ok(()), 9)));
            assert!(matches!(instantiate(cost - 1, 1).0, Err(Error::Trap(Trap::OutOfFuel))));
            assert!(matches!(instantiate(1 << 40, 0).0, Err(Error::Trap(Trap::Interrupt))));
        }
    });
}
