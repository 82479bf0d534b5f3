//! What a heap reports about itself.

/// Counters that only grow.
#[derive(Default)]
pub(super) struct Totals {
    pub(super) collections: u64,
    pub(super) frames_walked: u64,
    pub(super) activations_walked: u64,
    pub(super) released: u64,
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
}
