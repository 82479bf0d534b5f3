//! Bitwise operators, shifts, and tests over whole vectors.

use super::shape::{binary, unary};
use crate::compile::op::done::Done;
use crate::compile::translator::Translator;
use cranelift_codegen::ir::{InstBuilder, Type, types};
use wasmparser::Operator;

pub(super) fn translate(t: &mut Translator<'_, '_>, op: &Operator<'_>) -> Done {
    use Operator as O;
    use types::I8X16;
    match *op {
        O::V128And => binary(t, I8X16, |ins, a, b| ins.band(a, b)),
        O::V128Or => binary(t, I8X16, |ins, a, b| ins.bor(a, b)),
        O::V128Xor => binary(t, I8X16, |ins, a, b| ins.bxor(a, b)),
        _ => return seen(t, op),
    }
    Done::Silent
}

fn seen(t: &mut Translator<'_, '_>, op: &Operator<'_>) -> Done {
    use Operator as O;
    use types::{I8X16, I16X8, I32X4, I64X2};
    match *op {
        O::V128Not => unary(t, I8X16, |ins, a| ins.bnot(a)),
        O::V128AndNot => binary(t, I8X16, |ins, a, b| ins.band_not(a, b)),
        O::V128Bitselect => {
            let condition = t.pop_vector(I8X16);
            binary(t, I8X16, |ins, a, b| ins.bitselect(condition, a, b));
        }
        O::V128AnyTrue => {
            let a = t.pop_vector(I8X16);
            let value = t.builder.ins().vany_true(a);
            let value = t.builder.ins().uextend(types::I32, value);
            t.push(value);
        }
        O::I8x16AllTrue => all_true(t, I8X16),
        O::I16x8AllTrue => all_true(t, I16X8),
        O::I32x4AllTrue => all_true(t, I32X4),
        O::I64x2AllTrue => all_true(t, I64X2),
        O::I8x16Bitmask => bitmask(t, I8X16),
        O::I16x8Bitmask => bitmask(t, I16X8),
        O::I32x4Bitmask => bitmask(t, I32X4),
        O::I64x2Bitmask => bitmask(t, I64X2),
        O::I8x16Shl => shift(t, I8X16, Shift::Left),
        O::I8x16ShrS => shift(t, I8X16, Shift::RightSigned),
        O::I8x16ShrU => shift(t, I8X16, Shift::RightUnsigned),
        O::I16x8Shl => shift(t, I16X8, Shift::Left),
        O::I16x8ShrS => shift(t, I16X8, Shift::RightSigned),
        O::I16x8ShrU => shift(t, I16X8, Shift::RightUnsigned),
        O::I32x4Shl => shift(t, I32X4, Shift::Left),
        O::I32x4ShrS => shift(t, I32X4, Shift::RightSigned),
        O::I32x4ShrU => shift(t, I32X4, Shift::RightUnsigned),
        O::I64x2Shl => shift(t, I64X2, Shift::Left),
        O::I64x2ShrS => shift(t, I64X2, Shift::RightSigned),
        O::I64x2ShrU => shift(t, I64X2, Shift::RightUnsigned),
        _ => return Done::NotMine,
    }
    Done::Seen
}

enum Shift {
    Left,
    RightSigned,
    RightUnsigned,
}

fn shift(t: &mut Translator<'_, '_>, ty: Type, direction: Shift) {
    let amount = t.pop();
    unary(t, ty, |ins, a| match direction {
        Shift::Left => ins.ishl(a, amount),
        Shift::RightSigned => ins.sshr(a, amount),
        Shift::RightUnsigned => ins.ushr(a, amount),
    });
}

fn all_true(t: &mut Translator<'_, '_>, ty: Type) {
    let a = t.pop_vector(ty);
    let value = t.builder.ins().vall_true(a);
    let value = t.builder.ins().uextend(types::I32, value);
    t.push(value);
}

fn bitmask(t: &mut Translator<'_, '_>, ty: Type) {
    let a = t.pop_vector(ty);
    let value = t.builder.ins().vhigh_bits(types::I32, a);
    t.push(value);
}
