//! Float operators.

use super::{F32, F64, I32, I64, NAN32, NAN64, Op, check};
use crate::support::{Setup, linked};
use kernref::{Linker, ValType};

/// Zeros, subnormals, integers and halves of both signs, limits of integer
/// types, infinities, quiet and signaling NaNs.
const EDGES32: &[u64] = &[
    0x0000_0000,
    0x8000_0000,
    0x0000_0001,
    0x8000_0001,
    0x007f_ffff,
    0x0080_0000,
    0x3f00_0000,
    0xbf00_0000,
    0x3f7f_ffff,
    0xbf7f_ffff,
    0x3f80_0000,
    0xbf80_0000,
    0x3fc0_0000,
    0xbfc0_0000,
    0x4020_0000,
    0x4b00_0000,
    0x4b00_0001,
    0x4eff_ffff,
    0x4f00_0000,
    0xcf00_0000,
    0xcf00_0001,
    0x4f7f_ffff,
    0x4f80_0000,
    0x5eff_ffff,
    0x5f00_0000,
    0xdf00_0000,
    0xdf00_0001,
    0x5f7f_ffff,
    0x5f80_0000,
    0x7f7f_ffff,
    0xff7f_ffff,
    0x7f80_0000,
    0xff80_0000,
    0x7fc0_0000,
    0xffc0_0000,
    0x7f80_0001,
    0xffa1_2345,
    0x7fff_ffff,
];

const EDGES64: &[u64] = &[
    0x0000_0000_0000_0000,
    0x8000_0000_0000_0000,
    0x0000_0000_0000_0001,
    0x800f_ffff_ffff_ffff,
    0x3fe0_0000_0000_0000,
    0xbfe0_0000_0000_0000,
    0x3fef_ffff_ffff_ffff,
    0xbfef_ffff_ffff_ffff,
    0x3ff0_0000_0000_0000,
    0xbff0_0000_0000_0000,
    0x3ff8_0000_0000_0000,
    0xc004_0000_0000_0000,
    0x4330_0000_0000_0001,
    0x36a0_0000_0000_0000,
    0x369f_ffff_ffff_ffff,
    0x47ef_ffff_e000_0000,
    0x47ef_ffff_f000_0000,
    0x41df_ffff_ffc0_0000,
    0x41df_ffff_ffff_ffff,
    0x41e0_0000_0000_0000,
    0xc1e0_0000_0000_0000,
    0xc1e0_0000_001f_ffff,
    0xc1e0_0000_0020_0000,
    0x41ef_ffff_ffe0_0000,
    0x41f0_0000_0000_0000,
    0x43df_ffff_ffff_ffff,
    0x43e0_0000_0000_0000,
    0xc3e0_0000_0000_0000,
    0xc3e0_0000_0000_0001,
    0x43ef_ffff_ffff_ffff,
    0x43f0_0000_0000_0000,
    0x7fef_ffff_ffff_ffff,
    0x7ff0_0000_0000_0000,
    0xfff0_0000_0000_0000,
    0x7ff8_0000_0000_0000,
    0xfff8_0000_0000_0000,
    0x7ff0_0000_0000_0001,
    0xfff4_1234_5678_9abc,
];

const INTEGERS32: &[u64] = &[
    0,
    1,
    0x00ff_ffff,
    0x0100_0000,
    0x0100_0001,
    0x0100_0002,
    0x0100_0003,
    0x7fff_ffbf,
    0x7fff_ffc0,
    0x7fff_ffff,
    0x8000_0000,
    0x8000_0080,
    0xffff_ff7f,
    0xffff_ff80,
    0xffff_ffff,
];

const INTEGERS64: &[u64] = &[
    0,
    1,
    0x0100_0001,
    0x0100_0003,
    0x001f_ffff_ffff_ffff,
    0x0020_0000_0000_0001,
    0x0020_0000_0000_0003,
    0x7fff_ff40_0000_0001,
    0x7fff_ffff_ffff_fdff,
    0x7fff_ffff_ffff_fe00,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    0x8000_0000_0000_0400,
    0x8000_0080_0000_0001,
    0xffff_ff7f_ffff_ffff,
    0xffff_ffff_ffff_fbff,
    0xffff_ffff_ffff_fc00,
    0xffff_ffff_ffff_ffff,
];

pub(super) fn edges(ty: ValType) -> &'static [u64] {
    match ty {
        ValType::F32 => EDGES32,
        ValType::F64 => EDGES64,
        ValType::I32 => INTEGERS32,
        _ => INTEGERS64,
    }
}

pub(super) fn f32(bits: u64) -> f32 {
    f32::from_bits(bits as u32)
}

pub(super) fn f64(bits: u64) -> f64 {
    f64::from_bits(bits)
}

/// Bits of a result; NaNs become canonical, which stands for any quiet NaN.
pub(super) fn of32(value: f32) -> u64 {
    if value.is_nan() { NAN32 } else { value.to_bits().into() }
}

pub(super) fn of64(value: f64) -> u64 {
    if value.is_nan() { NAN64 } else { value.to_bits() }
}

/// The minimum, with NaNs and signed zeros as Wasm defines them.
fn least(a: f64, b: f64) -> f64 {
    match a.partial_cmp(&b) {
        None => f64::NAN,
        Some(core::cmp::Ordering::Less) => a,
        Some(core::cmp::Ordering::Greater) => b,
        Some(core::cmp::Ordering::Equal) => {
            if a.is_sign_negative() {
                a
            } else {
                b
            }
        }
    }
}

fn greatest(a: f64, b: f64) -> f64 {
    -least(-a, -b)
}

macro_rules! arithmetic {
    ($prefix:literal, $ty:ident, $from:ident, $to:ident, $rust:ty) => {
        &[
            arithmetic!(@2 $prefix, "add", $ty, $ty, $from, |a, b| $to(a + b)),
            arithmetic!(@2 $prefix, "sub", $ty, $ty, $from, |a, b| $to(a - b)),
            arithmetic!(@2 $prefix, "mul", $ty, $ty, $from, |a, b| $to(a * b)),
            arithmetic!(@2 $prefix, "div", $ty, $ty, $from, |a, b| $to(a / b)),
            arithmetic!(@2 $prefix, "min", $ty, $ty, $from, |a, b| $to(
                least(f64::from(a), f64::from(b)) as $rust
            )),
            arithmetic!(@2 $prefix, "max", $ty, $ty, $from, |a, b| $to(
                greatest(f64::from(a), f64::from(b)) as $rust
            )),
            arithmetic!(@2 $prefix, "eq", $ty, I32, $from, |a, b| u64::from(a == b)),
            arithmetic!(@2 $prefix, "ne", $ty, I32, $from, |a, b| u64::from(a != b)),
            arithmetic!(@2 $prefix, "lt", $ty, I32, $from, |a, b| u64::from(a < b)),
            arithmetic!(@2 $prefix, "le", $ty, I32, $from, |a, b| u64::from(a <= b)),
            arithmetic!(@2 $prefix, "gt", $ty, I32, $from, |a, b| u64::from(a > b)),
            arithmetic!(@2 $prefix, "ge", $ty, I32, $from, |a, b| u64::from(a >= b)),
        ]
    };
    (@2 $prefix:literal, $name:literal, $ty:ident, $result:ident, $from:ident,
        |$a:ident, $b:ident| $model:expr) => {
        Op {
            name: concat!($prefix, $name),
            params: &[$ty, $ty],
            result: $result,
            model: |a, b| {
                let ($a, $b) = ($from(a), $from(b));
                Ok($model)
            },
        }
    };
}

const ARITHMETIC32: &[Op] = arithmetic!("f32.", F32, f32, of32, f32);
const ARITHMETIC64: &[Op] = arithmetic!("f64.", F64, f64, of64, f64);

pub fn float_arithmetic_and_comparisons(setup: Setup) {
    check(setup, ARITHMETIC32, true, edges);
    check(setup, ARITHMETIC64, true, edges);
}

const SIGN32: u64 = 1 << 31;
const SIGN64: u64 = 1 << 63;

/// These change at most the sign, even of NaNs; reinterpretation changes nothing.
const KEEPING: &[Op] = &[
    Op { name: "f32.abs", params: &[F32], result: F32, model: |a, _| Ok(a & !SIGN32) },
    Op { name: "f32.neg", params: &[F32], result: F32, model: |a, _| Ok(a ^ SIGN32) },
    Op {
        name: "f32.copysign",
        params: &[F32, F32],
        result: F32,
        model: |a, b| Ok(a & !SIGN32 | b & SIGN32),
    },
    Op { name: "f64.abs", params: &[F64], result: F64, model: |a, _| Ok(a & !SIGN64) },
    Op { name: "f64.neg", params: &[F64], result: F64, model: |a, _| Ok(a ^ SIGN64) },
    Op {
        name: "f64.copysign",
        params: &[F64, F64],
        result: F64,
        model: |a, b| Ok(a & !SIGN64 | b & SIGN64),
    },
    Op { name: "i32.reinterpret_f32", params: &[F32], result: I32, model: |a, _| Ok(a) },
    Op { name: "i64.reinterpret_f64", params: &[F64], result: I64, model: |a, _| Ok(a) },
    Op { name: "f32.reinterpret_i32", params: &[I32], result: F32, model: |a, _| Ok(a) },
    Op { name: "f64.reinterpret_i64", params: &[I64], result: F64, model: |a, _| Ok(a) },
];

pub fn float_operators_that_keep_bits(setup: Setup) {
    check(setup, KEEPING, false, edges);
}

/// Rounds using the spacing of floats near 2^52: adding and subtracting that
/// number leaves the nearest integer, ties to even.
fn nearest(a: f64) -> f64 {
    const UNIT: f64 = 4_503_599_627_370_496.0;
    if a.is_nan() || a.abs() >= UNIT {
        return a;
    }
    let rounded = if a.is_sign_negative() { (a - UNIT) + UNIT } else { (a + UNIT) - UNIT };
    rounded.copysign(a)
}

fn truncated(a: f64) -> f64 {
    let near = nearest(a);
    let cut = if near.abs() > a.abs() { near.abs() - 1.0 } else { near.abs() };
    cut.copysign(a)
}

fn floored(a: f64) -> f64 {
    let near = nearest(a);
    (if near > a { near - 1.0 } else { near }).copysign(a)
}

fn ceiled(a: f64) -> f64 {
    -floored(-a)
}

macro_rules! roundings {
    ($prefix:literal, $ty:ident, $from:ident, $to:ident, $rust:ty) => {
        &[
            roundings!(@ $prefix, "nearest", $ty, |a| $to(nearest($from(a).into()) as $rust)),
            roundings!(@ $prefix, "trunc", $ty, |a| $to(truncated($from(a).into()) as $rust)),
            roundings!(@ $prefix, "floor", $ty, |a| $to(floored($from(a).into()) as $rust)),
            roundings!(@ $prefix, "ceil", $ty, |a| $to(ceiled($from(a).into()) as $rust)),
        ]
    };
    (@ $prefix:literal, $name:literal, $ty:ident, |$a:ident| $model:expr) => {
        Op {
            name: concat!($prefix, $name),
            params: &[$ty],
            result: $ty,
            model: |$a, _| Ok($model),
        }
    };
}

const ROUNDING32: &[Op] = roundings!("f32.", F32, f32, of32, f32);
const ROUNDING64: &[Op] = roundings!("f64.", F64, f64, of64, f64);

/// Square roots, checked only on values that are their own.
const ROOTS: &[Op] = &[
    Op { name: "f64.sqrt", params: &[F64], result: F64, model: |a, _| Ok(a) },
    Op { name: "f32.sqrt", params: &[F32], result: F32, model: |a, _| Ok(a) },
];

pub fn rounding(setup: Setup) {
    check(setup, ROUNDING32, true, edges);
    check(setup, ROUNDING64, true, edges);
    // Values that are their own square roots.
    let fixed = |ty| match ty {
        ValType::F32 => &[0, SIGN32, 0x3f80_0000, 0x7f80_0000, NAN32][..],
        _ => &[0, SIGN64, 0x3ff0_0000_0000_0000, 0x7ff0_0000_0000_0000, NAN64][..],
    };
    check(setup, ROOTS, true, fixed);
}

pub fn floats_cross_unchanged(setup: Setup) {
    // From the host to Wasm, on to a host function, and all the way back.
    setup.each_engine(|engine| {
        let mut linker = Linker::<()>::new(engine);
        let swap = |a: f32, b: f64| (b, a);
        linker.func_wrap("h", "swap", swap).unwrap();
        linker.func_wrap("h", "bits", |a: u32, b: u64| (a, b)).unwrap();
        let (mut store, instance) = linked(
            &linker,
            (),
            r#"(module
                (import "h" "swap" (func $swap (param f32 f64) (result f64 f32)))
                (import "h" "bits" (func $bits (param i32 i64) (result i32 i64)))
                (global $f (mut f32) (f32.const 0)) (global $d (mut f64) (f64.const 0))
                (func (export "floats") (param f32 f64) (result f64 f32)
                    (global.set $f (local.get 0)) (global.set $d (local.get 1))
                    (call $swap (global.get $f) (global.get $d)))
                (func (export "mixed") (param f32 f64) (result i32 i64)
                    (call $bits (i32.reinterpret_f32 (local.get 0))
                        (i64.reinterpret_f64 (local.get 1)))))"#,
        );
        let floats = instance.get_typed_func::<(f32, f64), (f64, f32)>(&mut store, "floats");
        let mixed = instance.get_typed_func::<(f32, f64), (u32, u64)>(&mut store, "mixed");
        let (floats, mixed) = (floats.unwrap(), mixed.unwrap());
        for (a, b) in EDGES32.iter().zip(EDGES64) {
            let (d, f) = floats.call(&mut store, (f32(*a), f64(*b))).unwrap();
            assert_eq!((u64::from(f.to_bits()), d.to_bits()), (*a, *b), "{a:x} {b:x}");
            let (f, d) = mixed.call(&mut store, (f32(*a), f64(*b))).unwrap();
            assert_eq!((u64::from(f), d), (*a, *b), "{a:x} {b:x}");
        }
    });
}
