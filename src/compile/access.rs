//! Loads and stores of what the runtime lays out: contexts, tables, globals,
//! slots. All offsets come from [`crate::abi`].

use super::regions::{constant, field, trusted};
use super::repeats::Key;
use super::signature::POINTER;
use super::translator::Translator;
use crate::abi::{GlobalIndex, MemoryIndex, TableIndex, VmContext, VmMemory, VmTable};
use cranelift_codegen::ir::{InstBuilder, Type, Value};

/// Where an entity lies: an address and an offset from it.
#[derive(Clone, Copy)]
pub(super) struct EntityPlace {
    pub(super) base: Value,
    pub(super) offset: i32,
}

impl Translator<'_, '_> {
    /// Loads a field of a context that may change.
    pub(super) fn load_context(&mut self, ty: Type, base: Value, offset: i32) -> Value {
        let flags = trusted(self.regions.context);
        self.builder.ins().load(ty, flags, base, offset)
    }

    /// Loads a field of a context that never changes.
    pub(super) fn load_constant(&mut self, ty: Type, base: Value, offset: i32) -> Value {
        let flags = constant(self.regions.context);
        self.repeated(Key::Field(ty, base, offset), |builder| {
            builder.ins().load(ty, flags, base, offset)
        })
    }

    /// The store context.
    pub(super) fn store_context(&mut self) -> Value {
        self.load_constant(POINTER, self.context, field!(VmContext, store))
    }

    /// Where an entity lies: inline if defined here, behind a pointer if
    /// imported.
    fn place(&mut self, imported: bool, offset: u32) -> EntityPlace {
        if imported {
            let base = self.load_constant(POINTER, self.context, offset as i32);
            EntityPlace { base, offset: 0 }
        } else {
            EntityPlace { base: self.context, offset: offset as i32 }
        }
    }

    pub(super) fn memory_place(&mut self, memory: MemoryIndex) -> EntityPlace {
        let (offsets, imports) = (self.env.offsets, self.env.info.counts.imported_memories);
        match memory.0.checked_sub(imports) {
            None => self.place(true, offsets.memory_import(memory)),
            Some(defined) => self.place(false, offsets.defined_memory(defined)),
        }
    }

    pub(super) fn table_place(&mut self, table: TableIndex) -> EntityPlace {
        let (offsets, imports) = (self.env.offsets, self.env.info.counts.imported_tables);
        match table.0.checked_sub(imports) {
            None => self.place(true, offsets.table_import(table)),
            Some(defined) => self.place(false, offsets.defined_table(defined)),
        }
    }

    pub(super) fn global_place(&mut self, global: GlobalIndex) -> EntityPlace {
        let (offsets, imports) = (self.env.offsets, self.env.info.counts.imported_globals);
        match global.0.checked_sub(imports) {
            None => self.place(true, offsets.global_import(global)),
            Some(defined) => self.place(false, offsets.defined_global(defined)),
        }
    }

    /// Current length of a memory in bytes. Only calls can change it.
    pub(super) fn memory_len(&mut self, memory: MemoryIndex) -> Value {
        let key = Key::Length(memory, self.sites.calls());
        let place = self.memory_place(memory);
        let flags = trusted(self.regions.context);
        self.repeated(key, |builder| {
            let offset = place.offset + field!(VmMemory, len);
            builder.ins().load(POINTER, flags, place.base, offset)
        })
    }

    /// First byte of a memory: it never moves.
    pub(super) fn memory_base(&mut self, memory: MemoryIndex) -> Value {
        let place = self.memory_place(memory);
        self.load_constant(POINTER, place.base, place.offset + field!(VmMemory, base))
    }

    /// Current number of elements of a table.
    pub(super) fn table_len(&mut self, table: TableIndex) -> Value {
        let place = self.table_place(table);
        self.load_context(POINTER, place.base, place.offset + field!(VmTable, len))
    }

    /// First element of a table: it moves when the table grows.
    pub(super) fn table_base(&mut self, table: TableIndex) -> Value {
        let place = self.table_place(table);
        self.load_context(POINTER, place.base, place.offset + field!(VmTable, base))
    }
}
