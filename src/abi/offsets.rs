//! Where the parts of an instance context lie that depend on the module.
//!
//! ```text
//! VmContext (32) | imported functions (16 each) | imported tables, memories,
//! globals (8 each: pointers) | defined memories (16) | defined tables (16) |
//! pad to 16 | defined globals (16) | func refs of escaping functions (32)
//! ```

use super::{FuncIndex, GlobalIndex, MemoryIndex, TableIndex};

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
        let end = |start: u32, count: u32, size: u32| -> Option<u32> {
            count.checked_mul(size)?.checked_add(start).filter(|end| *end <= i32::MAX as u32 - 64)
        };
        let imported_tables = end(Self::IMPORTED_FUNCS, counts.imported_funcs, 16)?;
        let imported_memories = end(imported_tables, counts.imported_tables, 8)?;
        let imported_globals = end(imported_memories, counts.imported_memories, 8)?;
        let defined_memories = end(imported_globals, counts.imported_globals, 8)?;
        let defined_tables = end(defined_memories, counts.defined_memories, 16)?;
        let defined_globals = end(defined_tables, counts.defined_tables, 16)?.next_multiple_of(16);
        let func_refs = end(defined_globals, counts.defined_globals, 16)?;
        let size = end(func_refs, counts.escaping_funcs, 32)?;
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

    const IMPORTED_FUNCS: u32 = core::mem::size_of::<super::VmContext>() as u32;

    /// The counts this layout was made for.
    pub const fn counts(&self) -> &ContextCounts {
        &self.counts
    }
    /// Size of the whole context in bytes; its alignment is 16.
    pub const fn size(&self) -> u32 {
        self.size
    }
    /// The [`super::VmFunctionImport`] of an imported function.
    pub const fn function_import(&self, func: FuncIndex) -> u32 {
        Self::IMPORTED_FUNCS + func.0 * 16
    }
    /// The pointer to an imported table's [`super::VmTable`].
    pub const fn table_import(&self, table: TableIndex) -> u32 {
        self.imported_tables + table.0 * 8
    }
    /// The pointer to an imported memory's [`super::VmMemory`].
    pub const fn memory_import(&self, memory: MemoryIndex) -> u32 {
        self.imported_memories + memory.0 * 8
    }
    /// The pointer to an imported global's [`super::VmGlobal`].
    pub const fn global_import(&self, global: GlobalIndex) -> u32 {
        self.imported_globals + global.0 * 8
    }
    /// The [`super::VmMemory`] of the `defined`-th memory the module defines.
    pub const fn defined_memory(&self, defined: u32) -> u32 {
        self.defined_memories + defined * 16
    }
    /// The [`super::VmTable`] of the `defined`-th table the module defines.
    pub const fn defined_table(&self, defined: u32) -> u32 {
        self.defined_tables + defined * 16
    }
    /// The [`super::VmGlobal`] of the `defined`-th global the module defines.
    pub const fn defined_global(&self, defined: u32) -> u32 {
        self.defined_globals + defined * 16
    }
    /// The [`super::VmFuncRef`] with this escape index.
    pub const fn func_ref(&self, escape_index: u32) -> u32 {
        self.func_refs + escape_index * 32
    }
}
