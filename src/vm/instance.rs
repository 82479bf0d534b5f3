//! [`InstanceData`]: an instance as its store knows it.
//!
//! Invariant: the context is laid out by the module's offsets.

use super::context::{BAD_INDEX, ContextBox, ContextView};
use crate::abi::{MemoryIndex, TableIndex};
use crate::engine::Module;
use crate::engine::bits::Bits;
use crate::error::Result;
use std_alloc::boxed::Box;

/// An instance as its store knows it.
pub(crate) struct InstanceData {
    pub(crate) context: ContextBox,
    pub(crate) module: Module,
    /// Store indices of imported tables, then of imported memories.
    pub(crate) imported: Box<[u32]>,
    /// Store indices of the first table and memory the module defines.
    pub(crate) first_table: u32,
    pub(crate) first_memory: u32,
    /// Which element segments, then which data segments, have been dropped.
    pub(crate) dropped: Bits,
}

impl InstanceData {
    pub(crate) fn view(&self) -> ContextView<'_> {
        self.context.view(self.module.offsets())
    }

    /// Store index of a table.
    pub(crate) fn table(&self, table: TableIndex) -> Result<u32> {
        let counts = &self.module.info().counts;
        match table.0.checked_sub(counts.imported_tables) {
            None => self.imported.get(table.index()).copied().ok_or(BAD_INDEX),
            Some(defined) if defined < counts.defined_tables => Ok(self.first_table + defined),
            Some(_) => Err(BAD_INDEX),
        }
    }

    /// Store index of a memory.
    pub(crate) fn memory(&self, memory: MemoryIndex) -> Result<u32> {
        let counts = &self.module.info().counts;
        let at = counts.imported_tables as usize + memory.index();
        match memory.0.checked_sub(counts.imported_memories) {
            None => self.imported.get(at).copied().ok_or(BAD_INDEX),
            Some(defined) if defined < counts.defined_memories => Ok(self.first_memory + defined),
            Some(_) => Err(BAD_INDEX),
        }
    }
}
