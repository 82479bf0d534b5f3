//! Operators on numbers that take one instruction: the building blocks of the
//! families of arithmetic, comparison and conversion.

use crate::compile::translator::Translator;
use cranelift_codegen::ir::Value;
use cranelift_frontend::FuncInstBuilder;

/// Replaces the top operand with what `make` makes of it.
pub(super) fn unary(
    t: &mut Translator<'_, '_>,
    make: impl FnOnce(FuncInstBuilder<'_, '_>, Value) -> Value,
) {
    let a = t.pop();
    let value = make(t.builder.ins(), a);
    t.push(value);
}

/// Replaces the top two operands with what `make` makes of them.
pub(super) fn binary(
    t: &mut Translator<'_, '_>,
    make: impl FnOnce(FuncInstBuilder<'_, '_>, Value, Value) -> Value,
) {
    let (a, b) = t.pop2();
    let value = make(t.builder.ins(), a, b);
    t.push(value);
}
