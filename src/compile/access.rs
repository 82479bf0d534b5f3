//! Loads and stores of what the runtime lays out: contexts, tables, globals,
//! slots. All offsets come from [`crate::abi`]; each kind of memory has an
//! alias region of its own, so that the optimizer keeps what it has loaded.

use super::signature::POINTER;
use super::translator::Translator;
use crate::abi::{GlobalIndex, MemoryIndex, TableIndex, VmContext, VmMemory, VmTable};
use core::mem::offset_of;
use cranelift_codegen::ir::{
    AliasRegion, AliasRegionData, Function, InstBuilder, MemFlagsData, Type, Value,
};
use std_alloc::borrow::Cow;

/// Disjoint kinds of memory.
#[derive(Clone, Copy)]
pub(super) struct Regions {
    /// Store and instance contexts, and what hangs off them.
    pub(super) context: AliasRegion,
    /// Linear memories.
    pub(super) heap: AliasRegion,
    /// Table elements.
    pub(super) table: AliasRegion,
    /// Globals.
    pub(super) global: AliasRegion,
    /// Slots of the reference arena and the activations table.
    pub(super) slots: AliasRegion,
}

impl Regions {
    pub(super) fn new(func: &mut Function) -> Self {
        let mut region = |user_id, description| {
            func.dfg
                .alias_regions
                .insert(AliasRegionData { user_id, description: Cow::Borrowed(description) })
        };
        Self {
            context: region(0, "context"),
            heap: region(1, "linear memory"),
            table: region(2, "table"),
            global: region(3, "global"),
            slots: region(4, "reference slots"),
        }
    }
}

/// Accesses that cannot fault and are naturally aligned.
pub(super) fn trusted(region: AliasRegion) -> MemFlagsData {
    MemFlagsData::trusted().with_alias_region(Some(region))
}

/// The same for what never changes while an instance lives.
pub(super) fn constant(region: AliasRegion) -> MemFlagsData {
    trusted(region).with_readonly().with_can_move()
}

/// Offset of a field in an instruction's terms.
macro_rules! field {
    ($ty:ty, $field:ident) => {
        ::core::mem::offset_of!($ty, $field) as i32
    };
}
pub(super) use field;

/// Where an entity lies: an address and an offset from it.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) base: Value,
    pub(super) offset: i32,
}

impl Translator<'_, '_> {
    /// Loads from a context what may change.
    pub(super) fn load_context(&mut self, ty: Type, base: Value, offset: i32) -> Value {
        let flags = trusted(self.regions.context);
        self.builder.ins().load(ty, flags, base, offset)
    }

    /// Loads from a context what never changes.
    pub(super) fn load_constant(&mut self, ty: Type, base: Value, offset: i32) -> Value {
        let flags = constant(self.regions.context);
        self.builder.ins().load(ty, flags, base, offset)
    }

    /// The store context.
    pub(super) fn store_context(&mut self) -> Value {
        self.load_constant(POINTER, self.context, field!(VmContext, store))
    }

    /// Where an entity lies that is inline if defined, behind a pointer if imported.
    fn place(&mut self, imported: bool, offset: u32) -> Place {
        if imported {
            let base = self.load_constant(POINTER, self.context, offset as i32);
            Place { base, offset: 0 }
        } else {
            Place { base: self.context, offset: offset as i32 }
        }
    }

    pub(super) fn memory_place(&mut self, memory: MemoryIndex) -> Place {
        let (offsets, imports) = (self.env.offsets, self.env.info.counts.imported_memories);
        match memory.0.checked_sub(imports) {
            None => self.place(true, offsets.memory_import(memory)),
            Some(defined) => self.place(false, offsets.defined_memory(defined)),
        }
    }

    pub(super) fn table_place(&mut self, table: TableIndex) -> Place {
        let (offsets, imports) = (self.env.offsets, self.env.info.counts.imported_tables);
        match table.0.checked_sub(imports) {
            None => self.place(true, offsets.table_import(table)),
            Some(defined) => self.place(false, offsets.defined_table(defined)),
        }
    }

    pub(super) fn global_place(&mut self, global: GlobalIndex) -> Place {
        let (offsets, imports) = (self.env.offsets, self.env.info.counts.imported_globals);
        match global.0.checked_sub(imports) {
            None => self.place(true, offsets.global_import(global)),
            Some(defined) => self.place(false, offsets.defined_global(defined)),
        }
    }

    /// Current length of a memory in bytes.
    pub(super) fn memory_len(&mut self, memory: MemoryIndex) -> Value {
        let place = self.memory_place(memory);
        self.load_context(POINTER, place.base, place.offset + field!(VmMemory, len))
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
        self.load_context(POINTER, place.base, place.offset + offset_of!(VmTable, base) as i32)
    }
}
