//! Constants, splats, single lanes, shuffles.

use super::shape::binary;
use crate::compile::op::done::Done;
use crate::compile::translator::Translator;
use cranelift_codegen::ir::{InstBuilder, Type, types};
use wasmparser::Operator;

pub(super) fn translate(t: &mut Translator<'_, '_>, op: &Operator<'_>) -> Done {
    use Operator as O;
    use types::I8X16;
    match *op {
        O::V128Const { value } => {
            let constant = t.builder.func.dfg.constants.insert(value.bytes()[..].into());
            let value = t.builder.ins().vconst(I8X16, constant);
            t.push_vector(value);
        }
        _ => return seen(t, op),
    }
    Done::Silent
}

fn seen(t: &mut Translator<'_, '_>, op: &Operator<'_>) -> Done {
    use Operator as O;
    use types::{F32X4, F64X2, I8, I8X16, I16, I16X8, I32X4, I64X2};
    match *op {
        O::I8x16Splat => splat(t, I8X16, Some(I8)),
        O::I16x8Splat => splat(t, I16X8, Some(I16)),
        O::I32x4Splat => splat(t, I32X4, None),
        O::I64x2Splat => splat(t, I64X2, None),
        O::F32x4Splat => splat(t, F32X4, None),
        O::F64x2Splat => splat(t, F64X2, None),
        O::I8x16ExtractLaneS { lane } => extract(t, I8X16, lane, Some(true)),
        O::I8x16ExtractLaneU { lane } => extract(t, I8X16, lane, Some(false)),
        O::I16x8ExtractLaneS { lane } => extract(t, I16X8, lane, Some(true)),
        O::I16x8ExtractLaneU { lane } => extract(t, I16X8, lane, Some(false)),
        O::I32x4ExtractLane { lane } => extract(t, I32X4, lane, None),
        O::I64x2ExtractLane { lane } => extract(t, I64X2, lane, None),
        O::F32x4ExtractLane { lane } => extract(t, F32X4, lane, None),
        O::F64x2ExtractLane { lane } => extract(t, F64X2, lane, None),
        O::I8x16ReplaceLane { lane } => replace(t, I8X16, lane, Some(I8)),
        O::I16x8ReplaceLane { lane } => replace(t, I16X8, lane, Some(I16)),
        O::I32x4ReplaceLane { lane } => replace(t, I32X4, lane, None),
        O::I64x2ReplaceLane { lane } => replace(t, I64X2, lane, None),
        O::F32x4ReplaceLane { lane } => replace(t, F32X4, lane, None),
        O::F64x2ReplaceLane { lane } => replace(t, F64X2, lane, None),
        O::I8x16Swizzle => binary(t, I8X16, |ins, a, b| ins.swizzle(a, b)),
        O::I8x16Shuffle { ref lanes } => {
            let mask = t.builder.func.dfg.immediates.push(lanes[..].into());
            binary(t, I8X16, |ins, a, b| ins.shuffle(a, b, mask));
        }
        _ => return Done::NotMine,
    }
    Done::Seen
}

/// `narrow` is the lane's type where it is smaller than the scalar's.
fn splat(t: &mut Translator<'_, '_>, vector: Type, narrow: Option<Type>) {
    let value = t.pop();
    let value = match narrow {
        Some(ty) => t.builder.ins().ireduce(ty, value),
        None => value,
    };
    let value = t.builder.ins().splat(vector, value);
    t.push_vector(value);
}

/// `signed` tells how a lane smaller than 32 bits is extended.
fn extract(t: &mut Translator<'_, '_>, vector: Type, lane: u8, signed: Option<bool>) {
    let from = t.pop_vector(vector);
    let value = t.builder.ins().extractlane(from, lane);
    let value = match signed {
        Some(true) => t.builder.ins().sextend(types::I32, value),
        Some(false) => t.builder.ins().uextend(types::I32, value),
        None => value,
    };
    t.push(value);
}

fn replace(t: &mut Translator<'_, '_>, vector: Type, lane: u8, narrow: Option<Type>) {
    let value = t.pop();
    let into = t.pop_vector(vector);
    let value = match narrow {
        Some(ty) => t.builder.ins().ireduce(ty, value),
        None => value,
    };
    let value = t.builder.ins().insertlane(into, value, lane);
    t.push_vector(value);
}
