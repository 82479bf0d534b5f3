//! [`Artifact`]: a compiled module, and [`ModuleInfo`]: what it declares.
//!
//! Invariants (established by the compiler, or by whoever calls
//! [`Artifact::from_parts`]): the code and what describes it are what the
//! compiler produced, for the flavor that is stored with them; every index is
//! within its index space; constant expressions have the types of their places;
//! code ranges lie inside `code`.

use super::code_sites::CodeSites;
use super::flavor::CodeFlavor;
use super::lasting::{Lasting, Text};
use super::names::FuncNames;
use super::stack_map::StackMaps;
use super::types::{FuncType, GlobalType, MemoryType, RefType, TableType};
use crate::abi::{
    ContextCounts, ElemIndex, FuncIndex, GlobalIndex, MemoryIndex, TableIndex, TypeIndex, VmOffsets,
};
use crate::error::Result;
use crate::fallible::try_vec_with_capacity;
use std_alloc::{boxed::Box, collections::BinaryHeap, vec::Vec};

/// A compiled module: made by `Engine::precompile_module` (feature `compile`),
/// loaded by [`crate::Module::from_artifact`].
///
/// Safe code cannot change it:
///
/// ```compile_fail,E0616
/// fn change(mut artifact: kernref::Artifact) {
///     artifact.parts.code.fill(0x90);
/// }
/// ```
#[derive(Debug)]
pub struct Artifact {
    parts: ArtifactParts,
}

impl Artifact {
    /// For the compiler alone.
    #[cfg(feature = "compile")]
    pub(crate) const fn compiled(parts: ArtifactParts) -> Self {
        Self { parts }
    }

    /// An artifact from parts that come from elsewhere. Safe code cannot ask
    /// for it:
    ///
    /// ```compile_fail,E0133
    /// fn forge(parts: kernref::__internals::ArtifactParts) -> kernref::Artifact {
    ///     kernref::Artifact::from_parts(parts)
    /// }
    /// ```
    ///
    /// # Safety
    /// The compiler of this crate has produced the parts, together, and nothing
    /// in them has been changed since: [`crate::Module::from_artifact`] runs
    /// the code, and the collector believes the stack maps.
    #[doc(hidden)]
    #[expect(unsafe_code, reason = "whatever the code does is the caller's promise")]
    pub const unsafe fn from_parts(parts: ArtifactParts) -> Self {
        Self { parts }
    }

    /// What it is made of.
    #[doc(hidden)]
    pub const fn parts(&self) -> &ArtifactParts {
        &self.parts
    }

    /// Takes it apart.
    #[doc(hidden)]
    pub fn into_parts(self) -> ArtifactParts {
        self.parts
    }
}

/// What an [`Artifact`] is made of, with its code as a `C`.
#[derive(Debug)]
pub struct ArtifactParts<C = Vec<u8>> {
    /// What the module declares.
    pub info: ModuleInfo,
    /// Machine code of all functions, shims and stubs; branches between them
    /// are already resolved. Entry points are aligned to 16.
    pub code: C,
    /// Where each *defined* function lies, in index order.
    pub functions: Vec<FunctionCode>,
    /// Host→Wasm shims (`extern "C" fn(code, context, args)`), one per type of
    /// an escaping defined function, sorted by type index.
    pub entry_shims: Vec<ShimCode>,
    /// Wasm→host stubs (internal convention), one per type that the module
    /// imports or can call indirectly, sorted by type index.
    pub exit_stubs: Vec<ShimCode>,
    /// Stack maps of every call in `code`.
    pub stack_maps: StackMaps,
    /// Which instruction each call and check in `code` belongs to.
    pub sites: CodeSites,
    /// Where the raise thunk lies, in bytes from the start of the code. `None`
    /// if nothing calls it.
    pub raise_thunk: Option<u32>,
    /// What the code takes for granted.
    pub flavor: CodeFlavor,
}

impl<C> ArtifactParts<C> {
    /// The code, and the rest with `code` in its place.
    pub fn replace_code<D>(self, code: D) -> (C, ArtifactParts<D>) {
        let Self {
            info,
            code: replaced,
            functions,
            entry_shims,
            exit_stubs,
            stack_maps,
            sites,
            raise_thunk,
            flavor,
        } = self;
        let parts = ArtifactParts {
            info,
            code,
            functions,
            entry_shims,
            exit_stubs,
            stack_maps,
            sites,
            raise_thunk,
            flavor,
        };
        (replaced, parts)
    }
}

/// Code range of a defined function, in bytes from the start of the code.
#[derive(Clone, Copy, Debug)]
pub struct FunctionCode {
    /// First byte of the function's code (wrapper included).
    pub start: u32,
    /// One past its last byte.
    pub end: u32,
}

/// Code of a shim or stub for one function type.
#[derive(Clone, Copy, Debug)]
pub struct ShimCode {
    /// The type.
    pub ty: TypeIndex,
    /// Entry point, in bytes from the start of the code.
    pub start: u32,
    /// One past its last byte.
    pub end: u32,
}

/// What a module declares.
#[derive(Debug, Default)]
pub struct ModuleInfo {
    /// Function types.
    pub types: Vec<FuncType>,
    /// Imports in order.
    pub imports: Vec<Import>,
    /// Type of each function, imports first.
    pub funcs: Vec<TypeIndex>,
    /// Tables, imports first.
    pub tables: Vec<TableType>,
    /// Initial element of each *defined* table.
    pub table_inits: Vec<ConstExpr>,
    /// Memories, imports first.
    pub memories: Vec<MemoryType>,
    /// Globals, imports first.
    pub globals: Vec<Global>,
    /// Exports in order.
    pub exports: Vec<Export>,
    /// Start function.
    pub start: Option<FuncIndex>,
    /// Element segments.
    pub elems: Vec<ElemSegment>,
    /// Data segments.
    pub data: Vec<DataSegment>,
    /// Bytes of all data segments, one behind the other.
    pub data_bytes: Lasting<u8>,
    /// For each function, its escape index or `NO_ESCAPE`.
    pub escape_indices: Vec<u32>,
    /// The escaping functions in order of their escape index.
    pub escaping: Vec<FuncIndex>,
    /// Number of imported functions, tables, memories and globals.
    pub counts: ContextCounts,
    /// Module name from the name section.
    pub name: Option<Text>,
    /// Function names from the name section.
    pub func_names: FuncNames,
}

/// Escape index of a function that cannot be reached from outside.
pub const NO_ESCAPE: u32 = u32::MAX;

/// One import.
#[derive(Debug)]
pub struct Import {
    /// Module name.
    pub module: Text,
    /// Item name.
    pub name: Text,
    /// What is imported.
    pub kind: ImportKind,
}

/// What is imported. The types of tables, memories and globals are in the index
/// spaces too; they are repeated here so that imports can be linked one by one.
#[derive(Clone, Copy, Debug)]
pub enum ImportKind {
    /// A function of this type.
    Func(TypeIndex),
    /// A table.
    Table(TableType),
    /// A memory.
    Memory(MemoryType),
    /// A global.
    Global(GlobalType),
}

/// One export.
#[derive(Debug)]
pub struct Export {
    /// Its name.
    pub name: Text,
    /// What is exported.
    pub kind: ExportKind,
}

/// What is exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportKind {
    /// A function.
    Func(FuncIndex),
    /// A table.
    Table(TableIndex),
    /// A memory.
    Memory(MemoryIndex),
    /// A global.
    Global(GlobalIndex),
}

/// A global of the module.
#[derive(Debug)]
pub struct Global {
    /// Its type.
    pub ty: GlobalType,
    /// Its initial value; `None` for an import.
    pub init: Option<ConstExpr>,
}

/// A constant expression in postfix order. Validated: it yields one value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConstExpr {
    /// The operations.
    pub ops: Box<[ConstOp]>,
}

/// One operation of a constant expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConstOp {
    /// `i32.const`.
    I32(i32),
    /// `i64.const`.
    I64(i64),
    /// `f32.const`, as bits.
    F32(u32),
    /// `f64.const`, as bits.
    F64(u64),
    /// `v128.const`, as bits.
    V128(u128),
    /// `ref.null`.
    RefNull(RefType),
    /// `ref.func`.
    RefFunc(FuncIndex),
    /// `global.get`.
    GlobalGet(GlobalIndex),
    /// `i32.add`.
    I32Add,
    /// `i32.sub`.
    I32Sub,
    /// `i32.mul`.
    I32Mul,
    /// `i64.add`.
    I64Add,
    /// `i64.sub`.
    I64Sub,
    /// `i64.mul`.
    I64Mul,
}

/// An element segment.
#[derive(Debug)]
pub struct ElemSegment {
    /// Type of its elements.
    pub element: RefType,
    /// The elements.
    pub items: ElemItems,
    /// When and where they are used.
    pub mode: ElemMode,
}

/// Elements of a segment.
#[derive(Debug)]
pub enum ElemItems {
    /// Functions.
    Funcs(Box<[FuncIndex]>),
    /// One expression each.
    Exprs(Box<[ConstExpr]>),
}

impl ElemItems {
    /// Number of elements.
    pub fn len(&self) -> usize {
        match self {
            ElemItems::Funcs(items) => items.len(),
            ElemItems::Exprs(items) => items.len(),
        }
    }
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// When an element segment is used.
#[derive(Debug)]
pub enum ElemMode {
    /// Only by `table.init`.
    Passive,
    /// Copied into a table at instantiation.
    Active {
        /// The table.
        table: TableIndex,
        /// Index of the first element written.
        offset: ConstExpr,
    },
    /// Declares functions for `ref.func`; never used.
    Declared,
}

/// A data segment.
#[derive(Debug)]
pub struct DataSegment {
    /// Where its bytes begin in [`ModuleInfo::data_bytes`].
    pub start: u32,
    /// How many there are.
    pub len: u32,
    /// When and where they are used.
    pub mode: DataMode,
}

/// When a data segment is used.
#[derive(Debug)]
pub enum DataMode {
    /// Only by `memory.init`.
    Passive,
    /// Copied into a memory at instantiation.
    Active {
        /// The memory.
        memory: MemoryIndex,
        /// Address of the first byte written.
        offset: ConstExpr,
    },
}

impl ModuleInfo {
    /// The context layout of the module's instances, or `None` if it is too large.
    pub fn offsets(&self) -> Option<VmOffsets> {
        VmOffsets::new(self.counts)
    }
    /// Type of a function.
    pub fn func_type(&self, func: FuncIndex) -> &FuncType {
        &self.types[self.funcs[func.index()].index()]
    }
    /// Whether a function is imported.
    pub fn is_imported_func(&self, func: FuncIndex) -> bool {
        func.0 < self.counts.imported_funcs
    }
    /// A function's name from the name section, or its export name.
    pub fn func_name(&self, func: FuncIndex) -> Option<&str> {
        self.func_names.get(func).or_else(|| {
            self.exports
                .iter()
                .find_map(|export| (export.kind == ExportKind::Func(func)).then_some(&*export.name))
        })
    }

    /// Bytes of a data segment of this module.
    pub fn segment_bytes(&self, segment: &DataSegment) -> &[u8] {
        let start = segment.start as usize;
        self.data_bytes.get(start..start + segment.len as usize).unwrap_or_default()
    }

    /// Positions of the exports, sorted by their names.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`].
    pub fn exports_by_name(&self) -> Result<Vec<u32>> {
        let mut names = try_vec_with_capacity(self.exports.len())?;
        names.extend(self.exports.iter().zip(0..).map(|(export, at)| (&*export.name, at)));
        // Sorts in place, with a tenth of the code of the slice's own sort.
        let sorted = BinaryHeap::from(names).into_sorted_vec();
        let mut order = try_vec_with_capacity(sorted.len())?;
        order.extend(sorted.iter().map(|(_, at)| *at));
        Ok(order)
    }

    /// The element segment with this index, if there is one.
    pub fn elem(&self, elem: ElemIndex) -> Option<&ElemSegment> {
        self.elems.get(elem.index())
    }
}
