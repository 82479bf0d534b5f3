//! From Wasm bytes to an [`Artifact`](crate::artifact::Artifact): validate all of
//! them, translate each function to Cranelift IR, emit position-independent
//! code with exact stack maps.
//!
//! ```text
//! bytes ─ validate ─▶ declare (ModuleInfo) ─┐
//!                └──▶ bodies ─ func + op/* ─┴▶ Cranelift ─▶ emit (code, maps, sites) ─▶ Artifact
//!                               shim (stubs) ─▶
//! ```
//!
//! Nothing here knows the runtime: calls out go through the store context by
//! the offsets of [`crate::abi`]. The compiler is the one part of Kernref
//! that allocates infallibly (Cranelift does); give it a heap with room.

mod access;
mod assignments;
mod barrier;
mod budget;
mod bulk;
mod climb;
mod code_key;
mod control_stack;
mod declare;
mod emit;
mod failed_checks;
mod features;
mod func;
mod limits;
mod listing;
mod locals;
mod map_check;
mod memory_access;
mod module;
mod names;
mod needs;
mod op;
mod outlined;
mod pass;
mod path_facts;
mod poll;
mod raise_calls;
mod regions;
mod repeats;
mod settings;
mod shim;
mod signature;
mod sites;
mod speculation;
mod stack_limit;
#[cfg(test)]
mod tests;
mod translator;
mod validate;
mod work;
mod workbench;

pub use features::WasmFeatures;
pub use listing::Piece;
pub(crate) use module::supervised;
pub use module::{compile, count_instructions, count_values, listing};
pub use pass::ValidationCost;
pub use poll::{CompilePhase, CompileProgress};
pub use settings::{CompileSettings, OptLevel};
pub use validate::validate;
