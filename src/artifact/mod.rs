//! What the compiler makes and an engine loads: position-independent code
//! with its stack maps and the module's metadata, free of host pointers.
//!
//! `compile` writes an [`Artifact`]; `engine` and the layers above it read it.
//! Nothing here knows any of them.

mod code_sites;
mod container;
mod flavor;
mod lasting;
pub mod limits;
mod module;
mod names;
mod policy;
#[cfg(feature = "signed-artifacts")]
mod signature;
mod stack_map;
#[cfg(feature = "compile")]
mod try_clone;
mod types;

#[cfg(any(feature = "compile", test))]
pub use code_sites::CodeSitesBuilder;
pub use code_sites::{CodeSite, CodeSites};
pub use container::{ArtifactFile, write as write_artifact};
pub use flavor::CodeFlavor;
#[cfg(feature = "compile")]
pub use lasting::{Lasting, Text};
#[cfg(feature = "compile")]
pub use module::Global;
pub use module::{
    Artifact, ArtifactParts, ConstExpr, ConstOp, DataMode, DataSegment, ElemItems, ElemMode,
    ElemSegment, Export, ExportKind, FunctionCode, Import, ImportKind, ModuleInfo, NO_ESCAPE,
    ShimCode,
};
#[cfg(feature = "compile")]
pub use names::FuncNames;
pub use policy::ArtifactPolicy;
#[cfg(feature = "signed-artifacts")]
pub use signature::{KEY_BYTES, TRAILER_BYTES, TrustedKeys, sign_artifact, signer};
#[cfg(any(feature = "compile", test))]
pub use stack_map::StackMapBuilder;
pub use stack_map::StackMaps;
pub(crate) use types::RefForm;
pub use types::{
    ExternType, FuncType, GlobalType, HeapType, MemoryType, RefType, TableType, ValType,
    WASM_PAGE_BYTES,
};
