//! Checks modules against the table of limits before the validator does: its
//! messages would not say which limit was exceeded, and by how much.

use crate::artifact::limits::{self, Limit};
use crate::error::{Error, Result};
use wasmparser::{BinaryReader, Operator, Payload, types::TypesRef};

/// Checks the number of entries that a section announces, after what the
/// validator has seen `before`.
pub(super) fn section<'t>(payload: &Payload<'_>, before: Option<TypesRef<'t>>) -> Result<()> {
    let check =
        |limit: Limit, before: u32, count: u32| limit.check(u64::from(before) + u64::from(count));
    let had = |count: fn(&TypesRef<'t>) -> u32| before.as_ref().map_or(0, count);
    match payload {
        Payload::TypeSection(section) => check(limits::TYPES, 0, section.count()),
        Payload::ImportSection(section) => check(limits::IMPORTS, 0, section.count()),
        Payload::FunctionSection(section) => {
            check(limits::FUNCTIONS, had(TypesRef::function_count), section.count())
        }
        Payload::TableSection(section) => {
            check(limits::TABLES, had(TypesRef::table_count), section.count())
        }
        Payload::MemorySection(section) => {
            check(limits::MEMORIES, had(TypesRef::memory_count), section.count())
        }
        Payload::GlobalSection(section) => {
            check(limits::GLOBALS, had(TypesRef::global_count), section.count())
        }
        Payload::ExportSection(section) => check(limits::EXPORTS, 0, section.count()),
        Payload::ElementSection(section) => check(limits::ELEMENT_SEGMENTS, 0, section.count()),
        Payload::DataSection(section) => check(limits::DATA_SEGMENTS, 0, section.count()),
        Payload::DataCountSection { count, .. } => check(limits::DATA_SEGMENTS, 0, *count),
        Payload::CodeSectionEntry(body) => {
            let range = body.range();
            limits::FUNCTION_BYTES.check(range.end.saturating_sub(range.start))
        }
        _ => Ok(()),
    }
}

/// Checks `count` more locals. A total above 32 bits is malformed, which the
/// validator reports.
pub(super) fn locals(before: u32, count: u32) -> Result<()> {
    let requested = u64::from(before) + u64::from(count);
    if requested > u64::from(u32::MAX) {
        return Ok(());
    }
    limits::LOCALS.check(requested)
}

/// Checks one operator at `depth` open blocks.
pub(super) fn operator(op: &Operator<'_>, depth: u32) -> Result<()> {
    match op {
        Operator::BrTable { targets } => limits::BRANCH_TARGETS.check(targets.len().into())?,
        Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } => {
            limits::NESTING.check(depth.into())?;
        }
        _ => {}
    }
    Ok(())
}

/// Sizes that only the parser sees: how its message begins, and the limit.
const PARSED: &[(&str, Limit)] = &[
    ("function params size is out of bounds", limits::PARAMS),
    ("function returns size is out of bounds", limits::RESULTS),
    ("br_table size is out of bounds", limits::BRANCH_TARGETS),
    ("string size out of bounds", limits::NAME_BYTES),
    ("number of elements is out of bounds", limits::SEGMENT_ELEMENTS),
    ("functions count exceeds limit", limits::FUNCTIONS),
    ("tables count exceeds limit", limits::TABLES),
    ("memories count exceeds limit", limits::MEMORIES),
    ("globals count exceeds limit", limits::GLOBALS),
];

/// The limit that the parser's error stands for, if any. Where the parser does
/// not point at the number, "requested" is the least it can have been.
pub(super) fn reached(error: &wasmparser::Error, wasm: &[u8]) -> Option<Error> {
    // The validator stops where the sum passes the limit.
    if error.message().starts_with("effective type size exceeds the limit") {
        return Some(limits::TYPE_SIZE.reached(limits::TYPE_SIZE.most + 1));
    }
    let (message, limit) =
        PARSED.iter().find(|(message, _)| error.message().starts_with(message))?;
    let at = usize::try_from(error.offset()).ok()?;
    let read = || BinaryReader::new(wasm.get(at..)?, 0).read_var_u32().ok();
    let points_at_number = message.ends_with("size is out of bounds");
    let requested = read().filter(|_| points_at_number).map_or(0, u64::from);
    Some(limit.reached(requested.max(limit.most + 1)))
}
