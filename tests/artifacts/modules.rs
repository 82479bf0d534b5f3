//! Modules that together have something of everything that an artifact describes.

pub const MODULES: [(&str, &str); 11] = [
    ("empty", "(module)"),
    (
        "imports of every kind",
        r#"(module
            (type $unused (func (param f32 f64 v128) (result funcref externref)))
            (import "a" "f" (func $f (param i32 i64) (result i32)))
            (import "a" "g" (func $g (param externref)))
            (import "a" "t" (table 2 10 funcref))
            (import "a" "u" (table 0 externref))
            (import "b" "m" (memory 1 5))
            (import "b" "n" (memory i64 0))
            (import "b" "c" (global $c i32))
            (import "b" "v" (global (mut i64)))
            (import "b" "r" (global $r externref))
            (global i32 (global.get $c))
            (global externref (global.get $r))
            (table 3 externref)
            (elem (table 0) (i32.const 1) func $f)
            (data (memory 1) (i64.const 0) "")
            (export "f" (func $f)) (export "u" (table 1))
            (func (export "h") (call $g (ref.null extern))
                (drop (call $f (i32.const 1) (i64.const 2)))))"#,
    ),
    (
        "exports of every kind",
        r#"(module
            (func (export "f")) (func (export "ff") (param i32)) (memory (export "m") 1)
            (table (export "t") 1 funcref) (global (export "g") i32 (i32.const -1))
            (export "again" (func 0)) (export "" (global 0)))"#,
    ),
    (
        "elements",
        r#"(module
            (import "b" "at" (global $at i32))
            (table $f 10 20 funcref) (table $x 3 externref) (table $long i64 4 funcref)
            (func $a) (func $b (param i32) (result i32) (local.get 0)) (func $hidden)
            (elem (table $f) (i32.const 2) func $a $b)
            (elem (table $long) (i64.const 1) funcref (ref.null func) (ref.func $b))
            (elem (table $x) (global.get $at) externref (ref.null extern))
            (elem func $a $a $a) (elem declare func $b) (elem funcref (ref.func $a))
            (func (export "call") (param i32) (result i32)
                (call_indirect $f (param i32) (result i32) (local.get 0) (local.get 0)))
            (func (export "init") (table.init $f 3 (i32.const 0) (i32.const 0) (i32.const 1))))"#,
    ),
    (
        "data",
        r#"(module
            (import "b" "at" (global $at i32))
            (memory 1) (memory 0 7) (memory i64 1 2)
            (data (i32.const 0) "first") (data "passive")
            (data (memory 2) (i64.const 1000) "\00\01\02") (data (global.get $at) "at nine")
            (func (export "init") (memory.init 1 (i32.const 0) (i32.const 0) (i32.const 3))
                (memory.copy 0 2 (i32.const 0) (i64.const 0) (i32.const 1))
                (memory.fill (i32.const 0) (i32.const 1) (i32.const 2))))"#,
    ),
    (
        "constant expressions",
        r#"(module
            (import "b" "c" (global $c i32))
            (func $f)
            (global i32 (i32.add (i32.mul (global.get $c) (i32.const -3)) (i32.sub (i32.const 5) (i32.const 2147483647))))
            (global i64 (i64.add (i64.mul (i64.const 1) (i64.const -9223372036854775808)) (i64.sub (i64.const 5) (i64.const 6))))
            (global f32 (f32.const nan)) (global (mut f64) (f64.const -0x1p-1022))
            (global v128 (v128.const i64x2 1 0xffffffffffffffff))
            (global funcref (ref.func $f)) (global (mut externref) (ref.null extern)))"#,
    ),
    (
        "start",
        r#"(module (memory 1) (func $s (i32.store (i32.const 0) (i32.const 1))) (start $s))"#,
    ),
    (
        "references over calls",
        r#"(module
            (import "h" "make" (func $make (result externref)))
            (import "h" "see" (func $see (param externref)))
            (func $two (export "two") (param externref) (result externref)
                (local externref)
                (local.set 1 (call $make))
                (call $see (local.get 0)) (call $see (local.get 1)) (call $see (local.get 0))
                (local.get 1))
            (func (export "many") (param externref externref externref)
                (drop (call $two (local.get 0)))
                (call $see (local.get 1)) (call $see (local.get 2)) (call $see (local.get 0))))"#,
    ),
    (
        "checks",
        r#"(module (memory 1) (table 4 funcref)
            (func (export "f") (param i32 i32) (result i32)
                (i32.store (local.get 0) (i32.div_s (local.get 0) (local.get 1)))
                (drop (i32.load8_u offset=3 (i32.load offset=70000 (local.get 1))))
                (drop (table.get 0 (local.get 0)))
                (if (i32.eqz (local.get 0)) (then unreachable))
                (i32.rem_u (local.get 0) (i32.trunc_f32_s (f32.load (local.get 0)))))
            (func (export "g") (param i32) (result i32)
                (drop (memory.grow (local.get 0)))
                (i32.add (i32.load (local.get 0)) (i32.add (i32.load offset=8 (local.get 0))
                    (i32.add (i32.load16_s (i32.const 65535)) (i32.load offset=99999 (local.get 0)))))))"#,
    ),
    (
        "names",
        r#"(module $module-name
            (func $first) (func) (func $"third-ö-漢" (param $x i32)) (func $"ö-fourth") (export "x" (func 1)))"#,
    ),
    (
        "many types",
        r#"(module
            (type $a (func)) (type $b (func)) (type $c (func (param i32 i32 f64) (result i64 i32)))
            (import "h" "a" (func (type $b)))
            (func (export "a") (type $a)) (func (export "b") (type $b))
            (func $c (type $c) (i64.const 1) (i32.const 2)) (table funcref (elem $c))
            (func (export "t") (result i64 i32)
                (return_call_indirect (type $c) (i32.const 1) (i32.const 2) (f64.const 3) (i32.const 0))))"#,
    ),
];
