//! What a module declares, as sections and back. Index spaces and counts are not
//! stored: they follow from imports and definitions.

use super::bytes::{Cursor, Out};
use super::expressions::{self, Expressions, check_escapes};
use super::{code, segments, types};
use crate::abi::{FuncIndex, GlobalIndex, MemoryIndex, TableIndex, TypeIndex};
use crate::artifact::limits;
use crate::artifact::module::{
    Export, ExportKind, Global, Import, ImportKind, ModuleInfo, NO_ESCAPE,
};
use crate::error::{ArtifactSection as Section, Error, Result};
use crate::fallible::{try_push, try_vec_with_capacity};

/// Bytes for the kinds of imports and exports: those of the binary format.
const FUNC: u8 = 0;
const TABLE: u8 = 1;
const MEMORY: u8 = 2;
const GLOBAL: u8 = 3;

const INCONSISTENT: Error = Error::Bug("a module's index spaces are inconsistent");

/// Writes everything that a module declares.
pub(super) fn write(out: &mut Out, info: &ModuleInfo) -> Result<()> {
    // A new declaration must be written too.
    let ModuleInfo {
        types,
        imports,
        funcs,
        tables,
        table_inits,
        memories,
        globals,
        exports,
        start,
        elems,
        data,
        data_bytes,
        escape_indices: _,
        escaping,
        counts,
        name,
        func_names,
    } = info;
    out.section(Section::Types)?;
    out.list(types, types::write_func)?;
    out.section(Section::Imports)?;
    out.list(imports, write_import)?;
    out.section(Section::Functions)?;
    let defined = funcs.get(counts.imported_funcs as usize..).ok_or(INCONSISTENT)?;
    out.list(defined, |out, ty| out.number(ty.0.into()))?;
    out.section(Section::Escapes)?;
    out.list(escaping, |out, func| out.number(func.0.into()))?;
    out.section(Section::Tables)?;
    let defined = tables.get(counts.imported_tables as usize..).ok_or(INCONSISTENT)?;
    out.number(defined.len() as u64)?;
    for (ty, init) in defined.iter().zip(table_inits) {
        types::write_table(out, ty)?;
        expressions::write(out, init)?;
    }
    out.section(Section::Memories)?;
    let defined = memories.get(counts.imported_memories as usize..).ok_or(INCONSISTENT)?;
    out.list(defined, types::write_memory)?;
    out.section(Section::Globals)?;
    let defined = globals.get(counts.imported_globals as usize..).ok_or(INCONSISTENT)?;
    out.list(defined, |out, Global { ty, init }| {
        types::write_global(out, ty)?;
        expressions::write(out, init.as_ref().ok_or(INCONSISTENT)?)
    })?;
    out.section(Section::Exports)?;
    out.list(exports, write_export)?;
    out.section(Section::Start)?;
    out.byte(u8::from(start.is_some()))?;
    start.map_or(Ok(()), |func| out.number(func.0.into()))?;
    out.section(Section::Elements)?;
    out.list(elems, segments::write_element)?;
    out.section(Section::Data)?;
    out.list(data, segments::write_data)?;
    out.section(Section::DataBytes)?;
    out.raw(data_bytes)?;
    out.section(Section::Names)?;
    code::write_names(out, name.as_deref(), func_names)
}

fn write_import(out: &mut Out, import: &Import) -> Result<()> {
    let Import { module, name, kind } = import;
    out.text(module)?;
    out.text(name)?;
    match kind {
        ImportKind::Func(ty) => {
            out.byte(FUNC)?;
            out.number(ty.0.into())
        }
        ImportKind::Table(ty) => {
            out.byte(TABLE)?;
            types::write_table(out, ty)
        }
        ImportKind::Memory(ty) => {
            out.byte(MEMORY)?;
            types::write_memory(out, ty)
        }
        ImportKind::Global(ty) => {
            out.byte(GLOBAL)?;
            types::write_global(out, ty)
        }
    }
}

fn write_export(out: &mut Out, export: &Export) -> Result<()> {
    let Export { name, kind } = export;
    out.text(name)?;
    let (kind, index) = match *kind {
        ExportKind::Func(func) => (FUNC, func.0),
        ExportKind::Table(table) => (TABLE, table.0),
        ExportKind::Memory(memory) => (MEMORY, memory.0),
        ExportKind::Global(global) => (GLOBAL, global.0),
    };
    out.byte(kind)?;
    out.number(index.into())
}

/// Reads what [`write()`] writes.
pub(super) fn read<'b>(section: &dyn Fn(Section) -> Cursor<'b>) -> Result<ModuleInfo> {
    let mut info = ModuleInfo::default();
    let mut expressions = Expressions::default();
    read_types(section(Section::Types), &mut info)?;
    read_imports(section(Section::Imports), &mut info)?;
    read_functions(section(Section::Functions), &mut info)?;
    read_escapes(section(Section::Escapes), &mut info)?;
    read_tables(section(Section::Tables), &mut info, &mut expressions)?;
    read_memories(section(Section::Memories), &mut info)?;
    read_globals(section(Section::Globals), &mut info, &mut expressions)?;
    read_exports(section(Section::Exports), &mut info)?;
    read_start(section(Section::Start), &mut info)?;
    segments::read_elements(section(Section::Elements), &mut info, &mut expressions)?;
    let data = (section(Section::Data), section(Section::DataBytes));
    segments::read_data(data, &mut info, &mut expressions)?;
    code::read_names(section(Section::Names), &mut info)?;
    let context = section(Section::Header);
    context.check(info.offsets().is_some(), "a module whose instances would be too large")?;
    Ok(info)
}

fn read_types(mut cursor: Cursor<'_>, info: &mut ModuleInfo) -> Result<()> {
    let count = cursor.count(limits::TYPES, 0, 2)?;
    info.types = try_vec_with_capacity(count)?;
    for _ in 0..count {
        info.types.push(types::read_func(&mut cursor)?);
    }
    cursor.end()
}

fn read_imports(mut cursor: Cursor<'_>, info: &mut ModuleInfo) -> Result<()> {
    let count = cursor.count(limits::IMPORTS, 0, 4)?;
    info.imports = try_vec_with_capacity(count)?;
    let mut size = 0;
    for _ in 0..count {
        let (module, name) = (cursor.text()?, cursor.text()?);
        let kind = match cursor.byte()? {
            FUNC => {
                let ty = TypeIndex(cursor.index(info.types.len(), UNKNOWN_TYPE)?);
                try_push(&mut info.funcs, ty)?;
                info.counts.imported_funcs += 1;
                ImportKind::Func(ty)
            }
            TABLE => {
                let ty = types::read_table(&mut cursor)?;
                try_push(&mut info.tables, ty)?;
                info.counts.imported_tables += 1;
                ImportKind::Table(ty)
            }
            MEMORY => {
                let ty = types::read_memory(&mut cursor)?;
                try_push(&mut info.memories, ty)?;
                info.counts.imported_memories += 1;
                ImportKind::Memory(ty)
            }
            GLOBAL => {
                let ty = types::read_global(&mut cursor)?;
                try_push(&mut info.globals, Global { ty, init: None })?;
                info.counts.imported_globals += 1;
                ImportKind::Global(ty)
            }
            _ => return Err(cursor.fault(UNKNOWN_KIND)),
        };
        size += match kind {
            ImportKind::Func(ty) => type_size(info, ty),
            ImportKind::Table(_) | ImportKind::Memory(_) | ImportKind::Global(_) => 1,
        };
        limits::TYPE_SIZE.check(size)?;
        info.imports.push(Import { module, name, kind });
    }
    let counts = &info.counts;
    limits::TABLES.check(counts.imported_tables.into())?;
    limits::MEMORIES.check(counts.imported_memories.into())?;
    cursor.end()
}

const UNKNOWN_TYPE: &str = "a type that there is not";
const UNKNOWN_KIND: &str = "neither a function, table, memory nor global";

/// What a function counts towards [`limits::TYPE_SIZE`].
fn type_size(info: &ModuleInfo, ty: TypeIndex) -> u64 {
    info.types.get(ty.index()).map_or(1, |ty| 1 + (ty.params().len() + ty.results().len()) as u64)
}

fn read_functions(mut cursor: Cursor<'_>, info: &mut ModuleInfo) -> Result<()> {
    let count = cursor.count(limits::FUNCTIONS, info.funcs.len(), 1)?;
    info.funcs.try_reserve_exact(count).map_err(|_| refused::<TypeIndex>(count))?;
    for _ in 0..count {
        info.funcs.push(TypeIndex(cursor.index(info.types.len(), UNKNOWN_TYPE)?));
    }
    cursor.end()
}

const fn refused<T>(count: usize) -> Error {
    Error::OutOfMemory { bytes: count.saturating_mul(size_of::<T>()) }
}

fn read_escapes(mut cursor: Cursor<'_>, info: &mut ModuleInfo) -> Result<()> {
    let count = cursor.count(limits::FUNCTIONS, 0, 1)?;
    info.escape_indices = try_vec_with_capacity(info.funcs.len())?;
    info.escape_indices.resize(info.funcs.len(), NO_ESCAPE);
    info.escaping = try_vec_with_capacity(count)?;
    for index in 0..count {
        let func = FuncIndex(cursor.index(info.funcs.len(), UNKNOWN_FUNC)?);
        let in_order = info.escaping.last().is_none_or(|last| *last < func);
        cursor.check(in_order, "escaping functions out of order")?;
        info.escape_indices[func.index()] = index as u32;
        info.escaping.push(func);
    }
    info.counts.escaping_funcs = count as u32;
    cursor.end()
}

const UNKNOWN_FUNC: &str = "a function that there is not";

fn read_tables(
    mut cursor: Cursor<'_>,
    info: &mut ModuleInfo,
    expressions: &mut Expressions,
) -> Result<()> {
    let count = cursor.count(limits::TABLES, info.tables.len(), 5)?;
    info.tables.try_reserve_exact(count).map_err(|_| refused::<TypeIndex>(count))?;
    info.table_inits = try_vec_with_capacity(count)?;
    for _ in 0..count {
        let ty = types::read_table(&mut cursor)?;
        info.tables.push(ty);
        info.table_inits.push(expressions.read(&mut cursor, info, ty.element.into())?);
    }
    info.counts.defined_tables = count as u32;
    cursor.end()
}

fn read_memories(mut cursor: Cursor<'_>, info: &mut ModuleInfo) -> Result<()> {
    let count = cursor.count(limits::MEMORIES, info.memories.len(), 2)?;
    for _ in 0..count {
        try_push(&mut info.memories, types::read_memory(&mut cursor)?)?;
    }
    info.counts.defined_memories = count as u32;
    cursor.end()
}

fn read_globals(
    mut cursor: Cursor<'_>,
    info: &mut ModuleInfo,
    expressions: &mut Expressions,
) -> Result<()> {
    let count = cursor.count(limits::GLOBALS, info.globals.len(), 4)?;
    info.globals.try_reserve_exact(count).map_err(|_| refused::<Global>(count))?;
    for _ in 0..count {
        let ty = types::read_global(&mut cursor)?;
        let init = expressions.read(&mut cursor, info, ty.content)?;
        info.globals.push(Global { ty, init: Some(init) });
    }
    info.counts.defined_globals = count as u32;
    cursor.end()
}

fn read_exports(mut cursor: Cursor<'_>, info: &mut ModuleInfo) -> Result<()> {
    let count = cursor.count(limits::EXPORTS, 0, 3)?;
    info.exports = try_vec_with_capacity(count)?;
    let mut size = 0;
    for _ in 0..count {
        let name = cursor.text()?;
        let kind = match cursor.byte()? {
            FUNC => {
                let func = FuncIndex(cursor.index(info.funcs.len(), UNKNOWN_FUNC)?);
                check_escapes(&cursor, info, func)?;
                ExportKind::Func(func)
            }
            TABLE => ExportKind::Table(TableIndex(
                cursor.index(info.tables.len(), "a table that there is not")?,
            )),
            MEMORY => ExportKind::Memory(MemoryIndex(
                cursor.index(info.memories.len(), "a memory that there is not")?,
            )),
            GLOBAL => ExportKind::Global(GlobalIndex(
                cursor.index(info.globals.len(), "a global that there is not")?,
            )),
            _ => return Err(cursor.fault(UNKNOWN_KIND)),
        };
        size += match kind {
            ExportKind::Func(func) => type_size(info, info.funcs[func.index()]),
            ExportKind::Table(_) | ExportKind::Memory(_) | ExportKind::Global(_) => 1,
        };
        limits::TYPE_SIZE.check(size)?;
        info.exports.push(Export { name, kind });
    }
    let order = info.exports_by_name()?;
    let name = |at: &u32| info.exports.get(*at as usize).map(|export| &*export.name);
    cursor.check(order.is_sorted_by(|a, b| name(a) < name(b)), "two exports of one name")?;
    cursor.end()
}

fn read_start(mut cursor: Cursor<'_>, info: &mut ModuleInfo) -> Result<()> {
    if cursor.flag()? {
        let func = FuncIndex(cursor.index(info.funcs.len(), UNKNOWN_FUNC)?);
        check_escapes(&cursor, info, func)?;
        let ty = info.func_type(func);
        let is_plain = ty.params().is_empty() && ty.results().is_empty();
        cursor.check(is_plain, "a start function with parameters or results")?;
        info.start = Some(func);
    }
    cursor.end()
}
