//! Comparisons: each yields an `i32` of 0 or 1.

use crate::compile::op::done::Done;
use crate::compile::translator::Translator;
use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::{InstBuilder, types};
use wasmparser::Operator;

pub(super) fn translate(t: &mut Translator<'_, '_>, op: &Operator<'_>) -> Done {
    match *op {
        Operator::I32Eqz | Operator::I64Eqz => {
            let a = t.pop();
            let value = match t.is_large {
                // One zero serves all of a block.
                true => {
                    let ty = t.builder.func.dfg.value_type(a);
                    let zero = t.integer(ty, 0);
                    t.builder.ins().icmp(IntCC::Equal, a, zero)
                }
                false => t.builder.ins().icmp_imm_u(IntCC::Equal, a, 0),
            };
            let value = t.builder.ins().uextend(types::I32, value);
            t.push(value);
        }
        Operator::I32Eq | Operator::I64Eq => integers(t, IntCC::Equal),
        Operator::I32Ne | Operator::I64Ne => integers(t, IntCC::NotEqual),
        Operator::I32LtU => integers(t, IntCC::UnsignedLessThan),
        Operator::I32GtU => integers(t, IntCC::UnsignedGreaterThan),
        _ => return seen(t, op),
    }
    Done::Silent
}

fn seen(t: &mut Translator<'_, '_>, op: &Operator<'_>) -> Done {
    match *op {
        Operator::I32LtS | Operator::I64LtS => integers(t, IntCC::SignedLessThan),
        Operator::I64LtU => integers(t, IntCC::UnsignedLessThan),
        Operator::I32GtS | Operator::I64GtS => integers(t, IntCC::SignedGreaterThan),
        Operator::I64GtU => integers(t, IntCC::UnsignedGreaterThan),
        Operator::I32LeS | Operator::I64LeS => integers(t, IntCC::SignedLessThanOrEqual),
        Operator::I32LeU | Operator::I64LeU => integers(t, IntCC::UnsignedLessThanOrEqual),
        Operator::I32GeS | Operator::I64GeS => integers(t, IntCC::SignedGreaterThanOrEqual),
        Operator::I32GeU | Operator::I64GeU => integers(t, IntCC::UnsignedGreaterThanOrEqual),
        Operator::F32Eq | Operator::F64Eq => floats(t, FloatCC::Equal),
        Operator::F32Ne | Operator::F64Ne => floats(t, FloatCC::NotEqual),
        Operator::F32Lt | Operator::F64Lt => floats(t, FloatCC::LessThan),
        Operator::F32Gt | Operator::F64Gt => floats(t, FloatCC::GreaterThan),
        Operator::F32Le | Operator::F64Le => floats(t, FloatCC::LessThanOrEqual),
        Operator::F32Ge | Operator::F64Ge => floats(t, FloatCC::GreaterThanOrEqual),
        _ => return Done::NotMine,
    }
    Done::Seen
}

fn integers(t: &mut Translator<'_, '_>, condition: IntCC) {
    let (a, b) = t.pop2();
    let value = t.builder.ins().icmp(condition, a, b);
    let value = t.builder.ins().uextend(types::I32, value);
    t.push(value);
}

fn floats(t: &mut Translator<'_, '_>, condition: FloatCC) {
    let (a, b) = t.pop2();
    let value = t.builder.ins().fcmp(condition, a, b);
    let value = t.builder.ins().uextend(types::I32, value);
    t.push(value);
}
