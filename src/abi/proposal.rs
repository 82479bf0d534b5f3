//! [`Proposal`]: the WebAssembly proposals that Kernref has a name for, and
//! [`Proposals`]: a set of them, small enough to travel in an error.

use core::fmt;

macro_rules! proposals {
    ($($(#[$doc:meta])* $name:ident => $text:literal $(, $switch:literal)?;)+) => {
        /// A WebAssembly proposal that a module may need.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Proposal { $($(#[$doc])* $name,)+ }

        impl Proposal {
            /// Every proposal that has a name, in the order in which errors list them.
            pub const ALL: &'static [Proposal] = &[$(Proposal::$name,)+];

            /// The proposal's usual name, e.g. `tail calls`.
            pub const fn name(self) -> &'static str {
                match self { $(Proposal::$name => $text,)+ }
            }

            /// The switch of [`Config`](crate::Config) that turns it on and off,
            /// e.g. `Config::wasm_tail_call`; none if Kernref lacks the proposal.
            pub const fn switch(self) -> Option<&'static str> {
                match self { $(Proposal::$name => proposals!(@ $($switch)?),)+ }
            }
        }
    };
    (@) => { None };
    (@ $switch:literal) => { Some($switch) };
}

proposals! {
    /// `f32` and `f64`: part of every version of WebAssembly, but not of every kernel.
    FloatingPoint => "floating point", "Config::floating_point";
    /// Functions and blocks with several results.
    MultiValue => "multi-value", "Config::wasm_multi_value";
    /// `memory.copy` and its kin, passive segments.
    BulkMemory => "bulk memory", "Config::wasm_bulk_memory";
    /// externref, tables of references.
    ReferenceTypes => "reference types", "Config::wasm_reference_types";
    /// 128-bit vectors.
    Simd => "SIMD", "Config::wasm_simd";
    /// `return_call`.
    TailCall => "tail calls", "Config::wasm_tail_call";
    /// Arithmetic in constant expressions.
    ExtendedConst => "extended constant expressions", "Config::wasm_extended_const";
    /// More than one linear memory.
    MultiMemory => "multiple memories", "Config::wasm_multi_memory";
    /// Memories and tables with 64-bit indices.
    Memory64 => "64-bit memories", "Config::wasm_memory64";
    /// Vector operators whose results may differ between processors.
    RelaxedSimd => "relaxed SIMD";
    /// Shared memories and atomic operators.
    Threads => "threads";
    /// Everything else that is shared.
    SharedEverythingThreads => "shared-everything threads";
    /// Atomic operators with weaker orderings.
    AcquireReleaseAtomics => "acquire-release atomics";
    /// `try_table`, tags.
    Exceptions => "exception handling";
    /// `try` and `catch`.
    LegacyExceptions => "legacy exception handling";
    /// References to functions of a type.
    FunctionReferences => "typed function references";
    /// Structures, arrays and small integers as references.
    Gc => "garbage-collected types";
    /// Descriptors of structure types, exact references.
    CustomDescriptors => "custom descriptors";
    /// Arrays accessed as bytes.
    MultibyteArrayAccess => "multibyte array access";
    /// Memories whose pages are not 64 KiB.
    CustomPageSizes => "custom page sizes";
    /// Additions and multiplications of 128 bits.
    WideArithmetic => "wide arithmetic";
    /// `memory.discard`.
    MemoryControl => "memory control";
    /// Continuations.
    StackSwitching => "stack switching";
    /// Imports grouped by module.
    CompactImports => "compact import sections";
    /// Components instead of modules.
    ComponentModel => "the component model";
}

/// With its switch, if there is one: `SIMD (Config::wasm_simd)`.
impl fmt::Display for Proposal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.switch() {
            Some(switch) => write!(f, "{} ({switch})", self.name()),
            None => f.write_str(self.name()),
        }
    }
}

/// A set of proposals.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Proposals(u32);

const _: () = assert!(Proposal::ALL.len() <= 32, "one bit each");

impl Proposals {
    /// Whether `proposal` is one of them.
    pub const fn contains(self, proposal: Proposal) -> bool {
        self.0 & 1 << proposal as u8 != 0
    }

    /// Whether there are none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// How many there are.
    pub const fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// Each of them, in the order of [`Proposal::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Proposal> {
        Proposal::ALL.iter().copied().filter(move |proposal| self.contains(*proposal))
    }
}

impl FromIterator<Proposal> for Proposals {
    fn from_iter<T: IntoIterator<Item = Proposal>>(proposals: T) -> Self {
        Self(proposals.into_iter().fold(0, |set, proposal| set | 1 << proposal as u8))
    }
}

impl fmt::Debug for Proposals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// All of them, separated by commas.
impl fmt::Display for Proposals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, proposal) in self.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            write!(f, "{separator}{proposal}")?;
        }
        Ok(())
    }
}
