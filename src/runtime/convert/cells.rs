//! Reading cells: generated code writes no more of one than its value has.

use crate::abi::ValRaw;
use crate::artifact::ValType;

/// Reads the value of type `ty` in a cell, of which no more than that is written.
///
/// # Safety
/// The cell holds a value of this type.
#[inline(always)]
pub(in crate::runtime) unsafe fn read(cell: *const ValRaw, ty: ValType) -> ValRaw {
    // SAFETY: so many bytes of it are initialised, by this function's contract.
    unsafe {
        match ty {
            ValType::V128 => cell.read(),
            ValType::I32 | ValType::F32 => ValRaw::read_u32(cell),
            ValType::I64 | ValType::F64 => ValRaw::read_u64(cell),
            ValType::Ref(ty) if ty.is_counted() => ValRaw::read_u32(cell),
            ValType::Ref(_) => ValRaw::read_u64(cell),
        }
    }
}
