//! Types, as bytes and back. Value types have the bytes of the binary format
//! (WebAssembly core, "Types" of the binary format).

use super::bytes::{Cursor, Out};
use crate::artifact::limits::{Limit, MEMORY32_PAGES, PARAMS, RESULTS, TABLE_ELEMENTS};
use crate::artifact::types::{
    FuncType, GlobalType, HeapType, MemoryType, RefType, TableType, ValType,
};
use crate::error::{Error, Result};
use crate::fallible::try_vec_with_capacity;

/// Pages that a memory with 64-bit addresses can be declared with.
const DECLARED_PAGES: Limit = Limit { what: MEMORY32_PAGES.what, most: 1 << 48 };
/// Elements that a table with 32-bit indices can be declared to grow to.
const DECLARED_ELEMENTS: Limit = Limit { what: TABLE_ELEMENTS.what, most: u32::MAX as u64 };

/// Bits of limits.
const HAS_MAXIMUM: u8 = 1 << 0;
const IS_64: u8 = 1 << 1;

fn ref_byte(ty: RefType) -> Result<u8> {
    match (ty.is_nullable(), ty.heap_type()) {
        (true, HeapType::Func) => Ok(0x70),
        (true, HeapType::Extern) => Ok(0x6f),
        (false, _) => Err(Error::Bug("a reference type that artifacts cannot name")),
    }
}

pub(super) fn write_ref(out: &mut Out, ty: RefType) -> Result<()> {
    out.byte(ref_byte(ty)?)
}

pub(super) fn write_val(out: &mut Out, ty: ValType) -> Result<()> {
    out.byte(match ty {
        ValType::I32 => 0x7f,
        ValType::I64 => 0x7e,
        ValType::F32 => 0x7d,
        ValType::F64 => 0x7c,
        ValType::V128 => 0x7b,
        ValType::Ref(ty) => ref_byte(ty)?,
    })
}

#[inline(never)]
pub(super) fn read_val(cursor: &mut Cursor<'_>) -> Result<ValType> {
    Ok(match cursor.byte()? {
        0x7f => ValType::I32,
        0x7e => ValType::I64,
        0x7d => ValType::F32,
        0x7c => ValType::F64,
        0x7b => ValType::V128,
        0x70 => ValType::FUNCREF,
        0x6f => ValType::EXTERNREF,
        _ => return Err(cursor.fault("an unknown type")),
    })
}

pub(super) fn read_ref(cursor: &mut Cursor<'_>) -> Result<RefType> {
    match read_val(cursor)? {
        ValType::Ref(ty) => Ok(ty),
        _ => Err(cursor.fault("no type of references")),
    }
}

pub(super) fn write_func(out: &mut Out, ty: &FuncType) -> Result<()> {
    out.list(ty.params(), |out, ty| write_val(out, *ty))?;
    out.list(ty.results(), |out, ty| write_val(out, *ty))
}

pub(super) fn read_func(cursor: &mut Cursor<'_>) -> Result<FuncType> {
    let params = cursor.count(PARAMS, 0, 1)?;
    let mut types = try_vec_with_capacity(params)?;
    for _ in 0..params {
        types.push(read_val(cursor)?);
    }
    let results = cursor.count(RESULTS, 0, 1)?;
    types.try_reserve_exact(results).map_err(|_| Error::OutOfMemory { bytes: results })?;
    for _ in 0..results {
        types.push(read_val(cursor)?);
    }
    FuncType::of_list(types, params as u32)
}

fn write_limits(out: &mut Out, is_64: bool, minimum: u64, maximum: Option<u64>) -> Result<()> {
    let is_64 = if is_64 { IS_64 } else { 0 };
    out.byte(is_64 | if maximum.is_some() { HAS_MAXIMUM } else { 0 })?;
    out.number(minimum)?;
    maximum.map_or(Ok(()), |maximum| out.number(maximum))
}

/// Whether indices have 64 bits; smallest and largest size.
fn read_limits(cursor: &mut Cursor<'_>) -> Result<(bool, u64, Option<u64>)> {
    let bits = cursor.byte()?;
    cursor.check(bits & !(HAS_MAXIMUM | IS_64) == 0, "unknown bits of limits")?;
    let minimum = cursor.number64()?;
    let maximum = match bits & HAS_MAXIMUM != 0 {
        true => Some(cursor.number64()?),
        false => None,
    };
    cursor.check(maximum.is_none_or(|most| minimum <= most), "a minimum above its maximum")?;
    Ok((bits & IS_64 != 0, minimum, maximum))
}

pub(super) fn write_table(out: &mut Out, ty: &TableType) -> Result<()> {
    let TableType { element, minimum, maximum, table64 } = *ty;
    write_ref(out, element)?;
    write_limits(out, table64, minimum, maximum)
}

pub(super) fn read_table(cursor: &mut Cursor<'_>) -> Result<TableType> {
    let element = read_ref(cursor)?;
    let (table64, minimum, maximum) = read_limits(cursor)?;
    TABLE_ELEMENTS.check(minimum)?;
    if !table64 {
        DECLARED_ELEMENTS.check(maximum.unwrap_or(0))?;
    }
    Ok(TableType { element, minimum, maximum, table64 })
}

pub(super) fn write_memory(out: &mut Out, ty: &MemoryType) -> Result<()> {
    let MemoryType { minimum, maximum, memory64 } = *ty;
    write_limits(out, memory64, minimum, maximum)
}

pub(super) fn read_memory(cursor: &mut Cursor<'_>) -> Result<MemoryType> {
    let (memory64, minimum, maximum) = read_limits(cursor)?;
    let limit = if memory64 { DECLARED_PAGES } else { MEMORY32_PAGES };
    limit.check(maximum.unwrap_or(minimum))?;
    Ok(MemoryType { minimum, maximum, memory64 })
}

pub(super) fn write_global(out: &mut Out, ty: &GlobalType) -> Result<()> {
    let GlobalType { content, mutable } = *ty;
    write_val(out, content)?;
    out.byte(u8::from(mutable))
}

pub(super) fn read_global(cursor: &mut Cursor<'_>) -> Result<GlobalType> {
    Ok(GlobalType { content: read_val(cursor)?, mutable: cursor.flag()? })
}
