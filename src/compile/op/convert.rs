//! Conversions between number types.
//!
//! Trapping float→integer conversions check first and then convert with
//! saturation, so that no CPU exception is ever needed; in large functions the code
//! generator's checks are directed to where failed ones go. The bounds are exact:
//! for a target of `n` bits the largest float below the range and the
//! smallest above it (WebAssembly core, "trunc_u" and "trunc_s").

use super::scalar::unary;
use crate::abi::Trap;
use crate::compile::op::done::Done;
use crate::compile::outlined::{Outlined, Truncation};
use crate::compile::sites::SiteKind;
use crate::compile::translator::Translator;
use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, Type, types};
use wasmparser::Operator;

pub(super) fn translate(t: &mut Translator<'_, '_>, op: &Operator<'_>) -> Done {
    use Operator as O;
    use types::{I32, I64};
    match *op {
        O::I32WrapI64 => unary(t, |ins, a| ins.ireduce(I32, a)),
        O::I64ExtendI32S => unary(t, |ins, a| ins.sextend(I64, a)),
        O::I64ExtendI32U => unary(t, |ins, a| ins.uextend(I64, a)),
        _ => return seen(t, op),
    }
    Done::Silent
}

fn seen(t: &mut Translator<'_, '_>, op: &Operator<'_>) -> Done {
    use Operator as O;
    use types::{F32, F64, I32, I64};
    match *op {
        O::I32TruncF32S => truncate(t, F32, I32, true),
        O::I32TruncF32U => truncate(t, F32, I32, false),
        O::I32TruncF64S => truncate(t, F64, I32, true),
        O::I32TruncF64U => truncate(t, F64, I32, false),
        O::I64TruncF32S => truncate(t, F32, I64, true),
        O::I64TruncF32U => truncate(t, F32, I64, false),
        O::I64TruncF64S => truncate(t, F64, I64, true),
        O::I64TruncF64U => truncate(t, F64, I64, false),
        O::I32TruncSatF32S | O::I32TruncSatF64S => saturate(t, I32, true),
        O::I32TruncSatF32U | O::I32TruncSatF64U => saturate(t, I32, false),
        O::I64TruncSatF32S | O::I64TruncSatF64S => saturate(t, I64, true),
        O::I64TruncSatF32U | O::I64TruncSatF64U => saturate(t, I64, false),
        O::F32ConvertI32S | O::F32ConvertI64S => from_integer(t, F32, true),
        O::F32ConvertI32U | O::F32ConvertI64U => from_integer(t, F32, false),
        O::F64ConvertI32S | O::F64ConvertI64S => from_integer(t, F64, true),
        O::F64ConvertI32U | O::F64ConvertI64U => from_integer(t, F64, false),
        O::F32DemoteF64 => unary(t, |ins, a| ins.fdemote(F32, a)),
        O::F64PromoteF32 => unary(t, |ins, a| ins.fpromote(F64, a)),
        O::I32ReinterpretF32 => reinterpret(t, I32),
        O::I64ReinterpretF64 => reinterpret(t, I64),
        O::F32ReinterpretI32 => reinterpret(t, F32),
        O::F64ReinterpretI64 => reinterpret(t, F64),
        _ => return Done::NotMine,
    }
    Done::Seen
}

/// Exclusive lower and upper bound of what converts, as `f64`s that are exact
/// in the source type too; for the lower bound, whether equality converts.
fn bounds(from: Type, to: Type, signed: bool) -> (f64, bool, f64) {
    const TWO_31: f64 = 2147483648.0;
    const TWO_63: f64 = 9223372036854775808.0;
    match (to, signed) {
        (_, false) => (-1.0, false, if to == types::I32 { 2.0 * TWO_31 } else { 2.0 * TWO_63 }),
        // Only an f64 can tell −2³¹ from −2³¹ − 1.
        (types::I32, true) if from == types::F64 => (-TWO_31 - 1.0, false, TWO_31),
        (types::I32, true) => (-TWO_31, true, TWO_31),
        (_, true) => (-TWO_63, true, TWO_63),
    }
}

/// In a large function with the code generator's own checks, or by a stub: that
/// is a third of the instructions, or less.
fn truncate(t: &mut Translator<'_, '_>, from: Type, to: Type, signed: bool) {
    let [from_64, to_64] = [from == types::F64, to == types::I64];
    let truncation = Truncation { from_64, to_64, signed };
    match (t.is_large, signed, to_64) {
        (false, _, _) => truncate_in_place(t, truncation),
        (true, true, _) => truncate_signed(t, to),
        (true, false, false) => {
            // All of these numbers are among the signed ones of 64 bits.
            truncate_signed(t, types::I64);
            let value = t.pop();
            let last = t.integer(types::I64, i64::from(u32::MAX));
            let above = t.builder.ins().icmp(IntCC::UnsignedGreaterThan, value, last);
            t.trap_if(above, Trap::IntegerOverflow);
            let value = t.builder.ins().ireduce(to, value);
            t.push(value);
        }
        // Some of the code generator's checks of these are no branches.
        (true, false, true) => {
            let operand = t.pop();
            let value = t.outlined(Outlined::Truncate(truncation), &[operand]);
            t.stack.extend(value);
        }
    }
}

/// Converts with one instruction of the code generator, which checks as Wasm does.
fn truncate_signed(t: &mut Translator<'_, '_>, to: Type) {
    let operand = t.pop();
    let position = t.facts.position;
    let value = t.sites.call(&mut t.builder, SiteKind::Conversion, position, |builder| {
        builder.ins().fcvt_to_sint(to, operand)
    });
    t.push(value);
}

/// Converts the operand on the stack, or traps.
pub(in crate::compile) fn truncate_in_place(t: &mut Translator<'_, '_>, truncation: Truncation) {
    let ((from, to), signed) = (truncation.types(), truncation.signed);
    let a = t.pop();
    let unordered = t.builder.ins().fcmp(FloatCC::Unordered, a, a);
    t.trap_if(unordered, Trap::BadConversionToInteger);
    let (lower, lower_converts, upper) = bounds(from, to, signed);
    let bits = |value: f64| match from {
        types::F32 => (value as f32).to_bits().into(),
        _ => value.to_bits(),
    };
    let lower = t.float(from, bits(lower));
    let below = match lower_converts {
        true => t.builder.ins().fcmp(FloatCC::LessThan, a, lower),
        false => t.builder.ins().fcmp(FloatCC::LessThanOrEqual, a, lower),
    };
    t.trap_if(below, Trap::IntegerOverflow);
    let upper = t.float(from, bits(upper));
    let above = t.builder.ins().fcmp(FloatCC::GreaterThanOrEqual, a, upper);
    t.trap_if(above, Trap::IntegerOverflow);
    t.push(a);
    saturate(t, to, signed);
}

fn saturate(t: &mut Translator<'_, '_>, to: Type, signed: bool) {
    unary(t, |ins, a| match signed {
        true => ins.fcvt_to_sint_sat(to, a),
        false => ins.fcvt_to_uint_sat(to, a),
    });
}

fn from_integer(t: &mut Translator<'_, '_>, to: Type, signed: bool) {
    unary(t, |ins, a| match signed {
        true => ins.fcvt_from_sint(to, a),
        false => ins.fcvt_from_uint(to, a),
    });
}

fn reinterpret(t: &mut Translator<'_, '_>, to: Type) {
    unary(t, |ins, a| ins.bitcast(to, MemFlagsData::new(), a));
}
