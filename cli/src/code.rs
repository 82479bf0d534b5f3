//! The pieces of an artifact's code: functions, shims, stubs, the raise thunk.

use kernref::__internals::{ArtifactParts, ExportKind, ModuleInfo};
use kernref::Printable;
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

/// A function's index and name.
pub fn function_name(info: &ModuleInfo, index: u32) -> Option<&str> {
    info.func_names.iter().find(|(func, _)| func.0 == index).map(|(_, name)| name).or_else(|| {
        let exported = |kind| matches!(kind, ExportKind::Func(func) if func.0 == index);
        info.exports.iter().find(|export| exported(export.kind)).map(|export| &*export.name)
    })
}

/// A function's name for people: demangled, and without what acts on a terminal.
pub fn shown(name: &str) -> String {
    Printable(&format!("{:#}", rustc_demangle::demangle(name))).to_string()
}

/// All pieces, in the order of the code. Stubs that no table names are one piece.
pub fn pieces(parts: &ArtifactParts<&[u8]>) -> Vec<Piece> {
    let info = &parts.info;
    let mut pieces = Vec::new();
    for (code, index) in parts.functions.iter().zip(info.counts.imported_funcs..) {
        let name = match function_name(info, index) {
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
