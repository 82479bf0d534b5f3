//! Lane-wise integer arithmetic, narrowing and widening.

use super::shape::{binary, unary, unary_of_many_steps};
use crate::compile::op::done::Done;
use crate::compile::translator::Translator;
use cranelift_codegen::ir::{InstBuilder, Type, Value, types};
use wasmparser::Operator;

pub(super) fn translate(t: &mut Translator<'_, '_>, op: &Operator<'_>) -> Done {
    use Operator as O;
    use types::{I8X16, I16X8, I32X4, I64X2};
    match *op {
        O::I8x16Add => binary(t, I8X16, |ins, a, b| ins.iadd(a, b)),
        O::I16x8Add => binary(t, I16X8, |ins, a, b| ins.iadd(a, b)),
        O::I32x4Add => binary(t, I32X4, |ins, a, b| ins.iadd(a, b)),
        O::I64x2Add => binary(t, I64X2, |ins, a, b| ins.iadd(a, b)),
        O::I32x4Mul => binary(t, I32X4, |ins, a, b| ins.imul(a, b)),
        _ => return seen(t, op),
    }
    Done::Silent
}

fn seen(t: &mut Translator<'_, '_>, op: &Operator<'_>) -> Done {
    use Operator as O;
    use types::{I8X16, I16X8, I32X4, I64X2};
    match *op {
        O::I8x16Sub => binary(t, I8X16, |ins, a, b| ins.isub(a, b)),
        O::I16x8Sub => binary(t, I16X8, |ins, a, b| ins.isub(a, b)),
        O::I32x4Sub => binary(t, I32X4, |ins, a, b| ins.isub(a, b)),
        O::I64x2Sub => binary(t, I64X2, |ins, a, b| ins.isub(a, b)),
        O::I16x8Mul => binary(t, I16X8, |ins, a, b| ins.imul(a, b)),
        O::I64x2Mul => binary(t, I64X2, |ins, a, b| ins.imul(a, b)),
        O::I8x16AddSatS => binary(t, I8X16, |ins, a, b| ins.sadd_sat(a, b)),
        O::I8x16AddSatU => binary(t, I8X16, |ins, a, b| ins.uadd_sat(a, b)),
        O::I16x8AddSatS => binary(t, I16X8, |ins, a, b| ins.sadd_sat(a, b)),
        O::I16x8AddSatU => binary(t, I16X8, |ins, a, b| ins.uadd_sat(a, b)),
        O::I8x16SubSatS => binary(t, I8X16, |ins, a, b| ins.ssub_sat(a, b)),
        O::I8x16SubSatU => binary(t, I8X16, |ins, a, b| ins.usub_sat(a, b)),
        O::I16x8SubSatS => binary(t, I16X8, |ins, a, b| ins.ssub_sat(a, b)),
        O::I16x8SubSatU => binary(t, I16X8, |ins, a, b| ins.usub_sat(a, b)),
        O::I8x16MinS => binary(t, I8X16, |ins, a, b| ins.smin(a, b)),
        O::I8x16MinU => binary(t, I8X16, |ins, a, b| ins.umin(a, b)),
        O::I8x16MaxS => binary(t, I8X16, |ins, a, b| ins.smax(a, b)),
        O::I8x16MaxU => binary(t, I8X16, |ins, a, b| ins.umax(a, b)),
        O::I16x8MinS => binary(t, I16X8, |ins, a, b| ins.smin(a, b)),
        O::I16x8MinU => binary(t, I16X8, |ins, a, b| ins.umin(a, b)),
        O::I16x8MaxS => binary(t, I16X8, |ins, a, b| ins.smax(a, b)),
        O::I16x8MaxU => binary(t, I16X8, |ins, a, b| ins.umax(a, b)),
        O::I32x4MinS => binary(t, I32X4, |ins, a, b| ins.smin(a, b)),
        O::I32x4MinU => binary(t, I32X4, |ins, a, b| ins.umin(a, b)),
        O::I32x4MaxS => binary(t, I32X4, |ins, a, b| ins.smax(a, b)),
        O::I32x4MaxU => binary(t, I32X4, |ins, a, b| ins.umax(a, b)),
        O::I8x16AvgrU => binary(t, I8X16, |ins, a, b| ins.avg_round(a, b)),
        O::I16x8AvgrU => binary(t, I16X8, |ins, a, b| ins.avg_round(a, b)),
        O::I16x8Q15MulrSatS => binary(t, I16X8, |ins, a, b| ins.sqmul_round_sat(a, b)),
        O::I8x16Abs => unary(t, I8X16, |ins, a| ins.iabs(a)),
        O::I16x8Abs => unary(t, I16X8, |ins, a| ins.iabs(a)),
        O::I32x4Abs => unary(t, I32X4, |ins, a| ins.iabs(a)),
        O::I64x2Abs => unary(t, I64X2, |ins, a| ins.iabs(a)),
        O::I8x16Neg => unary(t, I8X16, |ins, a| ins.ineg(a)),
        O::I16x8Neg => unary(t, I16X8, |ins, a| ins.ineg(a)),
        O::I32x4Neg => unary(t, I32X4, |ins, a| ins.ineg(a)),
        O::I64x2Neg => unary(t, I64X2, |ins, a| ins.ineg(a)),
        O::I8x16Popcnt => unary_of_many_steps(t, I8X16, |ins, a| ins.popcnt(a)),
        O::I8x16NarrowI16x8S => binary(t, I16X8, |ins, a, b| ins.snarrow(a, b)),
        O::I8x16NarrowI16x8U => binary(t, I16X8, |ins, a, b| ins.unarrow(a, b)),
        O::I16x8NarrowI32x4S => binary(t, I32X4, |ins, a, b| ins.snarrow(a, b)),
        O::I16x8NarrowI32x4U => binary(t, I32X4, |ins, a, b| ins.unarrow(a, b)),
        O::I16x8ExtendLowI8x16S => extend(t, I8X16, Half::LowSigned),
        O::I16x8ExtendHighI8x16S => extend(t, I8X16, Half::HighSigned),
        O::I16x8ExtendLowI8x16U => extend(t, I8X16, Half::LowUnsigned),
        O::I16x8ExtendHighI8x16U => extend(t, I8X16, Half::HighUnsigned),
        O::I32x4ExtendLowI16x8S => extend(t, I16X8, Half::LowSigned),
        O::I32x4ExtendHighI16x8S => extend(t, I16X8, Half::HighSigned),
        O::I32x4ExtendLowI16x8U => extend(t, I16X8, Half::LowUnsigned),
        O::I32x4ExtendHighI16x8U => extend(t, I16X8, Half::HighUnsigned),
        O::I64x2ExtendLowI32x4S => extend(t, I32X4, Half::LowSigned),
        O::I64x2ExtendHighI32x4S => extend(t, I32X4, Half::HighSigned),
        O::I64x2ExtendLowI32x4U => extend(t, I32X4, Half::LowUnsigned),
        O::I64x2ExtendHighI32x4U => extend(t, I32X4, Half::HighUnsigned),
        O::I16x8ExtMulLowI8x16S => multiply_wide(t, I8X16, Half::LowSigned),
        O::I16x8ExtMulHighI8x16S => multiply_wide(t, I8X16, Half::HighSigned),
        O::I16x8ExtMulLowI8x16U => multiply_wide(t, I8X16, Half::LowUnsigned),
        O::I16x8ExtMulHighI8x16U => multiply_wide(t, I8X16, Half::HighUnsigned),
        O::I32x4ExtMulLowI16x8S => multiply_wide(t, I16X8, Half::LowSigned),
        O::I32x4ExtMulHighI16x8S => multiply_wide(t, I16X8, Half::HighSigned),
        O::I32x4ExtMulLowI16x8U => multiply_wide(t, I16X8, Half::LowUnsigned),
        O::I32x4ExtMulHighI16x8U => multiply_wide(t, I16X8, Half::HighUnsigned),
        O::I64x2ExtMulLowI32x4S => multiply_wide(t, I32X4, Half::LowSigned),
        O::I64x2ExtMulHighI32x4S => multiply_wide(t, I32X4, Half::HighSigned),
        O::I64x2ExtMulLowI32x4U => multiply_wide(t, I32X4, Half::LowUnsigned),
        O::I64x2ExtMulHighI32x4U => multiply_wide(t, I32X4, Half::HighUnsigned),
        O::I16x8ExtAddPairwiseI8x16S => add_pairs(t, I8X16, true),
        O::I16x8ExtAddPairwiseI8x16U => add_pairs(t, I8X16, false),
        O::I32x4ExtAddPairwiseI16x8S => add_pairs(t, I16X8, true),
        O::I32x4ExtAddPairwiseI16x8U => add_pairs(t, I16X8, false),
        O::I32x4DotI16x8S => dot(t),
        _ => return Done::NotMine,
    }
    Done::Seen
}

/// Which half of a vector is widened, and how.
#[derive(Clone, Copy)]
enum Half {
    LowSigned,
    HighSigned,
    LowUnsigned,
    HighUnsigned,
}

fn widen(t: &mut Translator<'_, '_>, a: Value, half: Half) -> Value {
    match half {
        Half::LowSigned => t.builder.ins().swiden_low(a),
        Half::HighSigned => t.builder.ins().swiden_high(a),
        Half::LowUnsigned => t.builder.ins().uwiden_low(a),
        Half::HighUnsigned => t.builder.ins().uwiden_high(a),
    }
}

fn extend(t: &mut Translator<'_, '_>, from: Type, half: Half) {
    let a = t.pop_vector(from);
    let value = widen(t, a, half);
    t.push_vector(value);
}

fn multiply_wide(t: &mut Translator<'_, '_>, from: Type, half: Half) {
    let b = t.pop_vector(from);
    let a = t.pop_vector(from);
    let (a, b) = (widen(t, a, half), widen(t, b, half));
    let value = t.builder.ins().imul(a, b);
    t.push_vector(value);
}

fn add_pairs(t: &mut Translator<'_, '_>, from: Type, signed: bool) {
    let a = t.pop_vector(from);
    let (low, high) = match signed {
        true => (widen(t, a, Half::LowSigned), widen(t, a, Half::HighSigned)),
        false => (widen(t, a, Half::LowUnsigned), widen(t, a, Half::HighUnsigned)),
    };
    let value = t.builder.ins().iadd_pairwise(low, high);
    t.push_vector(value);
}

/// Sums of pairs of 32-bit products of 16-bit lanes.
fn dot(t: &mut Translator<'_, '_>) {
    let b = t.pop_vector(types::I16X8);
    let a = t.pop_vector(types::I16X8);
    let mut product = |half| {
        let (a, b) = (widen(t, a, half), widen(t, b, half));
        t.builder.ins().imul(a, b)
    };
    let (low, high) = (product(Half::LowSigned), product(Half::HighSigned));
    let value = t.builder.ins().iadd_pairwise(low, high);
    t.push_vector(value);
}
