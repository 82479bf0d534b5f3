//! What the list of compilations is made of. It is in one place, so that
//! `proofs/sharing` can replace it with a model checker's.

pub(super) use core::sync::atomic::{AtomicPtr, AtomicU32, AtomicUsize, Ordering, fence};

/// How many compilations can run at a time in memory of their own.
pub const MAX_CONFINED_COMPILATIONS: usize = 16;

/// A function that makes something constant.
macro_rules! constant {
    ($vis:vis fn $name:ident() -> $ty:ty $body:block) => {
        $vis const fn $name() -> $ty $body
    };
}
pub(super) use constant;

/// An array of equal things.
macro_rules! equal {
    ($each:expr; $count:expr) => {
        [const { $each }; $count]
    };
}
pub(super) use equal;
