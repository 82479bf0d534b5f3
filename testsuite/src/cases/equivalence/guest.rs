//! The program interpreter, in Wasm. Two instances share a program, a table of
//! references, and a table with both their functions; each has its own copy of
//! everything else.

use alloc::format;
use alloc::string::String;

/// Runs the operations between two addresses. An operation is four bytes:
/// opcode, a local `a`, and operands `b` and `c`. `ARMS` stands for the code of
/// the operations.
const INTERPRETER: &str = r#"(module
    (import "h" "make" (func $make (result externref)))
    (import "h" "probe" (func $probe (param i32 externref externref externref externref)))
    (import "h" "nest" (func $nest (param i32 i32 i32 i32 externref) (result externref)))
    (import "h" "lend" (func $lend (param i32 i32 i32 i32 externref) (result externref)))
    (import "h" "gc" (func $gc))
    (import "h" "step" (func $step (param i32)))
    (import "h" "set" (func $set (param i32 externref)))
    (import "h" "get" (func $get (param i32) (result externref)))
    (import "h" "root" (func $root (param i32 externref)))
    (import "h" "rooted" (func $rooted (param i32) (result externref)))
    (import "h" "seed" (global $seed externref))
    SHARED
    (table $grown (export "grown") 0 12 externref)
    (elem $segment externref (global.get $seed) (ref.null extern))
    (elem (table $f) (i32.const ME) func $run)
    (export "t" (table $t))
    (export "f" (table $f))
    (global $g0 (mut externref) (ref.null extern))
    (global $g1 (mut externref) (ref.null extern))
    (global $dropped (mut i32) (i32.const 0))
    (type $run (func (param i32 i32 externref) (result externref)))
    (func $pick (param $at i32) (param externref externref externref externref) (result externref)
        (select (result externref)
            (select (result externref) (local.get 4) (local.get 3)
                (i32.and (local.get $at) (i32.const 1)))
            (select (result externref) (local.get 2) (local.get 1)
                (i32.and (local.get $at) (i32.const 1)))
            (i32.and (local.get $at) (i32.const 2))))
    (func $min (param i32 i32) (result i32)
        (select (local.get 0) (local.get 1) (i32.lt_u (local.get 0) (local.get 1))))
    (func $run (export "run") (type $run) (param $at i32) (param $end i32) (param $l0 externref)
        (result externref)
        (local $l1 externref) (local $l2 externref) (local $l3 externref) (local $v externref)
        (local $op i32) (local $a i32) (local $b i32) (local $c i32) (local $to i32)
        (block $done (loop $next
            (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
            (local.set $op (i32.load8_u (local.get $at)))
            (local.set $a (i32.load8_u offset=1 (local.get $at)))
            (local.set $b (i32.load8_u offset=2 (local.get $at)))
            (local.set $c (i32.load8_u offset=3 (local.get $at)))
            (local.set $at (i32.add (local.get $at) (i32.const 4)))
            ;; A called frame ends no later than this one.
            (local.set $to (call $min (local.get $end)
                (i32.add (local.get $at) (i32.mul (local.get $c) (i32.const 4)))))
            (local.set $v (call $pick (local.get $a)
                (local.get $l0) (local.get $l1) (local.get $l2) (local.get $l3)))
            (local.set $v (block $result (result externref) ARMS))
            (block $3 (block $2 (block $1 (block $0
                (br_table $0 $1 $2 $3 (local.get $a)))
                (local.set $l0 (local.get $v)) (br $next))
                (local.set $l1 (local.get $v)) (br $next))
                (local.set $l2 (local.get $v)) (br $next))
            (local.set $l3 (local.get $v))
            (br $next)))
        (local.get $l1)))"#;

/// What the first instance defines and the second imports from it.
const SHARED: [&str; 2] = [
    r#"(memory (export "program") 1) (table $t 8 externref) (table $f 2 funcref)"#,
    r#"(import "a" "program" (memory 1)) (import "a" "t" (table $t 8 externref))
    (import "a" "f" (table $f 2 funcref))"#,
];

/// The local that `b` names.
const LOCAL_B: &str = "(call $pick (local.get $b)
    (local.get $l0) (local.get $l1) (local.get $l2) (local.get $l3))";

/// The code of each operation of [`super::model::Op`], in that order. `$v` is
/// the value of local `a`; a branch to `$result` sets its new value. The other
/// instance is `1 - ME`.
const ARMS: [&str; 26] = [
    "(br $result (call $make))",
    "(br $result LOCAL_B)",
    "(br $result (ref.null extern))",
    "(br $result (table.get $t (i32.and (local.get $b) (i32.const 7))))",
    "(table.set $t (i32.and (local.get $b) (i32.const 7)) (local.get $v)) (br $next)",
    "(table.fill $t (local.get $b) (local.get $v) (i32.and (local.get $c) (i32.const 3)))
        (br $next)",
    "(table.copy $t $t (local.get $a) (local.get $b) (i32.and (local.get $c) (i32.const 3)))
        (br $next)",
    "(if (i32.and (local.get $b) (i32.const 1))
        (then (global.set $g1 (local.get $v))) (else (global.set $g0 (local.get $v))))
        (br $next)",
    "(br $result (if (result externref) (i32.and (local.get $b) (i32.const 1))
        (then (global.get $g1)) (else (global.get $g0))))",
    "(drop (table.grow $grown (local.get $v)
        (i32.add (i32.and (local.get $b) (i32.const 1)) (i32.const 1)))) (br $next)",
    "(br $result (if (result externref) (table.size $grown)
        (then (table.get $grown (i32.rem_u (local.get $b) (table.size $grown))))
        (else (ref.null extern))))",
    "(if (table.size $grown) (then
        (table.set $grown (i32.rem_u (local.get $b) (table.size $grown)) (local.get $v))))
        (br $next)",
    "(call $run (local.get $at) (local.get $to) LOCAL_B)
        (local.set $at (local.get $to)) (br $result)",
    "(call_indirect $f (type $run) (local.get $at) (local.get $to) LOCAL_B
        (i32.const OTHER))
        (local.set $at (local.get $to)) (br $result)",
    "(if (result externref) (i32.and (local.get $b) (i32.const 0x40))
        (then (call $nest (i32.and (local.get $b) (i32.const 0x80)) CALLEE
            (local.get $at) (local.get $to) LOCAL_B))
        (else (call $lend (i32.and (local.get $b) (i32.const 0x80)) CALLEE
            (local.get $at) (local.get $to) LOCAL_B)))
        (local.set $at (local.get $to)) (br $result)",
    "(call $probe (local.get $b)
        (local.get $l0) (local.get $l1) (local.get $l2) (local.get $l3)) (br $next)",
    "(call $gc) (br $next)",
    "(call $step (i32.and (local.get $b) (i32.const 7))) (br $next)",
    "(call $set (i32.and (local.get $b) (i32.const 7)) (local.get $v)) (br $next)",
    "(br $result (call $get (i32.and (local.get $b) (i32.const 7))))",
    "(call $root (i32.and (local.get $b) (i32.const 3)) (local.get $v)) (br $next)",
    "(br $result (call $rooted (i32.and (local.get $b) (i32.const 3))))",
    "(table.init $t $segment (local.get $b) (i32.const 0)
        (select (i32.const 0) (i32.const 2) (global.get $dropped))) (br $next)",
    "(elem.drop $segment) (global.set $dropped (i32.const 1)) (br $next)",
    "(return (local.get $v))",
    "(unreachable)",
];

/// The instance the host calls: the other one if `b` says so.
const CALLEE: &str = "(select (i32.const OTHER) (i32.const ME)
    (i32.and (local.get $b) (i32.const 0x20)))";

/// The text of instance 0 or 1.
pub fn interpreter(me: usize) -> String {
    let labels: String = (0..ARMS.len()).map(|at| format!("$op{at} ")).collect();
    let dispatch = format!("(br_table {labels} (local.get $op))");
    let arms = ARMS.iter().enumerate().fold(dispatch, |inner, (at, arm)| {
        let arm = arm.replace("LOCAL_B", LOCAL_B).replace("CALLEE", CALLEE);
        format!("(block $op{at} {inner}) {arm}")
    });
    INTERPRETER
        .replace("SHARED", SHARED[me])
        .replace("ARMS", &arms)
        .replace("ME", &format!("{me}"))
        .replace("OTHER", &format!("{}", 1 - me))
}
