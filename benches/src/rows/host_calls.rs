//! Calls from Wasm to the host, net of the loop around them.

use crate::measure::{Goal, Row, Sample, Who, timed};
use crate::rig;
use std::hint::black_box;

const CALLS: &str = r#"(module
    (import "h" "nop" (func $nop)) (import "h" "take" (func $take (param externref)))
    (import "h" "give" (func $give (result externref)))
    (func (export "empty") (param i32) (result i64)
        (loop $l (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))) (i64.const 1))
    (func (export "nop") (param i32) (result i64)
        (loop $l (call $nop) (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))) (i64.const 1))
    (func (export "take") (param i32) (result i64) (local $r externref) (local.set $r (call $give))
        (loop $l (call $take (local.get $r)) (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))) (i64.const 1))
    (func (export "give") (param i32) (result i64)
        (loop $l (drop (call $give)) (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))) (i64.const 1)))"#;

/// The rows.
pub fn rows() -> Vec<Row> {
    [("nop", 1.0), ("take", 0.3), ("give", 0.3)]
        .map(|(name, at_most)| {
            let goal = Goal { at_most, of: &[Who::W1] };
            let mut row = Row::new(format!("wasm to host: {name}"), Some(goal), move || net(name));
            row.max_ops = 1 << 20;
            row
        })
        .into()
}

fn net(name: &'static str) -> Vec<(Who, Sample)> {
    let rigs = rig::load_all(&Who::WASM, CALLS.as_bytes(), &["empty", name], 3);
    let net = |(who, mut rig): (Who, Box<dyn rig::Rig>)| {
        let sample = move |ops: u64| {
            let with = timed(ops, || {
                black_box(rig.run(1, ops as i32));
            });
            let without = timed(ops, || {
                black_box(rig.run(0, ops as i32));
            });
            with - without
        };
        (who, Box::new(sample) as Sample)
    };
    rigs.into_iter().map(net).collect()
}
