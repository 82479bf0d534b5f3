//! Vector operators (WebAssembly core, "Vector Instructions"), by what they
//! do: [`memory`], [`lanes`], [`bits`], [`compare`], [`integer`], [`float`].
//!
//! Vectors on the operand stack all have one type; each operator casts to the
//! shape it works on, which costs no instructions.

mod bits;
mod compare;
mod float;
mod integer;
mod lanes;
mod memory;

use crate::compile::translator::Translator;
use cranelift_codegen::ir::{InstBuilder, Type};
use wasmparser::Operator;

pub(super) fn translate(t: &mut Translator<'_, '_>, op: &Operator<'_>) -> bool {
    memory::translate(t, op)
        || lanes::translate(t, op)
        || bits::translate(t, op)
        || integer::translate(t, op)
        || compare::translate(t, op)
        || float::translate(t, op)
}

/// Replaces the top vector by what `make` makes of it, seen as `ty`.
fn unary(
    t: &mut Translator<'_, '_>,
    ty: Type,
    make: impl FnOnce(
        cranelift_frontend::FuncInstBuilder<'_, '_>,
        cranelift_codegen::ir::Value,
    ) -> cranelift_codegen::ir::Value,
) {
    let a = t.pop_vector(ty);
    let value = make(t.builder.ins(), a);
    t.push_vector(value);
}

/// Replaces the top two vectors by what `make` makes of them, seen as `ty`.
fn binary(
    t: &mut Translator<'_, '_>,
    ty: Type,
    make: impl FnOnce(
        cranelift_frontend::FuncInstBuilder<'_, '_>,
        cranelift_codegen::ir::Value,
        cranelift_codegen::ir::Value,
    ) -> cranelift_codegen::ir::Value,
) {
    let b = t.pop_vector(ty);
    let a = t.pop_vector(ty);
    let value = make(t.builder.ins(), a, b);
    t.push_vector(value);
}

/// A vector of zeros.
fn zero(t: &mut Translator<'_, '_>, ty: Type) -> cranelift_codegen::ir::Value {
    let constant = t.builder.func.dfg.constants.insert([0; 16][..].into());
    t.builder.ins().vconst(ty, constant)
}
