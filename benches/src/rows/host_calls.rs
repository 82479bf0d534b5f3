//! Calls from Wasm to the host, net of the loop around them.
//!
//! Returning: the object is already in the store. Kernref's function returns a
//! handle to a root that the host keeps there; Wasmtime's returns a `Rooted`
//! that lives as long as the store, its cheapest kind; wasmi's returns a copy
//! of its index. Owned: Kernref's function returns a clone of an `ExternRef`,
//! which gets its own slot and goes when a collection finds it dead; Wasmtime's
//! returns a clone of an `OwnedRooted`.

use super::floors;
use super::net::{self, Loops};
use crate::measure::{Goal, Row, Who};

const CALLS: &str = r#"(module
    (import "h" "nop" (func $nop)) (import "h" "take" (func $take (param externref)))
    (import "h" "give" (func $give (result externref)))
    (import "h" "lend" (func $lend (result externref)))
    (func (export "empty") (param i32) (result i64)
        (loop $l (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))) (i64.const 1))
    (func (export "nop") (param i32) (result i64)
        (loop $l (call $nop) (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))) (i64.const 1))
    (func (export "take") (param i32) (result i64) (local $r externref) (local.set $r (call $give))
        (loop $l (call $take (local.get $r)) (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))) (i64.const 1))
    (func (export "lend") (param i32) (result i64)
        (loop $l (drop (call $lend)) (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))) (i64.const 1))
    (func (export "give") (param i32) (result i64)
        (loop $l (drop (call $give)) (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))) (i64.const 1)))"#;

/// The rows.
pub fn rows() -> Vec<Row> {
    [
        ("wasm to host: empty", "nop", Some(1.0)),
        ("wasm to host: passing one externref", "take", Some(0.3)),
        ("wasm to host: returning one externref", "lend", Some(0.3)),
        ("wasm to host: returning one externref, owned", "give", None),
    ]
    .map(|(name, with, at_most)| {
        let goal = at_most.map(|at_most| Goal { at_most, of: &[Who::W1] });
        let mut row = Row::new(name, goal, move || {
            let loops = Loops { with, without: "empty", base: with };
            // wasmi has only one kind of handle.
            let who: &[Who] = if with == "give" { &Who::COUNTED } else { &Who::WASM };
            let mut contenders = net::samples(who, CALLS, loops, 1);
            contenders.push((Who::Floor, floors::call_out()));
            contenders
        });
        // wasmi keeps every reference it is given.
        row.max_ops = 1 << 20;
        row
    })
    .into()
}
