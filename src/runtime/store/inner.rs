//! [`StoreInner`]: what a store's one pointer points to.

use super::context::StoreContextMut;
use crate::engine::ResourceLimiter;
use crate::error::Result;
use crate::runtime::value::Val;
use crate::vm::store::StoreOpaque;
use std_alloc::{boxed::Box, vec::Vec};

/// The opaque part comes first: pointers to it and to the whole are the same.
#[repr(C)]
pub(crate) struct StoreInner<T: 'static> {
    pub(super) opaque: StoreOpaque,
    pub(super) limiter: Option<LimiterFn<T>>,
    pub(super) epoch_callback: Option<EpochFn<T>>,
    /// Kept between dynamically typed host calls, so that they need not allocate.
    pub(super) spare_values: Vec<Val>,
    pub(super) data: T,
}

pub(super) type LimiterFn<T> =
    Box<dyn FnMut(&mut T) -> &mut (dyn ResourceLimiter) + Send + Sync + 'static>;
pub(super) type EpochFn<T> =
    Box<dyn FnMut(StoreContextMut<'_, T>) -> Result<UpdateDeadline> + Send + Sync + 'static>;

/// What to do when the epoch deadline has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UpdateDeadline {
    /// Go on for this many more ticks.
    Continue(u64),
    /// Trap with [`crate::Trap::Interrupt`].
    Interrupt,
}
