//! Every limit on modules and on what they create, in one table. Reaching a
//! limit gives a [`LimitError`] that names it, or the −1 of a `grow`
//! instruction. Values follow the JavaScript API and Wasmtime.

use crate::error::{Error, LimitError, Result};

/// One limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// What is limited.
    pub what: &'static str,
    /// The most that is allowed.
    pub most: u64,
}

impl Limit {
    const fn new(what: &'static str, most: u64) -> Self {
        Self { what, most }
    }

    /// Refuses `requested` if it is too much.
    ///
    /// # Errors
    /// [`Error::Limit`].
    pub fn check(self, requested: u64) -> Result<()> {
        if requested <= self.most { Ok(()) } else { Err(self.reached(requested)) }
    }

    /// The error for `requested`.
    pub const fn reached(self, requested: u64) -> Error {
        Error::Limit(LimitError { what: self.what, requested, limit: self.most })
    }
}

/// Bytes of a module.
pub const MODULE_BYTES: Limit = Limit::new("bytes of a module", 1 << 30);
/// Types, each function type counted.
pub const TYPES: Limit = Limit::new("types per module", 1_000_000);
/// Functions, imported ones included.
pub const FUNCTIONS: Limit = Limit::new("functions per module", 1_000_000);
/// Imports.
pub const IMPORTS: Limit = Limit::new("imports per module", 1_000_000);
/// Exports.
pub const EXPORTS: Limit = Limit::new("exports per module", 1_000_000);
/// Values in the types of all imports and exports; the validator counts.
pub const TYPE_SIZE: Limit = Limit::new("size of the types of imports and exports", 999_999);
/// Globals, imported ones included.
pub const GLOBALS: Limit = Limit::new("globals per module", 1_000_000);
/// Operations of a constant expression. Each element of a segment may be one.
pub const CONST_OPERATIONS: Limit = Limit::new("operations of a constant expression", 128);
/// Tables, imported ones included.
pub const TABLES: Limit = Limit::new("tables per module", 100_000);
/// Memories, imported ones included.
pub const MEMORIES: Limit = Limit::new("memories per module", 100);
/// Data segments.
pub const DATA_SEGMENTS: Limit = Limit::new("data segments per module", 100_000);
/// Element segments.
pub const ELEMENT_SEGMENTS: Limit = Limit::new("element segments per module", 100_000);
/// Elements of a segment.
pub const SEGMENT_ELEMENTS: Limit = Limit::new("elements of a segment", 10_000_000);
/// Bytes of a function's body.
pub const FUNCTION_BYTES: Limit = Limit::new("bytes of a function's body", 7_654_321);
/// Locals, parameters included.
pub const LOCALS: Limit = Limit::new("locals per function", 50_000);
/// Parameters of a function.
pub const PARAMS: Limit = Limit::new("parameters of a function", 1000);
/// Results of a function.
pub const RESULTS: Limit = Limit::new("results of a function", 1000);
/// Targets of a `br_table`, without the default.
pub const BRANCH_TARGETS: Limit = Limit::new("targets of a branch table", 65_520);
/// Blocks, loops and conditionals that are open at the same place.
pub const NESTING: Limit = Limit::new("nested blocks", 50_000);
/// References that may be live at a call, added up over a function's calls.
/// Each stack map lists all of them, so many references and many calls would be
/// quadratic. A function may have fewer if its module is small: some 64 for each
/// byte.
pub const REFERENCES_OVER_CALLS: Limit =
    Limit::new("references live over the calls of a function", 1 << 22);
/// What validation may cost for each byte of a module. A step is an operator, or
/// a value that it takes or gives.
pub const VALIDATION_STEPS_PER_BYTE: u64 = 64;
/// What validating a module may cost in addition, whatever its size. Branches,
/// calls and blocks cost as much as their types are long, however short the
/// operator is; so do the parameters and locals of each function.
pub const VALIDATION_STEPS: Limit =
    Limit::new("work of validating a module, beyond 64 steps per byte", 1 << 20);
/// Values that the compiler makes of a function: below the number of registers
/// that the code generator can tell apart, 2²¹, and of values, 2²⁴. A function
/// may make less if its module is small: some 16 for each byte.
pub const FUNCTION_VALUES: Limit = Limit::new("values of a function", 1 << 20);
/// Operands of a function's jumps and calls, with the operands that are kept for
/// later at each. A function may have less if its module is small: some 48 for
/// each byte.
pub const FUNCTION_OPERANDS: Limit =
    Limit::new("operands of a function's jumps and calls", 1 << 23);
/// Bytes of a name.
pub const NAME_BYTES: Limit = Limit::new("bytes of a name", 100_000);
/// Machine code: within the reach of a direct call on every architecture.
pub const CODE_BYTES: Limit = Limit::new("bytes of machine code per module", 120 << 20);

/// Pages (64 KiB) that a memory with 32-bit addresses can have.
pub const MEMORY32_PAGES: Limit = Limit::new("pages of a memory", 1 << 16);
/// Pages that a memory with 64-bit addresses can have: 64 GiB.
pub const MEMORY64_PAGES: Limit = Limit::new("pages of a memory", 1 << 20);
/// Elements that a table can have.
pub const TABLE_ELEMENTS: Limit = Limit::new("elements of a table", 10_000_000);
/// Instances in a store.
pub const INSTANCES_PER_STORE: Limit = Limit::new("instances per store", 1 << 20);
/// Places of a store that count references (table elements, globals). Keeps
/// the 32-bit count of a slot from overflowing.
pub const COUNTED_PLACES_PER_STORE: Limit = Limit::new("places for references per store", 1 << 31);
