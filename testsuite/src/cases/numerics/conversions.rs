//! Conversions between floats and integers, and between floats.

use super::floats::{edges, f32, f64, of32, of64};
use super::{F32, F64, I32, I64, Op, Outcome, check};
use crate::support::Setup;
use kernref::Trap;

/// A conversion to an integer, which traps unless `low < value < high`.
fn truncating(value: f64, low: f64, high: f64, converted: u64) -> Outcome {
    if value.is_nan() {
        return Err(Trap::BadConversionToInteger);
    }
    if value > low && value < high { Ok(converted) } else { Err(Trap::IntegerOverflow) }
}

/// The greatest f64 below −2^63: anything above it truncates to an i64.
const BELOW_I64: f64 = -9_223_372_036_854_777_856.0;
const TWO_63: f64 = 9_223_372_036_854_775_808.0;
const TWO_64: f64 = 18_446_744_073_709_551_616.0;
const BELOW_I32: f64 = -2_147_483_649.0;

macro_rules! to_integers {
    ($float:literal, $ty:ident, $from:ident) => {
        &[
            to_integers!(@ "i32", $float, "s", $ty, I32, $from, BELOW_I32, 2_147_483_648.0, i32, u32),
            to_integers!(@ "i32", $float, "u", $ty, I32, $from, -1.0, 4_294_967_296.0, u32, u32),
            to_integers!(@ "i64", $float, "s", $ty, I64, $from, BELOW_I64, TWO_63, i64, u64),
            to_integers!(@ "i64", $float, "u", $ty, I64, $from, -1.0, TWO_64, u64, u64),
            to_integers!(@sat "i32", $float, "s", $ty, I32, $from, i32, u32),
            to_integers!(@sat "i32", $float, "u", $ty, I32, $from, u32, u32),
            to_integers!(@sat "i64", $float, "s", $ty, I64, $from, i64, u64),
            to_integers!(@sat "i64", $float, "u", $ty, I64, $from, u64, u64),
        ]
    };
    (@ $to:literal, $float:literal, $sign:literal, $ty:ident, $result:ident, $from:ident,
        $low:expr, $high:expr, $int:ty, $bits:ty) => {
        Op {
            name: concat!($to, ".trunc_", $float, "_", $sign),
            params: &[$ty],
            result: $result,
            model: |a, _| {
                let value = f64::from($from(a));
                truncating(value, $low, $high, u64::from(value as $int as $bits))
            },
        }
    };
    (@sat $to:literal, $float:literal, $sign:literal, $ty:ident, $result:ident, $from:ident,
        $int:ty, $bits:ty) => {
        Op {
            name: concat!($to, ".trunc_sat_", $float, "_", $sign),
            params: &[$ty],
            result: $result,
            model: |a, _| Ok(u64::from($from(a) as $int as $bits)),
        }
    };
}

const FROM_F32: &[Op] = to_integers!("f32", F32, f32);
const FROM_F64: &[Op] = to_integers!("f64", F64, f64);

macro_rules! to_floats {
    ($($name:literal, $from:ident, $to:ident, |$a:ident| $model:expr;)*) => {
        &[$(Op { name: $name, params: &[$from], result: $to, model: |$a, _| Ok($model) },)*]
    };
}

const TO_FLOATS: &[Op] = to_floats! {
    "f32.convert_i32_s", I32, F32, |a| of32(a as u32 as i32 as f32);
    "f32.convert_i32_u", I32, F32, |a| of32(a as u32 as f32);
    "f32.convert_i64_s", I64, F32, |a| of32(a as i64 as f32);
    "f32.convert_i64_u", I64, F32, |a| of32(a as f32);
    "f64.convert_i32_s", I32, F64, |a| of64((a as u32 as i32).into());
    "f64.convert_i32_u", I32, F64, |a| of64((a as u32).into());
    "f64.convert_i64_s", I64, F64, |a| of64(a as i64 as f64);
    "f64.convert_i64_u", I64, F64, |a| of64(a as f64);
    "f32.demote_f64", F64, F32, |a| of32(f64(a) as f32);
    "f64.promote_f32", F32, F64, |a| of64(f32(a).into());
};

pub fn conversions_between_floats_and_integers(setup: Setup) {
    check(setup, FROM_F32, false, edges);
    check(setup, FROM_F64, false, edges);
    check(setup, TO_FLOATS, true, edges);
}
