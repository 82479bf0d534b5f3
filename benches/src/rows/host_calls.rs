//! Calls from Wasm to the host, net of the loop around them.

use super::floors;
use super::net::{self, Loops};
use crate::measure::{Goal, Row, Who};

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
    [
        ("wasm to host: empty", "nop", 1.0),
        ("wasm to host: passing one externref", "take", 0.3),
        ("wasm to host: returning one externref", "give", 0.3),
    ]
    .map(|(name, with, at_most)| {
        let goal = Goal { at_most, of: &[Who::W1] };
        let mut row = Row::new(name, Some(goal), move || {
            let loops = Loops { with, without: "empty", base: with };
            let mut contenders = net::samples(&Who::WASM, CALLS, loops, 1);
            contenders.push((Who::Floor, floors::call_out()));
            contenders
        });
        // wasmi keeps each reference that it is given.
        row.max_ops = 1 << 20;
        row
    })
    .into()
}
