//! What describes the machine code, as sections and back: names, ranges, shims,
//! stack maps, sites.

use super::bytes::{Cursor, Out};
use crate::abi::TypeIndex;
use crate::artifact::code_sites::CodeSites;
use crate::artifact::limits::{CODE_BYTES, FUNCTIONS, NAME_BYTES};
use crate::artifact::module::{FunctionCode, ModuleInfo, ShimCode};
use crate::artifact::names::FuncNames;
use crate::artifact::stack_map::StackMaps;
use crate::error::{ArtifactSection as Section, Result};
use crate::fallible::try_vec_with_capacity;
use std_alloc::vec::Vec;

/// What every function, shim and stub is aligned to.
const CODE_ALIGN: u32 = 16;

pub(super) fn write_names(out: &mut Out, module: Option<&str>, names: &FuncNames) -> Result<()> {
    let FuncNames { entries, text } = names;
    out.word(entries.len())?;
    out.words(entries)?;
    out.byte(u8::from(module.is_some()))?;
    module.map_or(Ok(()), |name| out.text(name))?;
    out.raw(text.as_bytes())
}

pub(super) fn read_names(mut cursor: Cursor<'_>, info: &mut ModuleInfo) -> Result<()> {
    let count = cursor.word()?;
    FUNCTIONS.check(count.into())?;
    let entries = cursor.words(count as usize)?;
    info.name = match cursor.flag()? {
        true => Some(cursor.text()?),
        false => None,
    };
    let names = FuncNames { entries, text: cursor.text_of(cursor.rest().len())? };
    if let Some(fault) = names.fault(info.funcs.len()) {
        return Err(cursor.fault(fault));
    }
    let mut before = 0;
    for [_, end] in &*names.entries {
        NAME_BYTES.check(u64::from(end - before))?;
        before = *end;
    }
    info.func_names = names;
    cursor.end()
}

/// Where the pieces of the code lie.
pub(super) struct Ranges {
    pub(super) functions: Vec<FunctionCode>,
    pub(super) entry_shims: Vec<ShimCode>,
    pub(super) exit_stubs: Vec<ShimCode>,
    pub(super) raise_thunk: Option<u32>,
}

pub(super) fn write_ranges(
    out: &mut Out,
    functions: &[FunctionCode],
    (entry_shims, exit_stubs): (&[ShimCode], &[ShimCode]),
    raise_thunk: Option<u32>,
) -> Result<()> {
    out.section(Section::Ranges)?;
    for FunctionCode { start, end } in functions {
        out.words(&[*start, *end])?;
    }
    for (section, shims) in [(Section::EntryShims, entry_shims), (Section::ExitStubs, exit_stubs)] {
        out.section(section)?;
        for ShimCode { ty, start, end } in shims {
            out.words(&[ty.0, *start, *end])?;
        }
    }
    out.section(Section::RaiseThunk)?;
    raise_thunk.map_or(Ok(()), |thunk| out.words(&[thunk]))
}

/// Checks that pieces of code follow each other, aligned and within the code.
struct Order {
    end: u32,
    code_len: u32,
}

impl Order {
    fn next(&mut self, cursor: &Cursor<'_>, start: u32, end: u32) -> Result<()> {
        cursor.check(start.is_multiple_of(CODE_ALIGN), "code that does not begin at 16 bytes")?;
        cursor.check(self.end <= start, "code out of order")?;
        cursor.check(start < end && end <= self.code_len, "a range outside the code")?;
        self.end = end;
        Ok(())
    }
}

pub(super) fn read_ranges<'b>(
    section: &dyn Fn(Section) -> Cursor<'b>,
    info: &ModuleInfo,
    code_len: u32,
) -> Result<Ranges> {
    CODE_BYTES.check(code_len.into())?;
    let mut order = Order { end: 0, code_len };
    let cursor = section(Section::Ranges);
    let rows = cursor.rows::<2>()?;
    let defined = info.funcs.len() - info.counts.imported_funcs as usize;
    cursor.check(rows.len() == defined, "not one range for each function")?;
    let mut functions = try_vec_with_capacity(defined)?;
    for [start, end] in rows {
        order.next(&cursor, start, end)?;
        functions.push(FunctionCode { start, end });
    }
    let mut types = try_vec_with_capacity(info.types.len())?;
    types.resize(info.types.len(), Wanted::No);
    for func in &info.escaping {
        if !info.is_imported_func(*func) {
            types[info.funcs[func.index()].index()] = Wanted::Yes;
        }
    }
    let entry_shims = read_shims(&section(Section::EntryShims), &mut order, &mut types)?;
    types.fill(Wanted::Perhaps);
    for ty in info.funcs.iter().take(info.counts.imported_funcs as usize) {
        types[ty.index()] = Wanted::Yes;
    }
    let exit_stubs = read_shims(&section(Section::ExitStubs), &mut order, &mut types)?;
    let cursor = section(Section::RaiseThunk);
    let mut thunks = cursor.rows::<1>()?;
    let raise_thunk = thunks.next().map(|[thunk]| thunk);
    cursor.check(thunks.next().is_none(), "more than one raise thunk")?;
    if let Some(thunk) = raise_thunk {
        order.next(&cursor, thunk, code_len)?;
    }
    Ok(Ranges { functions, entry_shims, exit_stubs, raise_thunk })
}

/// Whether there must be a shim for a type.
#[derive(Clone, Copy, PartialEq)]
enum Wanted {
    No,
    Perhaps,
    Yes,
}

fn read_shims(
    cursor: &Cursor<'_>,
    order: &mut Order,
    types: &mut [Wanted],
) -> Result<Vec<ShimCode>> {
    let rows = cursor.rows::<3>()?;
    let mut shims = try_vec_with_capacity(rows.len())?;
    let mut next_type = 0;
    for [ty, start, end] in rows {
        cursor.check(ty >= next_type, "shims out of order")?;
        let wanted = types.get_mut(ty as usize).ok_or(cursor.fault("a type that there is not"))?;
        cursor.check(*wanted != Wanted::No, "a shim that nothing needs")?;
        *wanted = Wanted::No;
        order.next(cursor, start, end)?;
        next_type = ty + 1;
        shims.push(ShimCode { ty: TypeIndex(ty), start, end });
    }
    cursor.check(!types.contains(&Wanted::Yes), "a type without its shim")?;
    Ok(shims)
}

pub(super) fn write_stack_maps(out: &mut Out, maps: &StackMaps) -> Result<()> {
    let StackMaps { return_offsets, map_starts, words } = maps;
    out.section(Section::StackMaps)?;
    out.word(return_offsets.len())?;
    out.words(return_offsets)?;
    out.words(map_starts)?;
    out.words(words)
}

pub(super) fn read_stack_maps(mut cursor: Cursor<'_>, code_len: u32) -> Result<StackMaps> {
    let count = cursor.word()? as usize;
    let (return_offsets, map_starts) = (cursor.words(count)?, cursor.words(count)?);
    let len = cursor.rest().len();
    cursor.check(len.is_multiple_of(size_of::<u32>()), "not of whole words")?;
    let words = cursor.words(len / size_of::<u32>())?;
    let maps = StackMaps { return_offsets, map_starts, words };
    cursor
        .check(maps.is_well_formed(code_len)?, "calls out of order, or a map outside its frame")?;
    cursor.end()?;
    Ok(maps)
}

pub(super) fn write_sites(out: &mut Out, sites: &CodeSites) -> Result<()> {
    let CodeSites { bytes, restarts } = sites;
    out.section(Section::Sites)?;
    out.word(restarts.len())?;
    out.words(restarts)?;
    out.raw(bytes)
}

pub(super) fn read_sites(mut cursor: Cursor<'_>, code_len: u32) -> Result<CodeSites> {
    let count = cursor.word()? as usize;
    let restarts = cursor.words(count)?;
    let bytes = cursor.words(cursor.rest().len())?;
    let sites = CodeSites { bytes, restarts };
    cursor.check(sites.is_well_formed(code_len), "sites out of order, or outside the code")?;
    cursor.end()?;
    Ok(sites)
}
