//! The kinds of memory that generated code touches, and what Cranelift may
//! assume of loads and stores there. Each kind has an alias region of its own,
//! so that a store to one does not make the optimizer forget what it loaded
//! from another.

use cranelift_codegen::ir::{AliasRegion, AliasRegionData, Function, MemFlagsData};
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

/// Offset of a field, in the type that instructions take.
macro_rules! field {
    ($ty:ty, $field:ident) => {
        ::core::mem::offset_of!($ty, $field) as i32
    };
}
pub(super) use field;
