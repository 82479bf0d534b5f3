//! What frames hold: references across control flow, in large numbers, as stack
//! arguments, in tail calls. A collection at each point finds the precise set.

use crate::support::{Census, Maybe, Setup, linked, number, tools};
use alloc::string::String;
use alloc::vec::Vec;
use alloc::{format, vec};
use kernref::{AsContext, Caller, ExternRef, Linker};

const IMPORTS: &str = r#"
    (import "h" "make" (func $make (param i32) (result externref)))
    (import "h" "number" (func $number (param externref) (result i32)))
    (import "h" "use" (func $use (param externref)))
    (import "h" "gc" (func $gc))
    (import "h" "alive" (func $alive (result i32)))"#;

/// Calls `run` of a module with these fields; nothing is alive afterwards.
fn run<P, R>(linker: &Linker<Census>, fields: &str, args: P) -> R
where
    P: kernref::WasmParams,
    R: kernref::WasmResults,
{
    let census = Census::default();
    let (mut store, instance) = linked(linker, census.clone(), &format!("(module {fields})"));
    let run = instance.get_typed_func::<P, R>(&mut store, "run").unwrap();
    let results = run.call(&mut store, args).unwrap();
    assert_eq!(census.alive(), 0);
    assert_eq!(store.gc_stats().slots_used, 0);
    results
}

pub fn references_in_block_parameters(setup: Setup) {
    setup.each_engine(|engine| {
        let fields = format!(
            r#"{IMPORTS}
            (func (export "run") (param $n i32) (result i32 i32)
                (local $sum i32)
                (call $make (i32.const 1)) (call $make (i32.const 2))
                ;; Each round swaps the two and replaces one of them.
                (loop $again (param externref externref) (result externref externref)
                    (call $gc)
                    (block $swap (param externref externref) (result externref externref)
                        (if (param externref externref) (result externref externref)
                            (i32.and (local.get $n) (i32.const 1))
                            (then drop (call $make (local.get $n)))
                            (else (call $gc) drop (call $make (i32.const 1000)) (br $swap)))
                        (call $gc))
                    (local.set $sum (i32.add (local.get $sum) (call $alive)))
                    (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
                call $number
                (local.set $n)
                call $number
                (i32.mul (local.get $n) (i32.const 100)) i32.add
                local.get $sum)"#
        );
        // Two are alive in each round; the last round made number 1.
        let found = run::<u32, (u32, u32)>(&tools(engine), &fields, 7);
        assert_eq!(found, (101, 14));
    });
}

pub fn references_through_branch_tables(setup: Setup) {
    setup.each_engine(|engine| {
        let fields = format!(
            r#"{IMPORTS}
            (func $pick (param $at i32) (param $object externref) (result i32)
                (block $two (result externref)
                    (block $one (result externref)
                        (block $zero (result externref)
                            (local.get $object)
                            (call $gc)
                            (br_table $zero $one $two (local.get $at)))
                        (call $gc)
                        call $number
                        (return (i32.add (i32.const 10))))
                    (call $gc)
                    call $number
                    (return (i32.add (i32.const 20))))
                (call $gc)
                call $number
                (i32.add (i32.const 30)))
            (func (export "run") (result i32 i32 i32 i32)
                (call $pick (i32.const 0) (call $make (i32.const 1)))
                (call $pick (i32.const 1) (call $make (i32.const 2)))
                (call $pick (i32.const 2) (call $make (i32.const 3)))
                (call $pick (i32.const 99) (call $make (i32.const 4))))"#
        );
        let found = run::<(), (u32, u32, u32, u32)>(&tools(engine), &fields, ());
        assert_eq!(found, (11, 22, 33, 34));
    });
}

pub fn more_references_than_registers(setup: Setup) {
    // Half of them are used after the collection; the others are dead by then.
    const COUNT: usize = 40;
    setup.each_engine(|engine| {
        let mut body = String::new();
        for at in 0..COUNT {
            body += &format!("(local $l{at} externref) ");
        }
        for at in 0..COUNT {
            body += &format!("(local.set $l{at} (call $make (i32.const {at}))) ");
        }
        body += "(local.set $alive (call $alive)) ";
        for at in (0..COUNT).step_by(2) {
            body += &format!(
                "(local.set $sum (i32.add (local.get $sum) (call $number (local.get $l{at})))) "
            );
        }
        let fields = format!(
            r#"{IMPORTS} (func (export "run") (result i32 i32) (local $sum i32) (local $alive i32)
                {body} (local.get $sum) (local.get $alive))"#
        );
        let sum: usize = (0..COUNT).step_by(2).sum();
        let found = run::<(), (u32, u32)>(&tools(engine), &fields, ());
        assert_eq!(found, (sum as u32, COUNT as u32 / 2));
    });
}

pub fn arguments_on_the_stack(setup: Setup) {
    const COUNT: usize = 20;
    setup.each_engine(|engine| {
        let params = "externref ".repeat(COUNT);
        let (mut reads, mut makes, mut copies) = (String::new(), String::new(), String::new());
        for at in 0..COUNT {
            reads += &format!("(call $number (local.get {at})) i32.add ");
            makes += &format!("(call $make (i32.const {at})) ");
            copies += &format!("(local.get {}) ", COUNT - 1 - at);
        }
        let fields = format!(
            r#"{IMPORTS}
            (type $many (func (param {params}) (result i32)))
            (table $t 2 funcref)
            (elem (i32.const 0) $sum $reversed)
            (func $sum (type $many) (call $gc) (i32.const 0) {reads})
            (func $reversed (type $many)
                (call $gc)
                (call_indirect (type $many) {copies} (i32.const 0))
                (call_indirect (type $many) {copies} (i32.const 0))
                i32.add)
            (func (export "run") (param i32) (result i32)
                (call_indirect (type $many) {makes} (local.get 0)))"#
        );
        let sum = (0..COUNT as u32).sum::<u32>();
        assert_eq!(run::<u32, u32>(&tools(engine), &fields, 0), sum);
        assert_eq!(run::<u32, u32>(&tools(engine), &fields, 1), 2 * sum);
    });
}

pub fn many_results(setup: Setup) {
    const COUNT: usize = 12;
    setup.each_engine(|engine| {
        let results = "externref ".repeat(COUNT);
        let (mut makes, mut reads) = (String::new(), String::new());
        for at in 0..COUNT {
            makes += &format!("(call $make (i32.const {})) ", at + 1);
        }
        // The last result comes off the stack first.
        for at in (0..COUNT).rev() {
            reads += "call $number (call $gc) ";
            if at + 1 < COUNT {
                reads += "(local.set $last) (local.set $sum (i32.add (i32.mul (local.get $sum) \
                          (i32.const 3)) (local.get $last))) ";
            } else {
                reads += "local.set $sum ";
            }
        }
        let fields = format!(
            r#"{IMPORTS}
            (func $many (result {results}) {makes})
            (func (export "run") (result i32) (local $sum i32) (local $last i32)
                call $many call $gc {reads} (local.get $sum))"#
        );
        let expected = (1..=COUNT as u32).rev().fold(0, |sum, number| sum * 3 + number);
        assert_eq!(run::<(), u32>(&tools(engine), &fields, ()), expected);
    });
}

pub fn tail_calls_hand_references_on(setup: Setup) {
    setup.each_engine(|engine| {
        let fields = format!(
            r#"{IMPORTS}
            (type $step (func (param i32 externref externref) (result externref)))
            (table 2 funcref)
            (elem (i32.const 0) $even $odd)
            (func $even (type $step)
                (if (i32.eqz (local.get 0)) (then (return (local.get 1))))
                (call $gc)
                (return_call $odd (i32.sub (local.get 0) (i32.const 1))
                    (local.get 2) (call $make (local.get 0))))
            (func $odd (type $step)
                (call $gc)
                (return_call_indirect (type $step) (i32.sub (local.get 0) (i32.const 1))
                    (local.get 2) (local.get 1) (i32.const 0)))
            (func (export "run") (param i32) (result i32 i32)
                (call $number (call $even (local.get 0)
                    (call $make (i32.const 1)) (call $make (i32.const 2))))
                (call $alive))"#
        );
        // Even rounds keep the second and make a new one; odd rounds swap.
        for (rounds, expected) in [(0, 1), (2, 2), (4, 4), (2000, 2000)] {
            let mut pair = (1, 2);
            for round in (1..=rounds).rev() {
                pair = if round % 2 == 0 { (pair.1, round) } else { (pair.1, pair.0) };
            }
            let found = run::<u32, (u32, u32)>(&tools(engine), &fields, rounds);
            assert_eq!(found, (pair.0, 0), "{rounds} rounds; for example {expected}");
        }
    });
}

pub fn every_frame_of_a_recursion_holds_its_own(setup: Setup) {
    setup.each_engine(|engine| {
        let mut linker = tools(engine);
        linker
            .func_wrap("h", "walked", |mut caller: Caller<'_, Census>| -> kernref::Result<u32> {
                let before = caller.as_context().gc_stats();
                caller.gc()?;
                let after = caller.as_context().gc_stats();
                assert_eq!(after.activations_walked - before.activations_walked, 1);
                assert_eq!(after.collections - before.collections, 1);
                Ok((after.frames_walked - before.frames_walked) as u32)
            })
            .unwrap();
        let fields = format!(
            r#"{IMPORTS}
            (import "h" "walked" (func $walked (result i32)))
            (func $down (param $n i32) (param $above externref) (result i32 i32)
                (local $mine externref)
                (local.set $mine (call $make (local.get $n)))
                (if (result i32 i32) (local.get $n)
                    (then (call $down (i32.sub (local.get $n) (i32.const 1)) (local.get $mine)))
                    (else (call $walked) (call $alive)))
                ;; Every other frame needs its own afterwards.
                (if (i32.and (local.get $n) (i32.const 1)) (then (call $use (local.get $mine)))))
            (func (export "run") (param i32) (result i32 i32)
                (call $down (local.get 0) (ref.null extern)))"#
        );
        let (frames, alive) = run::<u32, (u32, u32)>(&linker, &fields, 99);
        // `down` 100 times, `run`, and the shim through which the host entered.
        assert_eq!(frames, 102);
        // During the descent, a frame may still need its own.
        assert_eq!(alive, 100);
    });
}

pub fn dead_values_are_not_held(setup: Setup) {
    setup.each_engine(|engine| {
        let census = Census::default();
        let text = format!(
            r#"(module {IMPORTS}
            (func (export "run") (param $unused externref) (param $used externref)
                (result i32 i32 i32 i32)
                (local $a externref)
                (local.set $a (call $make (i32.const 1)))
                (drop (call $make (i32.const 2)))
                (call $alive)                       ;; $used; nobody will read $a
                (local.set $a (call $make (i32.const 3)))
                (call $alive)                       ;; $used and the new $a
                (call $use (local.get $used))
                (call $alive)                       ;; $a
                (call $use (local.get $a))
                (local.set $a (ref.null extern))
                (call $alive)
                (call $use (local.get $a))))"#
        );
        let (mut store, instance) = linked(&tools(engine), census.clone(), &text);
        type Four = (u32, u32, u32, u32);
        let run = instance.get_typed_func::<(Maybe, Maybe), Four>(&mut store, "run").unwrap();
        let args = (Some(census.object(10)), Some(census.object(11)));
        assert_eq!(run.call(&mut store, args).unwrap(), (1, 2, 1, 0));
        assert_eq!((census.alive(), census.released()), (0, 5));
    });
}

pub fn what_an_operator_is_about_to_use_is_held(setup: Setup) {
    // Operands waiting on the stack while a later operand collects.
    setup.each_engine(|engine| {
        let fields = format!(
            r#"{IMPORTS}
            (table $t 4 externref)
            (global $g (mut externref) (ref.null extern))
            (func $collected (param i32) (result i32) (call $gc) (local.get 0))
            (func $pair (param externref externref) (result i32)
                (i32.add (i32.mul (call $number (local.get 0)) (i32.const 10))
                    (call $number (local.get 1))))
            (func (export "run") (result i32 i32 i32 i32)
                (call $pair (call $make (i32.const 1)) (call $make (call $collected (i32.const 2))))
                (table.fill $t (call $collected (i32.const 0)) (call $make (i32.const 3))
                    (call $collected (i32.const 2)))
                (call $pair (table.get $t (i32.const 0)) (table.get $t (call $collected (i32.const 1))))
                (drop (table.grow $t (call $make (i32.const 4)) (call $collected (i32.const 1))))
                (call $number (table.get $t (i32.const 4)))
                (global.set $g (select (result externref) (call $make (i32.const 5))
                    (call $make (i32.const 6)) (call $collected (i32.const 1))))
                (call $number (global.get $g))
                (global.set $g (ref.null extern))
                (table.fill $t (i32.const 0) (ref.null extern) (i32.const 5)))"#
        );
        let found = run::<(), (u32, u32, u32, u32)>(&tools(engine), &fields, ());
        assert_eq!(found, (12, 33, 4, 5));
    });
}

pub fn references_beside_other_types(setup: Setup) {
    // Stack maps tell 32-bit references from numbers of the same size: a number
    // that looks like a slot keeps nothing alive and does no harm.
    setup.each_engine(|engine| {
        let fields = format!(
            r#"{IMPORTS}
            (func $mixed (param i32 externref i64 f32 externref f64 v128 externref)
                (result externref i32)
                (call $gc)
                (call $use (local.get 4))
                (local.get 7)
                (i32.add (local.get 0) (i32.wrap_i64 (local.get 2))))
            (func (export "run") (param externref) (result i32 i32 i32)
                (local $a i32) (local $b i32) (local $c i64) (local $last i32)
                (local.set $a (i32.const 1)) (local.set $b (i32.const 2))
                (local.set $c (i64.const 0x200000001))
                (drop (call $make (i32.const 5))) (drop (call $make (i32.const 6)))
                (call $alive)
                (call $mixed (local.get $a) (local.get 0) (i64.const 2) (f32.const 1e-45)
                    (call $make (i32.const 8)) (f64.const 5e-324) (v128.const i32x4 1 2 3 4)
                    (call $make (i32.const 9)))
                (local.set $last)
                call $number
                (i32.add (i32.add (local.get $last) (local.get $b))
                    (i32.wrap_i64 (local.get $c))))"#
        );
        let object = ExternRef::new(0_u8).unwrap();
        let found = run::<ExternRef, (u32, u32, u32)>(&tools(engine), &fields, object.clone());
        assert_eq!(found, (0, 9, 6));
        assert_eq!(object.strong_count(), 1);
    });
}

pub fn a_host_function_returns_many_references(setup: Setup) {
    setup.each_engine(|engine| {
        let mut linker = tools(engine);
        let many = |caller: Caller<'_, Census>, first: u32| {
            let object = |at| caller.data().object(first + at);
            (object(0), object(1), object(2), object(3), object(4), object(5), object(6), object(7))
        };
        linker.func_wrap("h", "many", many).unwrap();
        let census = Census::default();
        let (mut store, instance) = linked(
            &linker,
            census.clone(),
            r#"(module
                (import "h" "many" (func $many (param i32) (result externref externref externref
                    externref externref externref externref externref)))
                (import "h" "gc" (func $gc))
                (func (export "run") (param i32) (result externref externref externref
                    externref externref externref externref externref)
                    (drop (drop (drop (drop (drop (drop (drop (drop
                        (call $many (i32.const 500))))))))))
                    (call $many (local.get 0)) (call $gc)))"#,
        );
        let run = instance.get_func(&mut store, "run").unwrap();
        for first in [0, 100] {
            let mut results = vec![kernref::Val::I32(0); 8];
            run.call(&mut store, &[first.into()], &mut results).unwrap();
            let numbers: Vec<u32> = results
                .iter()
                .filter_map(|result| result.extern_ref().flatten().map(number))
                .collect();
            assert_eq!(numbers, (first..first + 8).collect::<Vec<u32>>());
            assert_eq!(census.alive(), 8);
            drop(results);
            assert_eq!(census.alive(), 0);
        }
    });
}
