//! Operators on vectors of one shape: the building blocks of most families.

use crate::compile::translator::Translator;
use cranelift_codegen::ir::{InstBuilder, Type, Value};
use cranelift_frontend::FuncInstBuilder;

/// Replaces the top vector with what `make` makes of it, seen as `ty`.
pub(super) fn unary(
    t: &mut Translator<'_, '_>,
    ty: Type,
    make: impl FnOnce(FuncInstBuilder<'_, '_>, Value) -> Value,
) {
    let a = t.pop_vector(ty);
    let value = make(t.builder.ins(), a);
    t.push_vector(value);
}

/// The same for what becomes ten machine instructions or more.
pub(super) fn unary_of_many_steps(
    t: &mut Translator<'_, '_>,
    ty: Type,
    make: impl FnOnce(FuncInstBuilder<'_, '_>, Value) -> Value,
) {
    t.of_many_steps += 1;
    unary(t, ty, make);
}

/// Replaces the top two vectors with what `make` makes of them, seen as `ty`.
pub(super) fn binary(
    t: &mut Translator<'_, '_>,
    ty: Type,
    make: impl FnOnce(FuncInstBuilder<'_, '_>, Value, Value) -> Value,
) {
    let b = t.pop_vector(ty);
    let a = t.pop_vector(ty);
    let value = make(t.builder.ins(), a, b);
    t.push_vector(value);
}

/// A vector of zeros.
pub(super) fn zero(t: &mut Translator<'_, '_>, ty: Type) -> Value {
    let constant = t.builder.func.dfg.constants.insert([0; 16][..].into());
    t.builder.ins().vconst(ty, constant)
}
