//! Proposals that a module may use, and errors that name the one it needs.

use crate::artifact::limits;
use crate::error::Error;
use bitflags::bitflags;
use std_alloc::{boxed::Box, vec::Vec};

bitflags! {
    /// WebAssembly proposals that can be switched on and off. Wasm 1.0, mutable
    /// globals, sign extension and saturating conversion are always on.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct WasmFeatures: u32 {
        /// Several results, block parameters.
        const MULTI_VALUE = 1 << 0;
        /// `memory.copy` and its kin, passive segments.
        const BULK_MEMORY = 1 << 1;
        /// externref, tables of references.
        const REFERENCE_TYPES = 1 << 2;
        /// 128-bit vectors.
        const SIMD = 1 << 3;
        /// `return_call`.
        const TAIL_CALL = 1 << 4;
        /// Arithmetic in constant expressions.
        const EXTENDED_CONST = 1 << 5;
        /// More than one linear memory.
        const MULTI_MEMORY = 1 << 6;
        /// 64-bit memories and tables.
        const MEMORY64 = 1 << 7;
    }
}

impl Default for WasmFeatures {
    fn default() -> Self {
        Self::all()
    }
}

type Parser = wasmparser::WasmFeatures;

/// Every proposal Kernref can name: the parser's bit, and what to tell users.
const NAMES: &[(Parser, &str)] = &[
    (Parser::MULTI_VALUE, "multi-value (Config::wasm_multi_value)"),
    (Parser::BULK_MEMORY, "bulk memory (Config::wasm_bulk_memory)"),
    (Parser::REFERENCE_TYPES, "reference types (Config::wasm_reference_types)"),
    (Parser::SIMD, "SIMD (Config::wasm_simd)"),
    (Parser::TAIL_CALL, "tail calls (Config::wasm_tail_call)"),
    (Parser::EXTENDED_CONST, "extended constant expressions (Config::wasm_extended_const)"),
    (Parser::MULTI_MEMORY, "multiple memories (Config::wasm_multi_memory)"),
    (Parser::MEMORY64, "64-bit memories (Config::wasm_memory64)"),
    (Parser::RELAXED_SIMD, "relaxed SIMD"),
    (Parser::THREADS, "threads"),
    (Parser::SHARED_EVERYTHING_THREADS, "shared-everything threads"),
    (Parser::EXCEPTIONS, "exception handling"),
    (Parser::LEGACY_EXCEPTIONS, "legacy exception handling"),
    (Parser::FUNCTION_REFERENCES, "typed function references"),
    (Parser::GC, "garbage-collected types"),
    (Parser::CUSTOM_PAGE_SIZES, "custom page sizes"),
    (Parser::WIDE_ARITHMETIC, "wide arithmetic"),
    (Parser::MEMORY_CONTROL, "memory control"),
    (Parser::STACK_SWITCHING, "stack switching"),
    (Parser::COMPONENT_MODEL, "the component model"),
];

impl WasmFeatures {
    /// The features that the validator is told to accept.
    pub(super) fn parser_features(self) -> Parser {
        let mut features = Parser::FLOATS
            | Parser::GC_TYPES
            | Parser::MUTABLE_GLOBAL
            | Parser::SATURATING_FLOAT_TO_INT
            | Parser::SIGN_EXTENSION;
        for (own, parser) in [
            (Self::MULTI_VALUE, Parser::MULTI_VALUE),
            (Self::BULK_MEMORY, Parser::BULK_MEMORY),
            (Self::REFERENCE_TYPES, Parser::REFERENCE_TYPES),
            (Self::SIMD, Parser::SIMD),
            (Self::TAIL_CALL, Parser::TAIL_CALL),
            (Self::EXTENDED_CONST, Parser::EXTENDED_CONST),
            (Self::MULTI_MEMORY, Parser::MULTI_MEMORY),
            (Self::MEMORY64, Parser::MEMORY64),
        ] {
            features.set(parser, self.contains(own));
        }
        features
    }
}

/// The error for a module that the validator refused: names the missing
/// proposal if that is all that is wrong.
pub(super) fn refusal(error: &wasmparser::Error, wasm: &[u8], enabled: WasmFeatures) -> Error {
    // The validator stops where the sum passes the limit.
    if error.message().starts_with("effective type size exceeds the limit") {
        return limits::TYPE_SIZE.reached(limits::TYPE_SIZE.most + 1);
    }
    let offset = usize::try_from(error.offset()).unwrap_or(usize::MAX);
    let missing = match error.missing_wasm_feature() {
        Some(feature) => NAMES.iter().find(|(bit, _)| feature.intersects(*bit)),
        None => NAMES.iter().find(|(bit, _)| {
            let more = enabled.parser_features() | *bit;
            more != enabled.parser_features()
                && wasmparser::Validator::new_with_features(more).validate_all(wasm).is_ok()
        }),
    };
    match missing {
        Some((_, feature)) => Error::Unsupported { offset, feature },
        None => {
            // The validator prints lists over several lines.
            let words: Vec<&str> = error.message().split_whitespace().collect();
            Error::Malformed { offset, message: Box::new(words.join(" ")) }
        }
    }
}
