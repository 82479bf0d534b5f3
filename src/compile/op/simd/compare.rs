//! Lane-wise comparisons: each lane becomes all ones or all zeros.

use super::shape::binary;
use crate::compile::op::done::Done;
use crate::compile::translator::Translator;
use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::{InstBuilder, Type, types};
use wasmparser::Operator;

pub(super) fn translate(t: &mut Translator<'_, '_>, op: &Operator<'_>) -> Done {
    use IntCC as I;
    use Operator as O;
    use types::{F32X4, F64X2, I8X16, I16X8, I32X4, I64X2};
    match *op {
        O::I8x16Eq => integers(t, I8X16, I::Equal),
        O::I8x16Ne => integers(t, I8X16, I::NotEqual),
        O::I8x16LtS => integers(t, I8X16, I::SignedLessThan),
        O::I8x16LtU => integers(t, I8X16, I::UnsignedLessThan),
        O::I8x16GtS => integers(t, I8X16, I::SignedGreaterThan),
        O::I8x16GtU => integers(t, I8X16, I::UnsignedGreaterThan),
        O::I8x16LeS => integers(t, I8X16, I::SignedLessThanOrEqual),
        O::I8x16LeU => integers(t, I8X16, I::UnsignedLessThanOrEqual),
        O::I8x16GeS => integers(t, I8X16, I::SignedGreaterThanOrEqual),
        O::I8x16GeU => integers(t, I8X16, I::UnsignedGreaterThanOrEqual),
        O::I16x8Eq => integers(t, I16X8, I::Equal),
        O::I16x8Ne => integers(t, I16X8, I::NotEqual),
        O::I16x8LtS => integers(t, I16X8, I::SignedLessThan),
        O::I16x8LtU => integers(t, I16X8, I::UnsignedLessThan),
        O::I16x8GtS => integers(t, I16X8, I::SignedGreaterThan),
        O::I16x8GtU => integers(t, I16X8, I::UnsignedGreaterThan),
        O::I16x8LeS => integers(t, I16X8, I::SignedLessThanOrEqual),
        O::I16x8LeU => integers(t, I16X8, I::UnsignedLessThanOrEqual),
        O::I16x8GeS => integers(t, I16X8, I::SignedGreaterThanOrEqual),
        O::I16x8GeU => integers(t, I16X8, I::UnsignedGreaterThanOrEqual),
        O::I32x4Eq => integers(t, I32X4, I::Equal),
        O::I32x4Ne => integers(t, I32X4, I::NotEqual),
        O::I32x4LtS => integers(t, I32X4, I::SignedLessThan),
        O::I32x4LtU => integers(t, I32X4, I::UnsignedLessThan),
        O::I32x4GtS => integers(t, I32X4, I::SignedGreaterThan),
        O::I32x4GtU => integers(t, I32X4, I::UnsignedGreaterThan),
        O::I32x4LeS => integers(t, I32X4, I::SignedLessThanOrEqual),
        O::I32x4LeU => integers(t, I32X4, I::UnsignedLessThanOrEqual),
        O::I32x4GeS => integers(t, I32X4, I::SignedGreaterThanOrEqual),
        O::I32x4GeU => integers(t, I32X4, I::UnsignedGreaterThanOrEqual),
        O::I64x2Eq => integers(t, I64X2, I::Equal),
        O::I64x2Ne => integers(t, I64X2, I::NotEqual),
        O::I64x2LtS => integers(t, I64X2, I::SignedLessThan),
        O::I64x2GtS => integers(t, I64X2, I::SignedGreaterThan),
        O::I64x2LeS => integers(t, I64X2, I::SignedLessThanOrEqual),
        O::I64x2GeS => integers(t, I64X2, I::SignedGreaterThanOrEqual),
        O::F32x4Eq => floats(t, F32X4, FloatCC::Equal),
        O::F32x4Ne => floats(t, F32X4, FloatCC::NotEqual),
        O::F32x4Lt => floats(t, F32X4, FloatCC::LessThan),
        O::F32x4Gt => floats(t, F32X4, FloatCC::GreaterThan),
        O::F32x4Le => floats(t, F32X4, FloatCC::LessThanOrEqual),
        O::F32x4Ge => floats(t, F32X4, FloatCC::GreaterThanOrEqual),
        O::F64x2Eq => floats(t, F64X2, FloatCC::Equal),
        O::F64x2Ne => floats(t, F64X2, FloatCC::NotEqual),
        O::F64x2Lt => floats(t, F64X2, FloatCC::LessThan),
        O::F64x2Gt => floats(t, F64X2, FloatCC::GreaterThan),
        O::F64x2Le => floats(t, F64X2, FloatCC::LessThanOrEqual),
        O::F64x2Ge => floats(t, F64X2, FloatCC::GreaterThanOrEqual),
        _ => return Done::NotMine,
    }
    Done::Seen
}

fn integers(t: &mut Translator<'_, '_>, ty: Type, condition: IntCC) {
    binary(t, ty, |ins, a, b| ins.icmp(condition, a, b));
}

fn floats(t: &mut Translator<'_, '_>, ty: Type, condition: FloatCC) {
    binary(t, ty, |ins, a, b| ins.fcmp(condition, a, b));
}
