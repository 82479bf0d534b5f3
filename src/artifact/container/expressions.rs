//! Constant expressions, as bytes and back. What is read is valid: each
//! operation finds its operands, globals are immutable and come before, functions
//! escape, and one value of the wanted type is left (WebAssembly core, "Constant
//! Expressions").

use super::bytes::{Cursor, Out};
use super::types::{read_ref, write_ref};
use crate::abi::{FuncIndex, GlobalIndex};
use crate::artifact::limits::CONST_OPERATIONS;
use crate::artifact::module::{ConstExpr, ConstOp, ModuleInfo, NO_ESCAPE};
use crate::artifact::types::ValType;
use crate::error::Result;
use crate::fallible::{try_boxed_slice, try_push, try_vec_with_capacity};
use std_alloc::vec::Vec;

/// Operations, by their bytes in the binary format; vectors have one byte only.
mod code {
    pub(super) const GLOBAL_GET: u8 = 0x23;
    pub(super) const I32_CONST: u8 = 0x41;
    pub(super) const I64_CONST: u8 = 0x42;
    pub(super) const F32_CONST: u8 = 0x43;
    pub(super) const F64_CONST: u8 = 0x44;
    pub(super) const I32_ADD: u8 = 0x6a;
    pub(super) const I32_SUB: u8 = 0x6b;
    pub(super) const I32_MUL: u8 = 0x6c;
    pub(super) const I64_ADD: u8 = 0x7c;
    pub(super) const I64_SUB: u8 = 0x7d;
    pub(super) const I64_MUL: u8 = 0x7e;
    pub(super) const REF_NULL: u8 = 0xd0;
    pub(super) const REF_FUNC: u8 = 0xd2;
    pub(super) const V128_CONST: u8 = 0xfd;
}

pub(super) fn write(out: &mut Out, expr: &ConstExpr) -> Result<()> {
    out.list(&expr.ops, write_op)
}

fn write_op(out: &mut Out, op: &ConstOp) -> Result<()> {
    match *op {
        ConstOp::I32(value) => {
            out.byte(code::I32_CONST)?;
            out.signed(value.into())
        }
        ConstOp::I64(value) => {
            out.byte(code::I64_CONST)?;
            out.signed(value)
        }
        ConstOp::F32(bits) => {
            out.byte(code::F32_CONST)?;
            out.raw(&bits.to_le_bytes())
        }
        ConstOp::F64(bits) => {
            out.byte(code::F64_CONST)?;
            out.raw(&bits.to_le_bytes())
        }
        ConstOp::V128(bits) => {
            out.byte(code::V128_CONST)?;
            out.raw(&bits.to_le_bytes())
        }
        ConstOp::RefNull(ty) => {
            out.byte(code::REF_NULL)?;
            write_ref(out, ty)
        }
        ConstOp::RefFunc(func) => {
            out.byte(code::REF_FUNC)?;
            out.number(func.0.into())
        }
        ConstOp::GlobalGet(global) => {
            out.byte(code::GLOBAL_GET)?;
            out.number(global.0.into())
        }
        ConstOp::I32Add => out.byte(code::I32_ADD),
        ConstOp::I32Sub => out.byte(code::I32_SUB),
        ConstOp::I32Mul => out.byte(code::I32_MUL),
        ConstOp::I64Add => out.byte(code::I64_ADD),
        ConstOp::I64Sub => out.byte(code::I64_SUB),
        ConstOp::I64Mul => out.byte(code::I64_MUL),
    }
}

/// Reads expressions of a module.
#[derive(Default)]
pub(super) struct Expressions {
    /// Types on the stack of the expression that is read; kept to be used again.
    stack: Vec<ValType>,
}

impl Expressions {
    /// Reads an expression of type `wanted`, which may name the globals that
    /// `info` has so far.
    pub(super) fn read(
        &mut self,
        cursor: &mut Cursor<'_>,
        info: &ModuleInfo,
        wanted: ValType,
    ) -> Result<ConstExpr> {
        let count = cursor.count(CONST_OPERATIONS, 0, 1)?;
        let mut ops = try_vec_with_capacity(count)?;
        self.stack.clear();
        for _ in 0..count {
            let op = read_op(cursor)?;
            let ty = self.apply(cursor, info, op)?;
            try_push(&mut self.stack, ty)?;
            ops.push(op);
        }
        cursor.check(*self.stack == [wanted], "an expression of another type")?;
        Ok(ConstExpr { ops: try_boxed_slice(ops)? })
    }

    /// Takes the operands of an operation from the stack; what type it gives.
    fn apply(&mut self, cursor: &Cursor<'_>, info: &ModuleInfo, op: ConstOp) -> Result<ValType> {
        let mut binary = |ty| {
            let operands = (self.stack.pop(), self.stack.pop());
            cursor.check(operands == (Some(ty), Some(ty)), "an operation without its operands")?;
            Ok(ty)
        };
        match op {
            ConstOp::I32(_) => Ok(ValType::I32),
            ConstOp::I64(_) => Ok(ValType::I64),
            ConstOp::F32(_) => Ok(ValType::F32),
            ConstOp::F64(_) => Ok(ValType::F64),
            ConstOp::V128(_) => Ok(ValType::V128),
            ConstOp::RefNull(ty) => Ok(ty.into()),
            ConstOp::RefFunc(func) => {
                check_escapes(cursor, info, func)?;
                Ok(ValType::FUNCREF)
            }
            ConstOp::GlobalGet(global) => {
                let global = info.globals.get(global.index());
                let global = global.ok_or(cursor.fault("a global that does not come before"))?;
                cursor.check(!global.ty.mutable, "a constant that depends on a mutable global")?;
                Ok(global.ty.content)
            }
            ConstOp::I32Add | ConstOp::I32Sub | ConstOp::I32Mul => binary(ValType::I32),
            ConstOp::I64Add | ConstOp::I64Sub | ConstOp::I64Mul => binary(ValType::I64),
        }
    }
}

fn read_op(cursor: &mut Cursor<'_>) -> Result<ConstOp> {
    Ok(match cursor.byte()? {
        code::I32_CONST => {
            let value = i32::try_from(cursor.signed()?);
            ConstOp::I32(value.map_err(|_| cursor.fault("a number of more than 32 bits"))?)
        }
        code::I64_CONST => ConstOp::I64(cursor.signed()?),
        code::F32_CONST => ConstOp::F32(u32::from_le_bytes(cursor.array()?)),
        code::F64_CONST => ConstOp::F64(u64::from_le_bytes(cursor.array()?)),
        code::V128_CONST => ConstOp::V128(u128::from_le_bytes(cursor.array()?)),
        code::REF_NULL => ConstOp::RefNull(read_ref(cursor)?),
        code::REF_FUNC => ConstOp::RefFunc(FuncIndex(cursor.number()?)),
        code::GLOBAL_GET => ConstOp::GlobalGet(GlobalIndex(cursor.number()?)),
        code::I32_ADD => ConstOp::I32Add,
        code::I32_SUB => ConstOp::I32Sub,
        code::I32_MUL => ConstOp::I32Mul,
        code::I64_ADD => ConstOp::I64Add,
        code::I64_SUB => ConstOp::I64Sub,
        code::I64_MUL => ConstOp::I64Mul,
        _ => return Err(cursor.fault("an unknown operation")),
    })
}

/// Refuses a function that cannot be reached from outside.
pub(super) fn check_escapes(cursor: &Cursor<'_>, info: &ModuleInfo, func: FuncIndex) -> Result<()> {
    let escape = info.escape_indices.get(func.index());
    cursor.check(escape.is_some_and(|index| *index != NO_ESCAPE), "a function that does not escape")
}
