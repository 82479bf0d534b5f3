//! Integer operators.

use super::{I32, I64, Op, Outcome, check};
use crate::support::Setup;
use kernref::{Trap, ValType};

const EDGES32: &[u64] = &[
    0,
    1,
    2,
    3,
    7,
    31,
    32,
    33,
    63,
    64,
    127,
    128,
    255,
    256,
    0x7fff,
    0x8000,
    0xffff,
    0x1_0000,
    0x1234_5678,
    0x5555_5555,
    0x7fff_fffe,
    0x7fff_ffff,
    0x8000_0000,
    0x8000_0001,
    0xaaaa_aaaa,
    0xffff_ff80,
    0xffff_fffe,
    0xffff_ffff,
];

const EDGES64: &[u64] = &[
    0,
    1,
    2,
    3,
    31,
    32,
    33,
    63,
    64,
    65,
    127,
    128,
    255,
    0x8000,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x1_0000_0000,
    0x1234_5678_9abc_def0,
    0x5555_5555_5555_5555,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    0x8000_0000_0000_0001,
    0xaaaa_aaaa_aaaa_aaaa,
    0xffff_ffff_0000_0000,
    0xffff_ffff_8000_0000,
    0xffff_ffff_ffff_fffe,
    0xffff_ffff_ffff_ffff,
];

fn edges(ty: ValType) -> &'static [u64] {
    if ty == I32 { EDGES32 } else { EDGES64 }
}

/// Operators of both widths; `$prefix` is the name's first part.
macro_rules! operators {
    ($prefix:literal, $ty:ident, $unsigned:ty, $signed:ty) => {
        &[
            operators!(@2 $prefix, "add", $ty, $unsigned, |a, b| Ok(a.wrapping_add(b).into())),
            operators!(@2 $prefix, "sub", $ty, $unsigned, |a, b| Ok(a.wrapping_sub(b).into())),
            operators!(@2 $prefix, "mul", $ty, $unsigned, |a, b| Ok(a.wrapping_mul(b).into())),
            operators!(@2 $prefix, "and", $ty, $unsigned, |a, b| Ok((a & b).into())),
            operators!(@2 $prefix, "or", $ty, $unsigned, |a, b| Ok((a | b).into())),
            operators!(@2 $prefix, "xor", $ty, $unsigned, |a, b| Ok((a ^ b).into())),
            operators!(@2 $prefix, "div_u", $ty, $unsigned, |a, b| a
                .checked_div(b).map(u64::from).ok_or(Trap::IntegerDivisionByZero)),
            operators!(@2 $prefix, "rem_u", $ty, $unsigned, |a, b| a
                .checked_rem(b).map(u64::from).ok_or(Trap::IntegerDivisionByZero)),
            operators!(@2 $prefix, "div_s", $ty, $unsigned, |a, b| match b {
                0 => Err(Trap::IntegerDivisionByZero),
                _ => (a as $signed)
                    .checked_div(b as $signed)
                    .map(|value| u64::from(value as $unsigned))
                    .ok_or(Trap::IntegerOverflow),
            }),
            operators!(@2 $prefix, "rem_s", $ty, $unsigned, |a, b| match b {
                0 => Err(Trap::IntegerDivisionByZero),
                _ => Ok(u64::from((a as $signed).wrapping_rem(b as $signed) as $unsigned)),
            }),
            operators!(@2 $prefix, "shl", $ty, $unsigned, |a, b| Ok(a.wrapping_shl(b as u32).into())),
            operators!(@2 $prefix, "shr_u", $ty, $unsigned, |a, b| Ok(a.wrapping_shr(b as u32).into())),
            operators!(@2 $prefix, "shr_s", $ty, $unsigned, |a, b| Ok(u64::from(
                (a as $signed).wrapping_shr(b as u32) as $unsigned
            ))),
            operators!(@2 $prefix, "rotl", $ty, $unsigned, |a, b| Ok(
                a.rotate_left((b % <$unsigned>::from(<$unsigned>::BITS as u8)) as u32).into()
            )),
            operators!(@2 $prefix, "rotr", $ty, $unsigned, |a, b| Ok(
                a.rotate_right((b % <$unsigned>::from(<$unsigned>::BITS as u8)) as u32).into()
            )),
            operators!(@is $prefix, "eq", $ty, $unsigned, |a, b| a == b),
            operators!(@is $prefix, "ne", $ty, $unsigned, |a, b| a != b),
            operators!(@is $prefix, "lt_u", $ty, $unsigned, |a, b| a < b),
            operators!(@is $prefix, "le_u", $ty, $unsigned, |a, b| a <= b),
            operators!(@is $prefix, "gt_u", $ty, $unsigned, |a, b| a > b),
            operators!(@is $prefix, "ge_u", $ty, $unsigned, |a, b| a >= b),
            operators!(@is $prefix, "lt_s", $ty, $signed, |a, b| a < b),
            operators!(@is $prefix, "le_s", $ty, $signed, |a, b| a <= b),
            operators!(@is $prefix, "gt_s", $ty, $signed, |a, b| a > b),
            operators!(@is $prefix, "ge_s", $ty, $signed, |a, b| a >= b),
            operators!(@1 $prefix, "clz", $ty, $ty, $unsigned, |a| a.leading_zeros().into()),
            operators!(@1 $prefix, "ctz", $ty, $ty, $unsigned, |a| a.trailing_zeros().into()),
            operators!(@1 $prefix, "popcnt", $ty, $ty, $unsigned, |a| a.count_ones().into()),
            operators!(@1 $prefix, "eqz", $ty, I32, $unsigned, |a| u64::from(a == 0)),
            operators!(@1 $prefix, "extend8_s", $ty, $ty, $unsigned, |a| {
                u64::from(a as i8 as $signed as $unsigned)
            }),
            operators!(@1 $prefix, "extend16_s", $ty, $ty, $unsigned, |a| {
                u64::from(a as i16 as $signed as $unsigned)
            }),
        ]
    };
    (@2 $prefix:literal, $name:literal, $ty:ident, $rust:ty, |$a:ident, $b:ident| $model:expr) => {
        Op {
            name: concat!($prefix, $name),
            params: &[$ty, $ty],
            result: $ty,
            model: |a, b| -> Outcome {
                let ($a, $b) = (a as $rust, b as $rust);
                $model
            },
        }
    };
    (@is $prefix:literal, $name:literal, $ty:ident, $rust:ty, |$a:ident, $b:ident| $model:expr) => {
        Op {
            name: concat!($prefix, $name),
            params: &[$ty, $ty],
            result: I32,
            model: |a, b| {
                let ($a, $b) = (a as $rust, b as $rust);
                Ok(u64::from($model))
            },
        }
    };
    (@1 $prefix:literal, $name:literal, $ty:ident, $to:ident, $rust:ty, |$a:ident| $model:expr) => {
        Op {
            name: concat!($prefix, $name),
            params: &[$ty],
            result: $to,
            model: |a, _| {
                let $a = a as $rust;
                Ok($model)
            },
        }
    };
}

const OPS32: &[Op] = operators!("i32.", I32, u32, i32);
const OPS64: &[Op] = operators!("i64.", I64, u64, i64);

const WIDTHS: &[Op] = &[
    Op { name: "i32.wrap_i64", params: &[I64], result: I32, model: |a, _| Ok(a & 0xffff_ffff) },
    Op { name: "i64.extend_i32_u", params: &[I32], result: I64, model: |a, _| Ok(a) },
    Op {
        name: "i64.extend_i32_s",
        params: &[I32],
        result: I64,
        model: |a, _| Ok(i64::from(a as u32 as i32) as u64),
    },
    Op {
        name: "i64.extend32_s",
        params: &[I64],
        result: I64,
        model: |a, _| Ok(i64::from(a as u32 as i32) as u64),
    },
];

pub fn integer_operators(setup: Setup) {
    check(setup, OPS32, false, edges);
    check(setup, OPS64, false, edges);
}

pub fn integers_that_change_width(setup: Setup) {
    check(setup, WIDTHS, false, edges);
}
