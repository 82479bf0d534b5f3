//! Small modules of each kind, and some that are refused.

use super::wasm::{I32, one, times};

/// Names and texts.
pub const SMALL: &[(&str, &str)] = &[
    (
        "arithmetic, loops and calls",
        "(module (func $g (param i32) (result i32) (i32.mul (local.get 0) (i32.const 3)))
           (func (export \"f\") (param i32) (result i32) (local i32)
             (loop (local.set 1 (i32.add (local.get 1) (call $g (local.get 0))))
               (br_if 0 (i32.lt_s (local.get 1) (i32.const 1000))))
             (i32.div_s (local.get 1) (local.get 0))))",
    ),
    (
        "memories and data",
        "(module (memory (export \"m\") 1 4) (data (i32.const 8) \"some bytes\") (data \"passive\")
           (func (export \"f\") (param i32) (result i64)
             (memory.init 1 (i32.const 0) (i32.const 0) (i32.const 4))
             (memory.copy (i32.const 16) (local.get 0) (i32.const 9))
             (i64.store offset=8 (local.get 0) (i64.const 7))
             (i64.load (memory.grow (local.get 0)))))",
    ),
    (
        "tables, elements and indirect calls",
        "(module (type $t (func (param i32) (result i32)))
           (table $t 3 8 funcref) (table $x 2 externref)
           (elem (i32.const 0) $a $b) (elem func $a) (elem declare func $b)
           (elem $e externref (ref.null extern))
           (func $a (type $t) (local.get 0))
           (func $b (type $t) (return_call_indirect $t (type $t) (local.get 0) (i32.const 0)))
           (func (export \"f\") (param i32 externref) (result i32)
             (table.set $x (i32.const 1) (local.get 1))
             (table.init $x $e (i32.const 0) (i32.const 0) (i32.const 1))
             (call_indirect $t (type $t) (local.get 0) (table.size $x))))",
    ),
    (
        "imports, globals, references and a start",
        "(module $named (import \"host\" \"take\" (func $take (param externref) (result externref)))
           (import \"host\" \"g\" (global $i i32)) (import \"host\" \"m\" (memory 1))
           (global $r (mut externref) (ref.null extern))
           (global $sum i32 (i32.add (i32.const 1) (global.get $i)))
           (start $start)
           (func $start (global.set $r (call $take (global.get $r))))
           (func (export \"f\") (export \"g\") (param $p externref) (result externref)
             (drop (call $take (global.get $r)))
             (select (result externref) (call $take (local.get $p)) (local.get $p)
               (global.get $sum))))",
    ),
    (
        "vectors, floats and results",
        "(module (func $h (param f64) (result f64 i32 v128)
             (f64.sqrt (local.get 0)) (i32.trunc_f64_s (local.get 0))
             (f32x4.splat (f32.demote_f64 (local.get 0))))
           (func (export \"f\") (param f64) (result i32)
             (call $h (local.get 0)) (i32x4.extract_lane 1) (i32.add)
             (br_table 0 0 (i32.const 0)) unreachable))",
    ),
];

/// Modules that are malformed, need what is missing, or are too much.
pub fn refused() -> Vec<Vec<u8>> {
    let text = |text| wat::parse_str(text).unwrap();
    vec![
        b"\0asm\x01\0\0".to_vec(),
        text("(module (func (result i32) (f32.const 0)))"),
        text("(module (func (i64.const 0) drop (local.set 7 (i32.const 0))))"),
        text("(module (type (struct (field i32))) (tag))"),
        text("(module (memory 1 1 shared))"),
        one(60_000, &times(10, &[I32])),
    ]
}
