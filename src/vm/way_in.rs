//! [`WayIn`]: what makes a call from the host something else than usual.

use crate::engine::Config;
use bitflags::bitflags;

bitflags! {
    /// Looked at by each call from the host, as one byte. Usually there is none.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) struct WayIn: u8 {
        /// The limit of a call is what [`Config::stack_bounds`] says of its stack, for
        /// want of one that the embedder has given the store.
        const ASK_STACK_BOUNDS = 1 << 0;
        /// Code uses no vector register, and entering it must not either.
        const WITHOUT_VECTORS = 1 << 1;
        /// A barrier was cut short: counts may be too high until they have been made
        /// exact (`vm/recount.rs`).
        const COUNTS_ARE_BOUNDS = 1 << 2;
        /// A host function runs that the host has called, and there is no activation:
        /// [`host_call_at`](super::store::StoreOpaque::host_call_at) tells where.
        const IN_HOST_CALL = 1 << 3;
    }
}

impl WayIn {
    /// Of a new store.
    pub(crate) fn of(config: &Config) -> Self {
        let mut way_in = Self::empty();
        way_in.set(Self::ASK_STACK_BOUNDS, config.stack_bounds.is_some());
        way_in.set(Self::WITHOUT_VECTORS, !config.floating_point);
        way_in
    }
}
