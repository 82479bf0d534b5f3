//! Collections: their cost next to live references in tables, per dead
//! reference, and for frames that hold references. Destructors are included.

use super::floors;
use crate::measure::{Goal, Row, Sample, Who, timed};
use crate::rig::{self, Rig};
use std::hint::black_box;

/// Dead references per collection: too few for Kernref to collect on its own.
const DEAD: u64 = 1000;

/// A table, objects that die, and frames that hold objects.
const GUEST: &str = r#"(module
    (import "h" "make" (func $make (param i32) (result externref)))
    (import "h" "give" (func $give (result externref)))
    (import "h" "number" (func $number (param externref) (result i32)))
    (import "h" "gc" (func $gc))
    (table $t 0 externref)
    (func $collect (param i32)
        (loop $l (call $gc) (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))))
    (func (export "fill") (param $count i32) (result i64)
        (drop (table.grow $t (ref.null extern) (local.get $count)))
        (loop $l
            (local.set $count (i32.sub (local.get $count) (i32.const 1)))
            (table.set $t (local.get $count) (call $make (local.get $count)))
            (br_if $l (local.get $count)))
        (i64.extend_i32_u (table.size $t)))
    (func (export "live") (param i32) (result i64) (call $collect (local.get 0)) (i64.const 0))
    (func (export "dead") (param $rounds i32) (result i64) (local $i i32)
        (loop $r
            (local.set $i (i32.const 1000))
            (loop $l
                (drop (call $make (local.get $i)))
                (br_if $l (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))
            (call $gc)
            (br_if $r (local.tee $rounds (i32.sub (local.get $rounds) (i32.const 1)))))
        (i64.const 0))

    (global $depth (mut i32) (i32.const 3))
    (global $g (mut externref) (ref.null extern)) (global $h (mut externref) (ref.null extern))
    (func (export "set_depth") (param i32) (result i64)
        (global.set $depth (local.get 0)) (i64.const 0))
    (func $deep1 (param $depth i32) (param $rounds i32) (result i32) (local $a externref)
        (if (i32.eqz (local.get $depth)) (then (call $collect (local.get $rounds)) (return (i32.const 0))))
        (local.set $a (call $make (local.get $depth)))
        (call $deep1 (i32.sub (local.get $depth) (i32.const 1)) (local.get $rounds))
        (i32.add (ref.is_null (local.get $a))))
    (func $deep4 (param $depth i32) (param $rounds i32) (result i32)
        (local $a externref) (local $b externref) (local $c externref) (local $d externref)
        (if (i32.eqz (local.get $depth)) (then (call $collect (local.get $rounds)) (return (i32.const 0))))
        (local.set $a (call $make (local.get $depth))) (local.set $b (call $make (local.get $depth)))
        (local.set $c (call $make (local.get $depth))) (local.set $d (call $make (i32.const 5)))
        (call $deep4 (i32.sub (local.get $depth) (i32.const 1)) (local.get $rounds))
        (i32.add (i32.add (ref.is_null (local.get $a)) (ref.is_null (local.get $b))))
        (i32.add (i32.add (ref.is_null (local.get $c)) (i32.ne (call $number (local.get $d)) (i32.const 5)))))
    (func $deep_shared (param $depth i32) (param $rounds i32) (result i32)
        (local $a externref) (local $b externref) (local $c externref) (local $d externref)
        (if (i32.eqz (local.get $depth)) (then (call $collect (local.get $rounds)) (return (i32.const 0))))
        (local.set $a (global.get $g)) (local.set $b (global.get $g))
        (local.set $c (global.get $g)) (local.set $d (global.get $h))
        (call $deep_shared (i32.sub (local.get $depth) (i32.const 1)) (local.get $rounds))
        (i32.add (i32.add (ref.is_null (local.get $a)) (ref.is_null (local.get $b))))
        (i32.add (i32.add (ref.is_null (local.get $c)) (i32.ne (call $number (local.get $d)) (i32.const 7)))))
    (func (export "frames_shared") (param i32) (result i64)
        (global.set $g (call $give)) (global.set $h (global.get $g))
        (i64.extend_i32_u (call $deep_shared (global.get $depth) (local.get 0))))
    (func (export "frames1") (param i32) (result i64)
        (i64.extend_i32_u (call $deep1 (global.get $depth) (local.get 0))))
    (func (export "frames4") (param i32) (result i64)
        (i64.extend_i32_u (call $deep4 (global.get $depth) (local.get 0)))))"#;

/// The rows.
pub fn rows() -> Vec<Row> {
    let live = [0, 1_000, 10_000, 100_000].map(live);
    let depths = [10, 100, 1_000, 10_000];
    let kinds = [Frames::Own(1), Frames::Own(4), Frames::Shared];
    let frames = depths.into_iter().flat_map(|depth| kinds.map(|kind| frames(depth, kind)));
    live.into_iter().chain([dead()]).chain(frames).collect()
}

/// Contenders set up by calling an export once with an argument, then sampled
/// through another export.
fn setup(
    who: &[Who],
    slots: u32,
    prepare: impl Fn(Who) -> Option<(&'static str, i32)>,
    export: &'static str,
    sample: fn(Box<dyn Rig>) -> Sample,
) -> Vec<(Who, Sample)> {
    let names = ["fill", "set_depth", export];
    let mut rigs: Vec<_> = who
        .iter()
        .map(|who| (*who, rig::load_with_slots(*who, GUEST.as_bytes(), &names, slots)))
        .collect();
    for (who, rig) in &mut rigs {
        if let Some((name, argument)) = prepare(*who) {
            let func = names.iter().position(|known| *known == name).expect("a known export");
            rig.run(func, argument);
        }
    }
    rig::compare_one(&mut rigs, 2, 3);
    rigs.into_iter().map(|(who, rig)| (who, sample(rig))).collect()
}

/// Times calls of the collecting host function.
fn calls(mut rig: Box<dyn Rig>) -> Sample {
    Box::new(move |ops| {
        timed(ops, || {
            black_box(rig.run(2, ops as i32));
        })
    })
}

/// Times collections alone: the median of those in a sample, without the first one.
fn collections(mut rig: Box<dyn Rig>) -> Sample {
    Box::new(move |ops| {
        rig::take_collecting();
        rig.run(2, ops as i32 + 1);
        rig::take_collecting()
    })
}

/// The same, per dead reference.
fn deaths(rig: Box<dyn Rig>) -> Sample {
    let mut collections = collections(rig);
    Box::new(move |ops| collections(ops.div_ceil(DEAD)) / DEAD as f64)
}

/// A collection next to live references; the base has none.
fn live(count: u32) -> Row {
    let goal = (count > 0).then_some(Goal { at_most: 1.1, of: &[Who::Base] });
    Row::new(format!("collecting: {count} live in a table"), goal, move || {
        let who = [Who::Kernref, Who::Clone, Who::W1, Who::W2, Who::Base];
        let prepare = |who| (who != Who::Base && count > 0).then_some(("fill", count as i32));
        setup(&who, count + rig::SLOTS, prepare, "live", calls)
    })
}

fn dead() -> Row {
    let goal = Goal { at_most: 0.1, of: &[Who::W1] };
    Row::new("collecting: per dead reference", Some(goal), || {
        setup(&Who::COUNTED, rig::SLOTS, |_| None, "dead", deaths)
    })
}

/// Which objects the references in frames refer to.
#[derive(Clone, Copy)]
enum Frames {
    /// Each frame holds objects that nothing else holds.
    Own(u32),
    /// All frames hold one object, four times each; globals hold it too.
    Shared,
}

/// A collection while frames that hold references are active.
fn frames(depth: u32, kind: Frames) -> Row {
    let (references, export, name) = match kind {
        Frames::Own(1) => (1, "frames1", "1"),
        Frames::Own(_) => (4, "frames4", "4"),
        Frames::Shared => (4, "frames_shared", "4, shared"),
    };
    let goal =
        (depth == 10_000 && references == 4).then_some(Goal { at_most: 0.2, of: &[Who::W1] });
    Row::new(format!("collecting: {depth} frames × {name}"), goal, move || {
        // More than twice as many slots as references: nobody collects early.
        let slots = depth * references * 2 + rig::SLOTS;
        let prepare = |_| Some(("set_depth", depth as i32));
        let mut contenders = setup(&Who::COUNTED, slots, prepare, export, collections);
        contenders.push((Who::Floor, floors::walk(depth as usize, references as usize)));
        contenders
    })
}
