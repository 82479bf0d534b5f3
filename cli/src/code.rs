//! The pieces of an artifact's code: functions, shims, stubs, the raise thunk.

use kernref::__internals::{ArtifactParts, ExportKind, ModuleInfo};
use kernref::Printable;
use std::collections::HashMap;
use std::ops::Range;

/// A piece of code.
pub struct Piece {
    /// What it is, for people: guests' names are escaped.
    pub name: String,
    /// The function's index, if it is one.
    pub function: Option<u32>,
    /// Where it lies, in bytes from the start of the code.
    pub range: Range<u32>,
}

/// The names of functions, by index: those of the name section, else the first ones
/// that they are exported under.
pub struct FunctionNames<'m>(HashMap<u32, &'m str>);

impl<'m> FunctionNames<'m> {
    pub fn new(info: &'m ModuleInfo) -> Self {
        let named = info.func_names.iter().map(|(func, name)| (func.0, name));
        let exported = info.exports.iter().filter_map(|export| match export.kind {
            ExportKind::Func(func) => Some((func.0, &*export.name)),
            _ => None,
        });
        let mut names = HashMap::new();
        for (index, name) in named.chain(exported) {
            names.entry(index).or_insert(name);
        }
        Self(names)
    }

    pub fn get(&self, index: u32) -> Option<&'m str> {
        self.0.get(&index).copied()
    }
}

/// A function's name for people: demangled, and without what acts on a terminal.
pub fn shown(name: &str) -> String {
    Printable(&format!("{:#}", rustc_demangle::demangle(name))).to_string()
}

/// All pieces, in the order of the code. Stubs that no table names are one piece.
pub fn pieces(parts: &ArtifactParts<&[u8]>, names: &FunctionNames<'_>) -> Vec<Piece> {
    let info = &parts.info;
    let mut pieces = Vec::new();
    for (code, index) in parts.functions.iter().zip(info.counts.imported_funcs..) {
        let name = match names.get(index) {
            Some(name) => format!("function {index} {}", shown(name)),
            None => format!("function {index}"),
        };
        pieces.push(Piece { name, function: Some(index), range: code.start..code.end });
    }
    for (kind, shims) in [("entry shim", &parts.entry_shims), ("exit stub", &parts.exit_stubs)] {
        for shim in shims {
            let ty = &info.types[shim.ty.index()];
            let name = format!("{kind} of type {} {ty}", shim.ty.0);
            pieces.push(Piece { name, function: None, range: shim.start..shim.end });
        }
    }
    let end = parts.code.len() as u32;
    let behind = pieces.last().map_or(0, |piece| piece.range.end).next_multiple_of(16);
    let thunk = parts.raise_thunk.unwrap_or(end);
    if behind < thunk {
        let name = "stubs of builtins and bulk operations".to_string();
        pieces.push(Piece { name, function: None, range: behind..thunk });
    }
    if thunk < end {
        let name = "raise thunk".to_string();
        pieces.push(Piece { name, function: None, range: thunk..end });
    }
    pieces
}
