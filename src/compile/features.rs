//! Proposals that a module may use, in three vocabularies: the switches
//! ([`WasmFeatures`]), the names ([`Proposal`]), and the parser's own.

use crate::abi::{Proposal, Proposals};
use bitflags::bitflags;

bitflags! {
    /// WebAssembly proposals that can be switched on and off, and floats. The rest
    /// of Wasm 1.0, mutable globals, sign extension and saturating conversion are always on.
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
        /// Floats; vectors need it as well.
        const FLOATING_POINT = 1 << 8;
    }
}

impl Default for WasmFeatures {
    fn default() -> Self {
        Self::all()
    }
}

/// The parser's vocabulary.
pub(super) type ParserFeatures = wasmparser::WasmFeatures;
type Parser = ParserFeatures;

/// Every proposal, the parser's word for it, and its switch.
const VOCABULARY: &[(Proposal, Parser, WasmFeatures)] = &[
    (Proposal::FloatingPoint, Parser::FLOATS, WasmFeatures::FLOATING_POINT),
    (Proposal::MultiValue, Parser::MULTI_VALUE, WasmFeatures::MULTI_VALUE),
    (Proposal::BulkMemory, Parser::BULK_MEMORY, WasmFeatures::BULK_MEMORY),
    (Proposal::ReferenceTypes, Parser::REFERENCE_TYPES, WasmFeatures::REFERENCE_TYPES),
    (Proposal::Simd, Parser::SIMD, WasmFeatures::SIMD),
    (Proposal::TailCall, Parser::TAIL_CALL, WasmFeatures::TAIL_CALL),
    (Proposal::ExtendedConst, Parser::EXTENDED_CONST, WasmFeatures::EXTENDED_CONST),
    (Proposal::MultiMemory, Parser::MULTI_MEMORY, WasmFeatures::MULTI_MEMORY),
    (Proposal::Memory64, Parser::MEMORY64, WasmFeatures::MEMORY64),
    (Proposal::RelaxedSimd, Parser::RELAXED_SIMD, WasmFeatures::empty()),
    (Proposal::Threads, Parser::THREADS, WasmFeatures::empty()),
    (Proposal::SharedEverythingThreads, Parser::SHARED_EVERYTHING_THREADS, WasmFeatures::empty()),
    (Proposal::AcquireReleaseAtomics, Parser::ACQUIRE_RELEASE_ATOMICS, WasmFeatures::empty()),
    (Proposal::Exceptions, Parser::EXCEPTIONS, WasmFeatures::empty()),
    (Proposal::LegacyExceptions, Parser::LEGACY_EXCEPTIONS, WasmFeatures::empty()),
    (Proposal::FunctionReferences, Parser::FUNCTION_REFERENCES, WasmFeatures::empty()),
    (Proposal::Gc, Parser::GC, WasmFeatures::empty()),
    (Proposal::CustomDescriptors, Parser::CUSTOM_DESCRIPTORS, WasmFeatures::empty()),
    (Proposal::MultibyteArrayAccess, Parser::MULTIBYTE_ARRAY_ACCESS, WasmFeatures::empty()),
    (Proposal::CustomPageSizes, Parser::CUSTOM_PAGE_SIZES, WasmFeatures::empty()),
    (Proposal::WideArithmetic, Parser::WIDE_ARITHMETIC, WasmFeatures::empty()),
    (Proposal::MemoryControl, Parser::MEMORY_CONTROL, WasmFeatures::empty()),
    (Proposal::StackSwitching, Parser::STACK_SWITCHING, WasmFeatures::empty()),
    (Proposal::CompactImports, Parser::COMPACT_IMPORTS, WasmFeatures::empty()),
    (Proposal::ComponentModel, Parser::COMPONENT_MODEL, WasmFeatures::empty()),
];

/// What is always on.
const ALWAYS: Parser = Parser::GC_TYPES
    .union(Parser::MUTABLE_GLOBAL)
    .union(Parser::SATURATING_FLOAT_TO_INT)
    .union(Parser::SIGN_EXTENSION);

impl WasmFeatures {
    /// The features that the validator is told to accept.
    pub(super) fn parser_features(self) -> Parser {
        let on = |(_, parser, switch): &(_, Parser, Self)| {
            if !switch.is_empty() && self.contains(*switch) { *parser } else { Parser::empty() }
        };
        let all = VOCABULARY.iter().map(on).fold(ALWAYS, Parser::union);
        match all.contains(Parser::FLOATS) {
            true => all,
            // Vectors of integers use vector registers, too.
            false => all.difference(Parser::SIMD),
        }
    }
}

/// The proposals to which any of these features belong.
pub(super) fn proposals(features: Parser) -> Proposals {
    let named = VOCABULARY.iter().filter(|(_, parser, _)| features.intersects(*parser));
    named.map(|(proposal, ..)| *proposal).collect()
}

/// The parser's word for a proposal.
#[cfg(test)]
pub(super) fn parser_word(proposal: Proposal) -> Parser {
    let found = VOCABULARY.iter().find(|(known, ..)| *known == proposal);
    found.map_or(Parser::empty(), |(_, parser, _)| *parser)
}
