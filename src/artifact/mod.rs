//! What the compiler makes and the runtime loads: position-independent code
//! with its stack maps and the module's metadata, free of host pointers.
//!
//! `compile` writes an [`Artifact`], `runtime` reads it. Nothing here knows
//! either.

mod flavor;
pub mod limits;
mod module;
mod stack_map;
mod types;

pub use flavor::CodeFlavor;
pub use module::{
    Artifact, ArtifactParts, ConstExpr, ConstOp, DataMode, DataSegment, ElemItems, ElemMode,
    ElemSegment, Export, ExportKind, FunctionCode, Global, Import, ImportKind, ModuleInfo,
    NO_ESCAPE, ShimCode,
};
pub use stack_map::{StackMapBuilder, StackMaps};
pub(crate) use types::RefForm;
pub use types::{
    ExternType, FuncType, GlobalType, HeapType, MemoryType, RefType, TableType, ValType,
    WASM_PAGE_BYTES,
};
