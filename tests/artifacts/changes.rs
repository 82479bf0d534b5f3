//! Each byte of artifacts but the code's is changed in turn: raw, and with the
//! checksum made anew, so that the structural checks are what is tested.

use super::{deserialize, engine, is_full, modules, refused, rewritten, serialized};
use kernref::{
    ArtifactFault, ArtifactSection, Engine, Error, Linker, Module, Store, StoreLimits,
    StoreLimitsBuilder,
};
use std::collections::BTreeSet;
use std::ops::Range;
use twox_hash::XxHash64;

const LENGTH: Range<usize> = 12..16;
const CHECKSUM: Range<usize> = 16..24;
/// Where the section table's last row, the code's, has offset and length.
const CODE_ROW: usize = 48 + 19 * 12;

/// Makes length and checksum right, as `docs/artifact-format.md` has it. False if
/// the bytes are too few to have them.
pub fn seal(bytes: &mut [u8]) -> bool {
    let len = bytes.len() as u32;
    if bytes.len() < CHECKSUM.end {
        return false;
    }
    bytes[LENGTH].copy_from_slice(&len.to_le_bytes());
    let checksum = XxHash64::oneshot(0, &bytes[CHECKSUM.end..]);
    bytes[CHECKSUM].copy_from_slice(&checksum.to_le_bytes());
    true
}

fn code_start(bytes: &[u8]) -> usize {
    let row = &bytes[CODE_ROW..CODE_ROW + 12];
    assert_eq!(row[0], 20, "the code's row");
    u32::from_le_bytes(row[4..8].try_into().unwrap()) as usize
}

/// A few other values for a byte, or all of them.
fn others(byte: u8) -> Vec<u8> {
    let all = if is_full() {
        (0..=255).collect()
    } else {
        vec![byte ^ 1, byte ^ 0x80, byte ^ 0x0f, 0, byte.wrapping_add(1), 0xff]
    };
    all.into_iter().filter(|other| *other != byte).collect()
}

#[test]
fn a_changed_byte_is_noticed() {
    let engine = engine();
    for (name, text) in modules::MODULES {
        let bytes = serialized(&wat::parse_str(text).unwrap());
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            for other in others(bytes[at]).into_iter().take(if is_full() { 255 } else { 1 }) {
                changed[at] = other;
                let fault = refused(&deserialize(&engine, &changed).unwrap_err()).fault;
                let is_named = match at {
                    0..8 => fault == ArtifactFault::NotAnArtifact,
                    8..12 => matches!(fault, ArtifactFault::Format { .. }),
                    12..16 => matches!(fault, ArtifactFault::Length { .. }),
                    _ => fault == ArtifactFault::Checksum,
                };
                assert!(is_named, "{name}: byte {at}: {fault}");
            }
        }
    }
}

/// Rules of the format that changes of single bytes break.
const RULES: &[&str] = &[
    "header: a section that does not follow the one before",
    "header: a setting that is not known",
    "header: not the sections of this version",
    "header: something between two sections",
    "types: an unknown type",
    "types: a list of more items than there are",
    "types: longer than its contents",
    "imports: a type that there is not",
    "imports: a name that is not in UTF-8",
    "imports: neither a function, table, memory nor global",
    "imports: a minimum above its maximum",
    "imports: unknown bits of limits",
    "imports: neither yes nor no",
    "imports: shorter than its contents",
    "functions: a type that there is not",
    "escapes: escaping functions out of order",
    "escapes: a function that there is not",
    "tables: no type of references",
    "tables: an expression of another type",
    "memories: a minimum above its maximum",
    "globals: a global that does not come before",
    "globals: an operation without its operands",
    "globals: an unknown operation",
    "globals: a function that does not escape",
    "exports: two exports of one name",
    "exports: a function that does not escape",
    "exports: a table that there is not",
    "exports: a memory that there is not",
    "exports: a global that there is not",
    "start: neither yes nor no",
    "start: a function that there is not",
    "elements: a segment that is of no kind",
    "elements: a segment of neither functions nor expressions",
    "elements: a segment for a table of another type",
    "elements: a table that there is not",
    "elements: a function that does not escape",
    "data: a segment that is of no kind",
    "data: a memory that there is not",
    "data bytes: not the bytes of the segments",
    "names: function names out of order",
    "names: a name of a function that there is not",
    "names: function names do not fill their text",
    "names: a name ends within a character",
    "ranges: code that does not begin at 16 bytes",
    "ranges: code out of order",
    "ranges: a range outside the code",
    "entry shims: shims out of order",
    "entry shims: a type that there is not",
    "entry shims: a shim that nothing needs",
    "exit stubs: a type without its shim",
    "raise thunk: code that does not begin at 16 bytes",
    "raise thunk: code out of order",
    "stack maps: calls out of order, or a map outside its frame",
    "sites: sites out of order, or outside the code",
];

/// What an artifact that was accepted imports, where it can be had.
fn linked(engine: &Engine) -> Linker<StoreLimits> {
    let mut linker = Linker::new(engine);
    linker.func_wrap("a", "f", |_: i32, _: i64| 0_i32).unwrap();
    linker
}

/// Makes an instance, but calls nothing.
fn instantiate(engine: &Engine, module: &Module) {
    let limits = StoreLimitsBuilder::new().memory_size(1 << 20).table_elements(1000).build();
    let mut store = Store::new(engine, limits).unwrap();
    store.limiter(|limits| limits).unwrap();
    let mut linker = linked(engine);
    if linker.define_unknown_imports_as_traps(module).is_ok() {
        drop(linker.instantiate(&mut store, module));
    }
}

#[test]
fn what_is_accepted_is_what_the_bytes_say() {
    let engine = engine();
    let mut broken = BTreeSet::new();
    let (mut accepted, mut made) = (0, 0);
    for (name, text) in modules::MODULES {
        let bytes = serialized(&wat::parse_str(text).unwrap());
        for at in (0..code_start(&bytes)).filter(|at| !(LENGTH.start..CHECKSUM.end).contains(at)) {
            let mut changed = bytes.clone();
            for other in others(bytes[at]) {
                changed[at] = other;
                assert!(seal(&mut changed));
                match rewritten(&changed) {
                    Ok(again) => assert!(again == changed, "{name}: byte {at}: {other:#x}"),
                    Err(Error::Artifact(error)) => {
                        broken.insert(format!("{}: {}", error.section, error.fault));
                        continue;
                    }
                    Err(Error::Limit(limit)) => {
                        broken.insert(limit.to_string());
                        continue;
                    }
                    Err(error) => panic!("{name}: byte {at}: {error}"),
                }
                accepted += 1;
                match deserialize(&engine, &changed) {
                    Ok(module) => {
                        made += 1;
                        assert!(module.serialize().unwrap() == changed);
                        if name != "start" {
                            instantiate(&engine, &module);
                        }
                    }
                    Err(Error::Misuse(kernref::Misuse::WrongFlavor(_))) => assert!(at < 48),
                    // Only who loads the thunk knows what it looks like.
                    Err(Error::Artifact(error)) => {
                        assert_eq!(error.section, ArtifactSection::RaiseThunk, "byte {at}");
                    }
                    Err(error) => panic!("{name}: byte {at}: {error}"),
                }
            }
        }
    }
    println!("{accepted} accepted, {made} of them made");
    let missing: Vec<_> = RULES.iter().filter(|rule| !broken.contains(**rule)).collect();
    assert!(missing.is_empty(), "never broken: {missing:#?}");
}
