//! Evaluates constant expressions of an instance whose imports and preceding
//! globals are in place.
//!
//! Invariant: a reference that results is held by the global it came from,
//! which is immutable and lives as long as the store.

use super::context::ContextView;
use crate::abi::{FuncIndex, ValRaw, VmFuncRef};
use crate::alloc;
use crate::artifact::{ConstExpr, ConstOp};
use crate::engine::Module;
use crate::error::{Error, Result};
use core::ptr::NonNull;
use std_alloc::vec::Vec;

/// What a constant expression costs beyond the thing that it initialises, in elements.
pub(crate) fn extra_work(expr: &ConstExpr) -> u64 {
    (expr.ops.len() as u64).saturating_sub(1)
}

/// The value of a constant expression.
pub(crate) fn eval(expr: &ConstExpr, module: &Module, view: ContextView<'_>) -> Result<ValRaw> {
    if let [op] = *expr.ops {
        return leaf(op, module, view)?.ok_or(MALFORMED);
    }
    let mut stack = Vec::new();
    for op in &expr.ops {
        let value = match leaf(*op, module, view)? {
            Some(value) => value,
            None => {
                let (right, left) = (stack.pop(), stack.pop());
                binary(*op, left.ok_or(MALFORMED)?, right.ok_or(MALFORMED)?)?
            }
        };
        alloc::try_push(&mut stack, value)?;
    }
    stack.pop().ok_or(MALFORMED)
}

const MALFORMED: Error = Error::Bug("malformed constant expression");

/// The value of an operation without operands; `None` if it has some.
fn leaf(op: ConstOp, module: &Module, view: ContextView<'_>) -> Result<Option<ValRaw>> {
    Ok(Some(match op {
        ConstOp::I32(value) => ValRaw::from_u32(value as u32),
        ConstOp::I64(value) => ValRaw::from_u64(value as u64),
        ConstOp::F32(bits) => ValRaw::from_u32(bits),
        ConstOp::F64(bits) => ValRaw::from_u64(bits),
        ConstOp::V128(bits) => ValRaw::from_u128(bits),
        ConstOp::RefNull(_) => ValRaw::null(),
        ConstOp::RefFunc(func) => ValRaw::from_func_ref(func_ref(func, module, view)?.as_ptr()),
        // SAFETY: alive (V6), and generated code does not run (V4).
        ConstOp::GlobalGet(global) => unsafe { (*view.global(global)?.as_ptr()).0 },
        ConstOp::I32Add
        | ConstOp::I32Sub
        | ConstOp::I32Mul
        | ConstOp::I64Add
        | ConstOp::I64Sub
        | ConstOp::I64Mul => return Ok(None),
    }))
}

fn binary(op: ConstOp, left: ValRaw, right: ValRaw) -> Result<ValRaw> {
    let i32 = |op: fn(u32, u32) -> u32| ValRaw::from_u32(op(left.u32(), right.u32()));
    let i64 = |op: fn(u64, u64) -> u64| ValRaw::from_u64(op(left.u64(), right.u64()));
    Ok(match op {
        ConstOp::I32Add => i32(u32::wrapping_add),
        ConstOp::I32Sub => i32(u32::wrapping_sub),
        ConstOp::I32Mul => i32(u32::wrapping_mul),
        ConstOp::I64Add => i64(u64::wrapping_add),
        ConstOp::I64Sub => i64(u64::wrapping_sub),
        ConstOp::I64Mul => i64(u64::wrapping_mul),
        _ => return Err(MALFORMED),
    })
}

/// The func ref of a function that escapes.
pub(crate) fn func_ref(
    func: FuncIndex,
    module: &Module,
    view: ContextView<'_>,
) -> Result<NonNull<VmFuncRef>> {
    let escape_indices = &module.info().escape_indices;
    view.func_ref(*escape_indices.get(func.index()).ok_or(MALFORMED)?)
}
