//! Integer and float arithmetic.

use super::scalar::{binary, unary};
use crate::abi::Trap;
use crate::arch::COUNTS_BITS_IN_VECTORS;
use crate::compile::op::done::Done;
use crate::compile::outlined::Outlined;
use crate::compile::translator::Translator;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, Type, Value, types};
use wasmparser::Operator;

pub(super) fn translate(t: &mut Translator<'_, '_>, op: &Operator<'_>) -> Done {
    match *op {
        Operator::I32Add | Operator::I64Add => binary(t, |ins, a, b| ins.iadd(a, b)),
        Operator::I32Sub | Operator::I64Sub => binary(t, |ins, a, b| ins.isub(a, b)),
        Operator::I32Mul | Operator::I64Mul => binary(t, |ins, a, b| ins.imul(a, b)),
        Operator::I32And | Operator::I64And => binary(t, |ins, a, b| ins.band(a, b)),
        Operator::I32Or | Operator::I64Or => binary(t, |ins, a, b| ins.bor(a, b)),
        Operator::I32Xor | Operator::I64Xor => binary(t, |ins, a, b| ins.bxor(a, b)),
        Operator::I32Shl | Operator::I64Shl => binary(t, |ins, a, b| ins.ishl(a, b)),
        Operator::I32ShrS | Operator::I64ShrS => binary(t, |ins, a, b| ins.sshr(a, b)),
        Operator::I32ShrU | Operator::I64ShrU => binary(t, |ins, a, b| ins.ushr(a, b)),
        Operator::I32Rotl | Operator::I64Rotl => binary(t, |ins, a, b| ins.rotl(a, b)),
        Operator::F32Add | Operator::F64Add => binary(t, |ins, a, b| ins.fadd(a, b)),
        Operator::F32Sub | Operator::F64Sub => binary(t, |ins, a, b| ins.fsub(a, b)),
        Operator::F32Mul | Operator::F64Mul => binary(t, |ins, a, b| ins.fmul(a, b)),
        _ => return seen(t, op),
    }
    Done::Silent
}

fn seen(t: &mut Translator<'_, '_>, op: &Operator<'_>) -> Done {
    match *op {
        Operator::I32Rotr | Operator::I64Rotr => binary(t, |ins, a, b| ins.rotr(a, b)),
        Operator::I32Clz | Operator::I64Clz => unary(t, |ins, a| ins.clz(a)),
        Operator::I32Ctz | Operator::I64Ctz => unary(t, |ins, a| ins.ctz(a)),
        Operator::I32Popcnt | Operator::I64Popcnt => count_bits(t),
        Operator::I32DivS | Operator::I64DivS => {
            divide_signed(t);
        }
        Operator::I32DivU | Operator::I64DivU => {
            let (a, b) = divisor_checked(t);
            let value = t.builder.ins().udiv(a, b);
            t.push(value);
        }
        Operator::I32RemS | Operator::I64RemS => {
            let (a, b) = divisor_checked(t);
            let value = t.builder.ins().srem(a, b);
            t.push(value);
        }
        Operator::I32RemU | Operator::I64RemU => {
            let (a, b) = divisor_checked(t);
            let value = t.builder.ins().urem(a, b);
            t.push(value);
        }
        Operator::I32Extend8S => extend(t, types::I8, types::I32),
        Operator::I32Extend16S => extend(t, types::I16, types::I32),
        Operator::I64Extend8S => extend(t, types::I8, types::I64),
        Operator::I64Extend16S => extend(t, types::I16, types::I64),
        Operator::I64Extend32S => extend(t, types::I32, types::I64),
        Operator::F32Div | Operator::F64Div => binary(t, |ins, a, b| ins.fdiv(a, b)),
        Operator::F32Min | Operator::F64Min => binary(t, |ins, a, b| ins.fmin(a, b)),
        Operator::F32Max | Operator::F64Max => binary(t, |ins, a, b| ins.fmax(a, b)),
        Operator::F32Copysign | Operator::F64Copysign => binary(t, |ins, a, b| ins.fcopysign(a, b)),
        Operator::F32Abs | Operator::F64Abs => unary(t, |ins, a| ins.fabs(a)),
        Operator::F32Neg | Operator::F64Neg => unary(t, |ins, a| ins.fneg(a)),
        Operator::F32Sqrt | Operator::F64Sqrt => unary(t, |ins, a| ins.sqrt(a)),
        Operator::F32Ceil | Operator::F64Ceil => unary(t, |ins, a| ins.ceil(a)),
        Operator::F32Floor | Operator::F64Floor => unary(t, |ins, a| ins.floor(a)),
        Operator::F32Trunc | Operator::F64Trunc => unary(t, |ins, a| ins.trunc(a)),
        Operator::F32Nearest | Operator::F64Nearest => unary(t, |ins, a| ins.nearest(a)),
        _ => return Done::NotMine,
    }
    Done::Seen
}

/// In a large function by a stub, unless nothing is to be checked.
fn divide_signed(t: &mut Translator<'_, '_>) {
    let divisor = t.stack.last().copied().unwrap_or(t.context);
    let is_harmless = |divisor| !matches!(divisor as u32, 0 | u32::MAX);
    if !t.is_large || t.constant(divisor).is_some_and(is_harmless) {
        return divide_signed_in_place(t);
    }
    let (a, b) = t.pop2();
    let is_64 = t.builder.func.dfg.value_type(b) == types::I64;
    let value = t.outlined(Outlined::Divide { is_64 }, &[a, b]);
    t.stack.extend(value);
}

/// Divides the operands on the stack, or traps.
pub(in crate::compile) fn divide_signed_in_place(t: &mut Translator<'_, '_>) {
    let (a, b) = divisor_checked(t);
    overflow_checked(t, a, b);
    let value = t.builder.ins().sdiv(a, b);
    t.push(value);
}

/// Dividend and divisor, after a check that the divisor is not zero.
fn divisor_checked(t: &mut Translator<'_, '_>) -> (Value, Value) {
    let (a, b) = t.pop2();
    if t.constant(b).is_none_or(|divisor| divisor == 0) {
        let zero = t.builder.ins().icmp_imm_u(IntCC::Equal, b, 0);
        t.trap_if(zero, Trap::IntegerDivisionByZero);
    }
    (a, b)
}

/// Traps if `a / b` is the one quotient that does not fit.
fn overflow_checked(t: &mut Translator<'_, '_>, a: Value, b: Value) {
    let ty = t.builder.func.dfg.value_type(b);
    let (minus_one, minimum) = match ty {
        types::I32 => (i64::from(u32::MAX), i64::from(i32::MIN as u32)),
        _ => (-1, i64::MIN),
    };
    if t.constant(b).is_some_and(|divisor| divisor != minus_one) {
        return;
    }
    let minus_one = t.builder.ins().iconst(ty, minus_one);
    let minimum = t.builder.ins().iconst(ty, minimum);
    let by_minus_one = t.builder.ins().icmp(IntCC::Equal, b, minus_one);
    let of_minimum = t.builder.ins().icmp(IntCC::Equal, a, minimum);
    let overflow = t.builder.ins().band(by_minus_one, of_minimum);
    t.trap_if(overflow, Trap::IntegerOverflow);
}

fn extend(t: &mut Translator<'_, '_>, from: Type, to: Type) {
    let a = t.pop();
    let narrow = t.builder.ins().ireduce(from, a);
    let value = t.builder.ins().sextend(to, narrow);
    t.push(value);
}

/// Without vector registers by shifts and masks, where the code generator would
/// use them (Warren, Hacker's Delight, 5-1).
fn count_bits(t: &mut Translator<'_, '_>) {
    if t.env.settings.floating_point() || !COUNTS_BITS_IN_VECTORS {
        return unary(t, |ins, a| ins.popcnt(a));
    }
    let all = t.pop();
    let bits = t.builder.func.dfg.value_type(all).bits();
    let every = |byte: u64| ((byte * 0x0101_0101_0101_0101) >> (64 - bits)) as i64;
    let b = &mut t.builder;
    let odd = b.ins().ushr_imm_u(all, 1);
    let odd = b.ins().band_imm_u(odd, every(0x55));
    let pairs = b.ins().isub(all, odd);
    let high = b.ins().ushr_imm_u(pairs, 2);
    let high = b.ins().band_imm_u(high, every(0x33));
    let low = b.ins().band_imm_u(pairs, every(0x33));
    let fours = b.ins().iadd(low, high);
    let high = b.ins().ushr_imm_u(fours, 4);
    let bytes = b.ins().iadd(fours, high);
    let bytes = b.ins().band_imm_u(bytes, every(0x0f));
    let sum = b.ins().imul_imm_u(bytes, every(1));
    let count = b.ins().ushr_imm_u(sum, i64::from(bits - 8));
    t.push(count);
}
