//! Element and data segments, as sections and back.

use super::bytes::{Cursor, Out};
use super::expressions::{self, Expressions, check_escapes};
use super::types;
use crate::abi::{FuncIndex, MemoryIndex, TableIndex};
use crate::artifact::limits::{DATA_SEGMENTS, ELEMENT_SEGMENTS, MODULE_BYTES, SEGMENT_ELEMENTS};
use crate::artifact::module::{
    DataMode, DataSegment, ElemItems, ElemMode, ElemSegment, ModuleInfo,
};
use crate::artifact::types::{RefType, ValType};
use crate::error::Result;
use crate::fallible::{try_boxed_slice, try_vec_with_capacity};

/// When a segment is used.
const PASSIVE: u8 = 0;
const ACTIVE: u8 = 1;
const DECLARED: u8 = 2;

/// What an element segment's items are.
const FUNCTIONS: u8 = 0;
const EXPRESSIONS: u8 = 1;

const UNKNOWN_MODE: &str = "a segment that is of no kind";

pub(super) fn write_element(out: &mut Out, segment: &ElemSegment) -> Result<()> {
    let ElemSegment { element, items, mode } = segment;
    match mode {
        ElemMode::Passive => out.byte(PASSIVE)?,
        ElemMode::Declared => out.byte(DECLARED)?,
        ElemMode::Active { table, offset } => {
            out.byte(ACTIVE)?;
            out.number(table.0.into())?;
            expressions::write(out, offset)?;
        }
    }
    match items {
        ElemItems::Funcs(funcs) => {
            out.byte(FUNCTIONS)?;
            out.list(funcs, |out, func| out.number(func.0.into()))
        }
        ElemItems::Exprs(exprs) => {
            out.byte(EXPRESSIONS)?;
            types::write_ref(out, *element)?;
            out.list(exprs, expressions::write)
        }
    }
}

pub(super) fn read_elements(
    mut cursor: Cursor<'_>,
    info: &mut ModuleInfo,
    expressions: &mut Expressions,
) -> Result<()> {
    let count = cursor.count(ELEMENT_SEGMENTS, 0, 3)?;
    info.elems = try_vec_with_capacity(count)?;
    for _ in 0..count {
        let segment = read_element(&mut cursor, info, expressions)?;
        info.elems.push(segment);
    }
    cursor.end()
}

fn read_element(
    cursor: &mut Cursor<'_>,
    info: &ModuleInfo,
    expressions: &mut Expressions,
) -> Result<ElemSegment> {
    let mode = match cursor.byte()? {
        PASSIVE => ElemMode::Passive,
        DECLARED => ElemMode::Declared,
        ACTIVE => {
            let table = TableIndex(cursor.index(info.tables.len(), "a table that there is not")?);
            let index = index_type(info.tables[table.index()].table64);
            ElemMode::Active { table, offset: expressions.read(cursor, info, index)? }
        }
        _ => return Err(cursor.fault(UNKNOWN_MODE)),
    };
    let (element, items) = match cursor.byte()? {
        FUNCTIONS => {
            let count = cursor.count(SEGMENT_ELEMENTS, 0, 1)?;
            let mut funcs = try_vec_with_capacity(count)?;
            for _ in 0..count {
                let func = FuncIndex(cursor.number()?);
                check_escapes(cursor, info, func)?;
                funcs.push(func);
            }
            (RefType::FUNCREF, ElemItems::Funcs(try_boxed_slice(funcs)?))
        }
        EXPRESSIONS => {
            let element = types::read_ref(cursor)?;
            let count = cursor.count(SEGMENT_ELEMENTS, 0, 2)?;
            let mut exprs = try_vec_with_capacity(count)?;
            for _ in 0..count {
                exprs.push(expressions.read(cursor, info, element.into())?);
            }
            (element, ElemItems::Exprs(try_boxed_slice(exprs)?))
        }
        _ => return Err(cursor.fault("a segment of neither functions nor expressions")),
    };
    if let ElemMode::Active { table, .. } = &mode {
        let fits = info.tables[table.index()].element == element;
        cursor.check(fits, "a segment for a table of another type")?;
    }
    Ok(ElemSegment { element, items, mode })
}

pub(super) fn write_data(out: &mut Out, segment: &DataSegment) -> Result<()> {
    // Where its bytes begin follows from the segments before.
    let DataSegment { start: _, len, mode } = segment;
    match mode {
        DataMode::Passive => out.byte(PASSIVE)?,
        DataMode::Active { memory, offset } => {
            out.byte(ACTIVE)?;
            out.number(memory.0.into())?;
            expressions::write(out, offset)?;
        }
    }
    out.number((*len).into())
}

/// Reads the segments from one section, and their bytes from another.
pub(super) fn read_data(
    (mut cursor, mut bytes): (Cursor<'_>, Cursor<'_>),
    info: &mut ModuleInfo,
    expressions: &mut Expressions,
) -> Result<()> {
    let count = cursor.count(DATA_SEGMENTS, 0, 2)?;
    info.data = try_vec_with_capacity(count)?;
    let mut end = 0_u64;
    for _ in 0..count {
        let mode = match cursor.byte()? {
            PASSIVE => DataMode::Passive,
            ACTIVE => {
                let memories = info.memories.len();
                let memory = MemoryIndex(cursor.index(memories, "a memory that there is not")?);
                let index = index_type(info.memories[memory.index()].memory64);
                DataMode::Active { memory, offset: expressions.read(&mut cursor, info, index)? }
            }
            _ => return Err(cursor.fault(UNKNOWN_MODE)),
        };
        let (start, len) = (end as u32, cursor.number()?);
        end += u64::from(len);
        MODULE_BYTES.check(end)?;
        info.data.push(DataSegment { start, len, mode });
    }
    cursor.end()?;
    bytes.check(end == bytes.rest().len() as u64, "not the bytes of the segments")?;
    info.data_bytes = bytes.words(end as usize)?;
    Ok(())
}

fn index_type(is_64: bool) -> ValType {
    if is_64 { ValType::I64 } else { ValType::I32 }
}
