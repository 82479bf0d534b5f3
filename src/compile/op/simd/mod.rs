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
mod shape;

use crate::compile::op::done::Done;
use crate::compile::translator::Translator;
use wasmparser::Operator;

pub(super) fn translate(t: &mut Translator<'_, '_>, op: &Operator<'_>) -> Done {
    memory::translate(t, op)
        .or_else(|| lanes::translate(t, op))
        .or_else(|| bits::translate(t, op))
        .or_else(|| integer::translate(t, op))
        .or_else(|| compare::translate(t, op))
        .or_else(|| float::translate(t, op))
}
