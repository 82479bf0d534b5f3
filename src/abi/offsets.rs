//! The layout of those parts of an instance context that depend on the module.
//!
//! ```text
//! VmContext (32) | imported functions (16 each) | imported tables, memories,
//! globals (8 each: pointers) | defined memories (16) | defined tables (16) |
//! pad to 16 | defined globals (16) | func refs of escaping functions (32)
//! ```

use super::{
    FuncIndex, GlobalIndex, MemoryIndex, TableIndex, VmContext, VmFuncRef, VmFunctionImport,
    VmGlobal, VmMemory, VmTable,
};

/// Size of what an instance context holds.
const fn size_of<T>() -> u32 {
    core::mem::size_of::<T>() as u32
}

/// Alignment of an instance context, and of the globals in it.
const ALIGN: u32 = core::mem::align_of::<VmContext>() as u32;
const _: () = assert!(core::mem::align_of::<VmGlobal>() as u32 == ALIGN);

/// How many entities of each kind a module has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ContextCounts {
    /// Imported functions.
    pub imported_funcs: u32,
    /// Imported tables.
    pub imported_tables: u32,
    /// Imported memories.
    pub imported_memories: u32,
    /// Imported globals.
    pub imported_globals: u32,
    /// Tables the module defines.
    pub defined_tables: u32,
    /// Memories the module defines.
    pub defined_memories: u32,
    /// Globals the module defines.
    pub defined_globals: u32,
    /// Functions that may be called from outside or through a reference.
    pub escaping_funcs: u32,
}

/// Byte offsets from the start of an instance context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VmOffsets {
    counts: ContextCounts,
    imported_tables: u32,
    imported_memories: u32,
    imported_globals: u32,
    defined_memories: u32,
    defined_tables: u32,
    defined_globals: u32,
    func_refs: u32,
    size: u32,
}

impl VmOffsets {
    /// Lays out a context, or `None` if it would exceed `i32::MAX` bytes.
    pub fn new(counts: ContextCounts) -> Option<Self> {
        /// The end of `count` entities of type `T` that begin at `start`.
        fn end<T>(start: u32, count: u32) -> Option<u32> {
            let end = count.checked_mul(size_of::<T>())?.checked_add(start)?;
            (end <= i32::MAX as u32 - 64).then_some(end)
        }
        let imported_tables = end::<VmFunctionImport>(Self::IMPORTED_FUNCS, counts.imported_funcs)?;
        let imported_memories = end::<*mut VmTable>(imported_tables, counts.imported_tables)?;
        let imported_globals = end::<*mut VmMemory>(imported_memories, counts.imported_memories)?;
        let defined_memories = end::<*mut VmGlobal>(imported_globals, counts.imported_globals)?;
        let defined_tables = end::<VmMemory>(defined_memories, counts.defined_memories)?;
        let defined_globals =
            end::<VmTable>(defined_tables, counts.defined_tables)?.next_multiple_of(ALIGN);
        let func_refs = end::<VmGlobal>(defined_globals, counts.defined_globals)?;
        let size = end::<VmFuncRef>(func_refs, counts.escaping_funcs)?;
        Some(Self {
            counts,
            imported_tables,
            imported_memories,
            imported_globals,
            defined_memories,
            defined_tables,
            defined_globals,
            func_refs,
            size,
        })
    }

    const IMPORTED_FUNCS: u32 = size_of::<VmContext>();

    /// The counts this layout was made for.
    pub const fn counts(&self) -> &ContextCounts {
        &self.counts
    }
    /// Size of the whole context in bytes; its alignment is 16.
    pub const fn size(&self) -> u32 {
        self.size
    }
    /// The [`VmFunctionImport`] of an imported function.
    pub const fn function_import(&self, func: FuncIndex) -> u32 {
        Self::IMPORTED_FUNCS + func.0 * size_of::<VmFunctionImport>()
    }
    /// The pointer to an imported table's [`VmTable`].
    pub const fn table_import(&self, table: TableIndex) -> u32 {
        self.imported_tables + table.0 * size_of::<*mut VmTable>()
    }
    /// The pointer to an imported memory's [`VmMemory`].
    pub const fn memory_import(&self, memory: MemoryIndex) -> u32 {
        self.imported_memories + memory.0 * size_of::<*mut VmMemory>()
    }
    /// The pointer to an imported global's [`VmGlobal`].
    pub const fn global_import(&self, global: GlobalIndex) -> u32 {
        self.imported_globals + global.0 * size_of::<*mut VmGlobal>()
    }
    /// The [`VmMemory`] of the `defined`-th memory the module defines.
    pub const fn defined_memory(&self, defined: u32) -> u32 {
        self.defined_memories + defined * size_of::<VmMemory>()
    }
    /// The [`VmTable`] of the `defined`-th table the module defines.
    pub const fn defined_table(&self, defined: u32) -> u32 {
        self.defined_tables + defined * size_of::<VmTable>()
    }
    /// The [`VmGlobal`] of the `defined`-th global the module defines.
    pub const fn defined_global(&self, defined: u32) -> u32 {
        self.defined_globals + defined * size_of::<VmGlobal>()
    }
    /// The [`VmFuncRef`] with this escape index.
    pub const fn func_ref(&self, escape_index: u32) -> u32 {
        self.func_refs + escape_index * size_of::<VmFuncRef>()
    }
}
