//! Replaces the library's `sync.rs`: loom's atomics, and a single entry, so
//! that destructions meet.

pub(super) use loom::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering, fence};

macro_rules! entries {
    ($name:ident: $ty:ty = $entry:expr) => {
        loom::lazy_static! {
            static ref $name: [$ty; 1] = [$entry];
        }
    };
}
pub(super) use entries;
