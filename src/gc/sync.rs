//! The atomics that handles and the drop queue consist of. They are in one
//! place, so that `proofs/handles` can replace them with a model checker's.

pub(super) use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering, fence};

/// A static table with an entry for each outermost destruction in progress.
macro_rules! entries {
    ($name:ident: $ty:ty = $entry:expr) => {
        static $name: [$ty; 16] = [const { $entry }; 16];
    };
}
pub(super) use entries;
