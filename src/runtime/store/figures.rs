//! [`StoreFigures`]: what an operator wants to know of one guest.

use super::context::{AsContext, StoreContext};
use super::{Store, context};
use crate::gc::GcStats;
use crate::vm::table::TableData;

/// What a store holds, and what it has used so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoreFigures {
    /// All that is held for the guest, in bytes: what
    /// [`ResourceLimiter::store_growing`](crate::ResourceLimiter::store_growing) is asked
    /// about. To that come [`Self::reference_bytes`], and the modules, which stores
    /// share.
    pub guest_bytes: usize,
    /// Of these, the bytes of linear memories.
    pub memory_bytes: usize,
    /// Elements of all tables, of 4 bytes each, or of 8 in tables of functions.
    pub table_elements: u64,
    /// Instances.
    pub instances: usize,
    /// Memories, of instances and of the host.
    pub memories: usize,
    /// Tables, of instances and of the host.
    pub tables: usize,
    /// Functions and globals that the host put into the store.
    pub host_items: usize,
    /// Elements, globals and roots that can hold references;
    /// [`limits::COUNTED_PLACES_PER_STORE`](crate::limits::COUNTED_PLACES_PER_STORE) bounds
    /// them.
    pub reference_places: u64,
    /// Size of the arena of references and of the activations table, which does not
    /// change.
    pub reference_bytes: usize,
    /// The references, and what collecting them took: how often, how much, and the
    /// longest piece of it at a time.
    pub references: GcStats,
    /// Fuel that the guest has used since the store was made. `None` unless the
    /// engine consumes fuel.
    pub fuel_consumed: Option<u64>,
    /// Fuel that is left.
    pub fuel_left: Option<u64>,
}

impl<T: 'static> Store<T> {
    /// What the store holds and has used. Takes time in proportion to its numbers of
    /// memories and tables.
    pub fn figures(&self) -> StoreFigures {
        self.as_context().figures()
    }
}

impl<T: 'static> StoreContext<'_, T> {
    /// As [`Store::figures`].
    pub fn figures(&self) -> StoreFigures {
        let store = self.opaque();
        let references = store.heap.stats();
        let fuel = context::fuel_left(store);
        StoreFigures {
            guest_bytes: store.guest_bytes,
            memory_bytes: store.memories.iter().map(|memory| memory.len_bytes()).sum(),
            table_elements: store.tables.iter().map(TableData::len).sum(),
            instances: store.instances.len(),
            memories: store.memories.len(),
            tables: store.tables.len(),
            host_items: store.host_funcs.len() + store.global_cells.len(),
            reference_places: store.counted_places,
            reference_bytes: crate::gc::RefHeap::region_bytes(references.slots_capacity)
                .unwrap_or(usize::MAX),
            references,
            fuel_consumed: fuel.map(|left| store.fuel_consumed(left)),
            fuel_left: fuel,
        }
    }
}
