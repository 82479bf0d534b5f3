//! Operators by family: one file each. A family returns `false` for operators
//! that are not its own; [`translate`] asks them in order of frequency.

mod call;
mod compare;
pub(super) mod control;
mod convert;
mod memory;
mod numeric;
mod reference;
mod simd;
mod table;
mod variable;

use super::translator::Translator;
use crate::error::{Error, Result};
use wasmparser::Operator;

/// Translates one validated operator. In unreachable code only the control
/// structure is followed.
pub(super) fn translate(t: &mut Translator<'_, '_>, op: &Operator<'_>) -> Result<()> {
    if !t.reachable {
        control::translate_unreachable(t, op);
        return Ok(());
    }
    t.count_fuel(op);
    // After the operator: its own check comes before what it does.
    let effects = t.facts.effects + u32::from(!is_silent(op));
    let done = variable::translate(t, op)
        || numeric::translate(t, op)
        || compare::translate(t, op)
        || memory::translate(t, op)
        || control::translate(t, op)?
        || call::translate(t, op)
        || convert::translate(t, op)
        || table::translate(t, op)
        || reference::translate(t, op)
        || simd::translate(t, op);
    t.facts.effects = effects;
    if done { Ok(()) } else { Err(Error::Bug("the validator let an unsupported operator pass")) }
}

/// Whether nobody can tell that `op` ran: it writes nothing that outlives the
/// function, has one way to go on, and can trap as out of a memory's bounds only.
fn is_silent(op: &Operator<'_>) -> bool {
    use Operator as O;
    matches!(
        op,
        O::LocalGet { .. }
            | O::LocalSet { .. }
            | O::LocalTee { .. }
            | O::I32Const { .. }
            | O::I64Const { .. }
            | O::F32Const { .. }
            | O::F64Const { .. }
            | O::Drop
            | O::Select
            | O::I32Load { .. }
            | O::I64Load { .. }
            | O::F32Load { .. }
            | O::F64Load { .. }
            | O::I32Load8S { .. }
            | O::I32Load8U { .. }
            | O::I32Load16S { .. }
            | O::I32Load16U { .. }
            | O::I64Load8S { .. }
            | O::I64Load8U { .. }
            | O::I64Load16S { .. }
            | O::I64Load16U { .. }
            | O::I64Load32S { .. }
            | O::I64Load32U { .. }
            | O::I32Eqz
            | O::I32Eq
            | O::I32Ne
            | O::I32LtU
            | O::I32GtU
            | O::I64Eqz
            | O::I64Eq
            | O::I64Ne
            | O::I32Add
            | O::I32Sub
            | O::I32Mul
            | O::I32And
            | O::I32Or
            | O::I32Xor
            | O::I32Shl
            | O::I32ShrS
            | O::I32ShrU
            | O::I32Rotl
            | O::I32WrapI64
            | O::I64Add
            | O::I64Sub
            | O::I64Mul
            | O::I64And
            | O::I64Or
            | O::I64Xor
            | O::I64Shl
            | O::I64ShrS
            | O::I64ShrU
            | O::I64Rotl
            | O::I64ExtendI32S
            | O::I64ExtendI32U
            | O::F32Add
            | O::F32Sub
            | O::F32Mul
            | O::F64Add
            | O::F64Sub
            | O::F64Mul
            | O::V128Load { .. }
            | O::V128Const { .. }
            | O::V128And
            | O::V128Or
            | O::V128Xor
            | O::I8x16Add
            | O::I16x8Add
            | O::I32x4Add
            | O::I32x4Mul
            | O::I64x2Add
            | O::F32x4Add
            | O::F32x4Mul
            | O::F64x2Add
            | O::F64x2Mul
    )
}
