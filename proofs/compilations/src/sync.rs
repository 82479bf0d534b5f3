//! Replaces the library's `sync.rs`: loom's atomics, which are not made at compile
//! time, and a single slot, so that compilations meet in it.

pub(super) use loom::sync::atomic::{AtomicPtr, AtomicU32, AtomicUsize, Ordering, fence};

pub const MAX_CONFINED_COMPILATIONS: usize = 1;

macro_rules! constant {
    ($vis:vis fn $name:ident() -> $ty:ty $body:block) => {
        $vis fn $name() -> $ty $body
    };
}
pub(super) use constant;

macro_rules! equal {
    ($each:expr; $count:expr) => {
        core::array::from_fn::<_, { $count }, _>(|_| $each)
    };
}
pub(super) use equal;
