//! Inspects and tidies modules: validates them with only the proposals guests
//! need, lists imports and exports, removes custom sections other than `name`.

use crate::Result;
use std::fmt;
use wasmparser::types::{EntityType, Types};
use wasmparser::{FuncType, Parser, Payload, Validator, WasmFeatures};

/// The host module `kernel`. Clang and Rust use `i32` for pointers and lengths.
const KERNEL: &[(&str, &str)] = &[
    ("console_open", "() -> externref"),
    ("console_write", "(externref, i32, i32)"),
    ("clock_open", "() -> externref"),
    ("clock_now_ns", "(externref) -> i64"),
    ("block_alloc", "(i32) -> externref"),
    ("block_len", "(externref) -> i32"),
    ("block_read", "(externref, i32, i32, i32) -> i32"),
    ("block_write", "(externref, i32, i32, i32) -> i32"),
    ("counter_open", "(i32, i32) -> externref"),
    ("counter_add", "(externref, i64) -> i64"),
];

/// Features guests may use: all are on by default in Kernref.
fn features() -> WasmFeatures {
    WasmFeatures::FLOATS
        | WasmFeatures::GC_TYPES
        | WasmFeatures::MUTABLE_GLOBAL
        | WasmFeatures::SATURATING_FLOAT_TO_INT
        | WasmFeatures::SIGN_EXTENSION
        | WasmFeatures::MULTI_VALUE
        | WasmFeatures::BULK_MEMORY
        | WasmFeatures::REFERENCE_TYPES
}

/// A module's imports and exports, in module order.
#[derive(PartialEq, Eq)]
pub struct Interface {
    imports: Vec<(String, String, String)>,
    exports: Vec<(String, String)>,
}

impl Interface {
    /// An error unless this export exists and has this type.
    pub fn must_export(&self, name: &str, ty: &str) -> Result<()> {
        match self.exports.iter().find(|(export, _)| export == name) {
            Some((_, found)) if found.starts_with(ty) => Ok(()),
            Some((_, found)) => Err(format!("the export `{name}` is {found}, not {ty}")),
            None => Err(format!("there is no export `{name}`")),
        }
    }

    /// An error if anything is imported.
    pub fn must_import_nothing(&self) -> Result<()> {
        match self.imports.first() {
            None => Ok(()),
            Some((module, name, _)) => Err(format!("imports `{module}.{name}`")),
        }
    }

    /// An error if anything is imported that is not WASI's.
    pub fn must_import_from_wasi(&self) -> Result<()> {
        let other = self.imports.iter().find(|(module, ..)| module != "wasi_snapshot_preview1");
        match other {
            None => Ok(()),
            Some((module, name, _)) => Err(format!("imports `{module}.{name}`")),
        }
    }

    /// An error if anything is imported that the kernel does not provide.
    pub fn must_import_from_kernel(&self) -> Result<()> {
        for (module, name, ty) in &self.imports {
            let offered = KERNEL.iter().find(|(offered, _)| module == "kernel" && offered == name);
            match offered {
                Some((_, offered)) if offered == ty => {}
                Some((_, offered)) => {
                    return Err(format!("imports `{name}` as {ty}, but it is {offered}"));
                }
                None => return Err(format!("imports `{module}.{name}`, which nobody offers")),
            }
        }
        Ok(())
    }
}

impl fmt::Display for Interface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (module, name, ty) in &self.imports {
            writeln!(f, "  import {module}.{name} {ty}")?;
        }
        for (name, ty) in &self.exports {
            writeln!(f, "  export {name} {ty}")?;
        }
        Ok(())
    }
}

fn signature(ty: &FuncType) -> String {
    let list = |types: &[wasmparser::ValType]| {
        types.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    };
    let params = list(ty.params());
    match ty.results() {
        [] => format!("({params})"),
        [one] => format!("({params}) -> {one}"),
        more => format!("({params}) -> ({})", list(more)),
    }
}

fn describe(types: &Types, entity: EntityType) -> String {
    match entity {
        EntityType::Func(id) | EntityType::FuncExact(id) => signature(types[id].unwrap_func()),
        EntityType::Memory(ty) => match ty.maximum {
            Some(maximum) => format!("memory of {} to {maximum} pages", ty.initial),
            None => format!("memory of {} pages or more", ty.initial),
        },
        EntityType::Table(ty) => format!("table of {}", ty.element_type),
        EntityType::Global(ty) => format!("global {}", ty.content_type),
        EntityType::Tag(_) => "tag".into(),
    }
}

/// Validates a module and returns its interface.
pub fn inspect(bytes: &[u8]) -> Result<Interface> {
    let invalid = |error: wasmparser::BinaryReaderError| format!("not valid: {error}");
    let types = Validator::new_with_features(features()).validate_all(bytes).map_err(invalid)?;
    let view = types.as_ref();
    let imports = view.core_imports().into_iter().flatten();
    let exports = view.core_exports().into_iter().flatten();
    Ok(Interface {
        imports: imports
            .map(|(module, name, ty)| (module.into(), name.into(), describe(&types, ty)))
            .collect(),
        exports: exports.map(|(name, ty)| (name.into(), describe(&types, ty))).collect(),
    })
}

/// The module without custom sections other than `name`: what tools record
/// about themselves changes with their versions, and nothing here reads it.
pub fn tidy(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut tidied = bytes.get(..8).ok_or("not a module")?.to_vec();
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload.map_err(|error| format!("not a module: {error}"))?;
        if matches!(&payload, Payload::CustomSection(custom) if custom.name() != "name") {
            continue;
        }
        if let Some((id, range)) = payload.as_section() {
            let range = usize::try_from(range.start).ok().zip(usize::try_from(range.end).ok());
            let contents = range.and_then(|(start, end)| bytes.get(start..end));
            let contents = contents.ok_or("a section beyond the end")?;
            tidied.push(id);
            number(&mut tidied, contents.len());
            tidied.extend_from_slice(contents);
        }
    }
    Ok(tidied)
}

/// Appends a number as LEB128.
fn number(bytes: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        bytes.push(0x80 | (number & 0x7f) as u8);
        number >>= 7;
    }
    bytes.push(number as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn module(text: &str) -> Vec<u8> {
        wat::parse_str(text).unwrap()
    }

    #[test]
    fn tidying_keeps_names_and_drops_other_custom_sections() {
        let plain = module(r#"(module $m (func $f (export "run") (result i32) i32.const 0))"#);
        let more = module(
            r#"(module $m (@custom "producers" (before func) "x")
                 (func $f (export "run") (result i32) i32.const 0))"#,
        );
        assert_ne!(plain, more);
        assert_eq!(tidy(&more).unwrap(), plain);
        assert_eq!(tidy(&plain).unwrap(), plain);
    }

    #[test]
    fn lengths_are_written_as_leb128() {
        let mut bytes = Vec::new();
        number(&mut bytes, 0x7f);
        number(&mut bytes, 0x80);
        number(&mut bytes, 624_485);
        assert_eq!(bytes, [0x7f, 0x80, 0x01, 0xe5, 0x8e, 0x26]);
    }

    #[test]
    fn interfaces_are_told_and_checked() {
        let interface = inspect(&module(
            r#"(module (import "kernel" "block_len" (func (param externref) (result i32)))
                 (memory (export "memory") 1)
                 (func (export "run") (result i32) i32.const 0))"#,
        ))
        .unwrap();
        assert_eq!(
            interface.to_string(),
            "  import kernel.block_len (externref) -> i32\n  \
             export memory memory of 1 pages or more\n  export run () -> i32\n"
        );
        interface.must_export("run", "() -> i32").unwrap();
        interface.must_export("memory", "memory").unwrap();
        interface.must_import_from_kernel().unwrap();
        assert!(interface.must_export("run", "(i32) -> i64").is_err());
        assert!(interface.must_import_nothing().is_err());
    }

    #[test]
    fn imports_with_other_signatures_are_refused() {
        let interface = inspect(&module(
            r#"(module (import "kernel" "block_len" (func (param i32) (result i32))))"#,
        ))
        .unwrap();
        assert!(interface.must_import_from_kernel().is_err());
    }

    #[test]
    fn proposals_that_no_guest_needs_are_refused() {
        assert!(inspect(&module("(module (memory i64 1))")).is_err());
        assert!(inspect(&module("(module (func v128.const i64x2 0 0 drop))")).is_err());
    }
}
