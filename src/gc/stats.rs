//! What a heap reports about itself.

/// Counters that only grow.
#[derive(Default)]
pub(super) struct Totals {
    pub(super) collections: u64,
    pub(super) frames_walked: u64,
    pub(super) activations_walked: u64,
    pub(super) released: u64,
    pub(super) longest_piece: u64,
    pub(super) most_drained: u64,
}

impl Totals {
    /// Notes work of collecting that was done in one go, in frames and table entries.
    #[inline]
    pub(super) fn note_piece(&mut self, work: u64) {
        self.longest_piece = self.longest_piece.max(work);
    }
}

/// State and history of a store's references.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GcStats {
    /// Entries in the activations table.
    pub table_len: u32,
    /// Entries at which a collection starts.
    pub table_threshold: u32,
    /// Slots that own a reference, those queued for release included.
    pub slots_used: u32,
    /// All slots.
    pub slots_capacity: u32,
    /// Waiting destructors.
    pub queued: u32,
    /// Collections with a walk so far.
    pub collections: u64,
    /// Compiled frames walked so far.
    pub frames_walked: u64,
    /// Activations walked so far.
    pub activations_walked: u64,
    /// References released so far.
    pub released: u64,
    /// The most work of collecting that was done in one go: frames walked and table
    /// entries looked at. [`Store::gc_step`](crate::Store::gc_step) bounds the entries.
    pub longest_piece: u64,
    /// The most destructors that ran in one go.
    /// [`Store::drain_released`](crate::Store::drain_released) bounds them.
    pub most_drained: u64,
}
