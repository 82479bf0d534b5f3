//! Lane-wise float arithmetic and conversions.

use super::shape::{binary, unary, unary_of_many_steps, zero};
use crate::compile::op::done::Done;
use crate::compile::translator::Translator;
use cranelift_codegen::ir::condcodes::FloatCC;
use cranelift_codegen::ir::{Endianness, InstBuilder, MemFlagsData, Type, types};
use wasmparser::Operator;

pub(super) fn translate(t: &mut Translator<'_, '_>, op: &Operator<'_>) -> Done {
    use Operator as O;
    use types::{F32X4, F64X2};
    match *op {
        O::F32x4Add => binary(t, F32X4, |ins, a, b| ins.fadd(a, b)),
        O::F64x2Add => binary(t, F64X2, |ins, a, b| ins.fadd(a, b)),
        O::F32x4Mul => binary(t, F32X4, |ins, a, b| ins.fmul(a, b)),
        O::F64x2Mul => binary(t, F64X2, |ins, a, b| ins.fmul(a, b)),
        _ => return seen(t, op),
    }
    Done::Silent
}

fn seen(t: &mut Translator<'_, '_>, op: &Operator<'_>) -> Done {
    use Operator as O;
    use types::{F32X4, F64X2, I32X4, I64X2};
    match *op {
        O::F32x4Sub => binary(t, F32X4, |ins, a, b| ins.fsub(a, b)),
        O::F64x2Sub => binary(t, F64X2, |ins, a, b| ins.fsub(a, b)),
        O::F32x4Div => binary(t, F32X4, |ins, a, b| ins.fdiv(a, b)),
        O::F64x2Div => binary(t, F64X2, |ins, a, b| ins.fdiv(a, b)),
        O::F32x4Min => binary(t, F32X4, |ins, a, b| ins.fmin(a, b)),
        O::F64x2Min => binary(t, F64X2, |ins, a, b| ins.fmin(a, b)),
        O::F32x4Max => binary(t, F32X4, |ins, a, b| ins.fmax(a, b)),
        O::F64x2Max => binary(t, F64X2, |ins, a, b| ins.fmax(a, b)),
        O::F32x4PMin => pseudo(t, F32X4, true),
        O::F64x2PMin => pseudo(t, F64X2, true),
        O::F32x4PMax => pseudo(t, F32X4, false),
        O::F64x2PMax => pseudo(t, F64X2, false),
        O::F32x4Abs => unary(t, F32X4, |ins, a| ins.fabs(a)),
        O::F64x2Abs => unary(t, F64X2, |ins, a| ins.fabs(a)),
        O::F32x4Neg => unary(t, F32X4, |ins, a| ins.fneg(a)),
        O::F64x2Neg => unary(t, F64X2, |ins, a| ins.fneg(a)),
        O::F32x4Sqrt => unary(t, F32X4, |ins, a| ins.sqrt(a)),
        O::F64x2Sqrt => unary(t, F64X2, |ins, a| ins.sqrt(a)),
        O::F32x4Ceil => unary(t, F32X4, |ins, a| ins.ceil(a)),
        O::F64x2Ceil => unary(t, F64X2, |ins, a| ins.ceil(a)),
        O::F32x4Floor => unary(t, F32X4, |ins, a| ins.floor(a)),
        O::F64x2Floor => unary(t, F64X2, |ins, a| ins.floor(a)),
        O::F32x4Trunc => unary(t, F32X4, |ins, a| ins.trunc(a)),
        O::F64x2Trunc => unary(t, F64X2, |ins, a| ins.trunc(a)),
        O::F32x4Nearest => unary(t, F32X4, |ins, a| ins.nearest(a)),
        O::F64x2Nearest => unary(t, F64X2, |ins, a| ins.nearest(a)),
        O::I32x4TruncSatF32x4S => {
            unary_of_many_steps(t, F32X4, |ins, a| ins.fcvt_to_sint_sat(I32X4, a))
        }
        O::I32x4TruncSatF32x4U => {
            unary_of_many_steps(t, F32X4, |ins, a| ins.fcvt_to_uint_sat(I32X4, a))
        }
        O::F32x4ConvertI32x4S => unary(t, I32X4, |ins, a| ins.fcvt_from_sint(F32X4, a)),
        O::F32x4ConvertI32x4U => {
            unary_of_many_steps(t, I32X4, |ins, a| ins.fcvt_from_uint(F32X4, a))
        }
        O::I32x4TruncSatF64x2SZero => {
            let zero = zero(t, I64X2);
            let a = t.pop_vector(F64X2);
            let wide = t.builder.ins().fcvt_to_sint_sat(I64X2, a);
            let value = t.builder.ins().snarrow(wide, zero);
            t.push_vector(value);
        }
        O::I32x4TruncSatF64x2UZero => {
            let zero = zero(t, I64X2);
            // Only this pair of instructions, uncast, has a lowering.
            let a = t.pop_vector(F64X2);
            t.of_many_steps += 1;
            let wide = t.builder.ins().fcvt_to_uint_sat(I64X2, a);
            let value = t.builder.ins().uunarrow(wide, zero);
            t.push_vector(value);
        }
        O::F64x2ConvertLowI32x4S => {
            let a = t.pop_vector(I32X4);
            let wide = t.builder.ins().swiden_low(a);
            let value = t.builder.ins().fcvt_from_sint(F64X2, wide);
            t.push_vector(value);
        }
        O::F64x2ConvertLowI32x4U => {
            let a = t.pop_vector(I32X4);
            let wide = t.builder.ins().uwiden_low(a);
            let value = t.builder.ins().fcvt_from_uint(F64X2, wide);
            t.push_vector(value);
        }
        O::F32x4DemoteF64x2Zero => unary(t, F64X2, |ins, a| ins.fvdemote(a)),
        O::F64x2PromoteLowF32x4 => unary(t, F32X4, |ins, a| ins.fvpromote_low(a)),
        _ => return Done::NotMine,
    }
    Done::Seen
}

/// `pmin`: b < a ? b : a. `pmax`: a < b ? b : a. Not symmetric in NaN and ±0.
fn pseudo(t: &mut Translator<'_, '_>, ty: Type, min: bool) {
    let b = t.pop_vector(ty);
    let a = t.pop_vector(ty);
    let (smaller, larger) = if min { (b, a) } else { (a, b) };
    let takes_b = t.builder.ins().fcmp(FloatCC::LessThan, smaller, larger);
    let flags = MemFlagsData::new().with_endianness(Endianness::Little);
    let takes_b = t.builder.ins().bitcast(ty, flags, takes_b);
    let value = t.builder.ins().bitselect(takes_b, b, a);
    t.push_vector(value);
}
