//! [`Extern`]: anything that can be imported or exported.

use super::func::Func;
use super::global::Global;
use super::memory::Memory;
use super::store::AsContext;
use super::table::Table;
use crate::artifact::ExternType;
use crate::error::Result;
use crate::vm::store::{StoreId, StoreOpaque};

/// A function, table, memory or global of a store.
#[derive(Clone, Copy, Debug)]
pub enum Extern {
    /// A function.
    Func(Func),
    /// A table.
    Table(Table),
    /// A memory.
    Memory(Memory),
    /// A global.
    Global(Global),
}

macro_rules! into {
    ($($(#[$doc:meta])* $name:ident, $variant:ident;)+) => {$(
        $(#[$doc])*
        pub fn $name(self) -> Option<$variant> {
            match self {
                Extern::$variant(entity) => Some(entity),
                _ => None,
            }
        }
    )+};
}

impl Extern {
    into! {
        /// The function, if it is one.
        into_func, Func;
        /// The table, if it is one.
        into_table, Table;
        /// The memory, if it is one.
        into_memory, Memory;
        /// The global, if it is one.
        into_global, Global;
    }

    /// Its type, with the current size, if it has one, as the minimum.
    ///
    /// # Errors
    /// [`crate::Misuse::WrongStore`]; [`crate::Error::OutOfMemory`] when a
    /// function type cannot be copied.
    pub fn ty(&self, store: impl AsContext) -> Result<ExternType> {
        self.ty_in(store.as_context().opaque())
    }

    pub(super) fn ty_in(&self, store: &StoreOpaque) -> Result<ExternType> {
        Ok(match self {
            Extern::Func(func) => ExternType::Func(func.ty_in(store)?),
            Extern::Table(table) => ExternType::Table(table.ty_in(store)?),
            Extern::Memory(memory) => ExternType::Memory(memory.ty_in(store)?),
            Extern::Global(global) => ExternType::Global(global.ty_in(store)?),
        })
    }

    /// The store it belongs to.
    pub(super) fn store(&self) -> StoreId {
        match self {
            Extern::Func(func) => func.pinned.store(),
            Extern::Table(table) => table.store,
            Extern::Memory(memory) => memory.store,
            Extern::Global(global) => global.pinned.store(),
        }
    }
}

macro_rules! from {
    ($($variant:ident),+) => {$(
        impl From<$variant> for Extern {
            fn from(entity: $variant) -> Self {
                Extern::$variant(entity)
            }
        }
    )+};
}

from!(Func, Table, Memory, Global);
