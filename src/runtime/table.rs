//! [`Table`]: the handle to a table of function or host references. What it
//! names is in `vm/table.rs`.

use super::store::{AsContext, AsContextMut};
use super::value::Val;
use crate::abi::{Trap, VmTable};
use crate::artifact::{RefType, TableType, ValType};
use crate::error::{Error, Misuse, Result};
use crate::vm::raw_box::VmPlace;
use crate::vm::store::{StoreId, StoreOpaque};
use crate::vm::table::{self, RawElement, TableData};
use crate::vm::table_ops;

/// A table of a store. A handle: copying it costs nothing, and using it with
/// another store is an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Table {
    pub(super) store: StoreId,
    pub(super) index: u32,
}

impl Table {
    /// A table that the host makes, filled with `init`.
    ///
    /// # Errors
    /// [`Error::Limit`], [`Error::OutOfMemory`], [`Misuse::WrongType`].
    pub fn new(mut store: impl AsContextMut, ty: TableType, init: Val) -> Result<Self> {
        let mut store = store.as_context_mut();
        let store = store.opaque_mut();
        if ty.maximum.is_some_and(|maximum| maximum < ty.minimum) {
            return Err(Misuse::WrongType.into());
        }
        let init = element_from(store, init, ty.element)?;
        let place = VmPlace::cell(VmTable::EMPTY);
        let created = place.and_then(|place| {
            let index = table_ops::create(store, ty, place)?;
            if init != 0 {
                table_ops::fill(store, index, 0, init, ty.minimum)?;
            }
            Ok(Self { store: store.id, index })
        });
        store.call_returned();
        created
    }

    pub(super) fn data_in<'s>(&self, store: &'s StoreOpaque) -> Result<&'s TableData> {
        self.store.check(store)?;
        table::table_at(&store.tables, self.index)
    }

    pub(super) fn ty_in(&self, store: &StoreOpaque) -> Result<TableType> {
        let table = self.data_in(store)?;
        Ok(TableType { minimum: table.len(), ..*table.ty() })
    }

    /// The table's type, with the current size as the minimum.
    ///
    /// # Errors
    /// [`Misuse::WrongStore`].
    pub fn ty(&self, store: impl AsContext) -> Result<TableType> {
        self.ty_in(store.as_context().opaque())
    }

    /// Number of elements.
    ///
    /// # Errors
    /// [`Misuse::WrongStore`].
    pub fn size(&self, store: impl AsContext) -> Result<u64> {
        Ok(self.data_in(store.as_context().opaque())?.len())
    }

    /// An element; a host reference is cloned.
    ///
    /// # Errors
    /// [`Misuse::OutOfBounds`], [`Misuse::WrongStore`].
    pub fn get(&self, store: impl AsContext, index: u64) -> Result<Val> {
        let context = store.as_context();
        let store = context.opaque();
        let table = self.data_in(store)?;
        let element = table.get(index).ok_or(Misuse::OutOfBounds)?;
        let ty = table.ty().element;
        Val::lift(ty.cell_from_element(element), ValType::Ref(ty), store)
    }

    /// Sets an element.
    ///
    /// # Errors
    /// [`Misuse::OutOfBounds`], [`Misuse::WrongType`], [`Misuse::WrongStore`];
    /// a trap when the reference arena is full.
    pub fn set(&self, store: impl AsContextMut, index: u64, value: Val) -> Result<()> {
        self.fill(store, index, value, 1)
    }

    /// Sets `len` elements from `start`.
    ///
    /// # Errors
    /// As for [`Self::set`]. Nothing is set then.
    pub fn fill(
        &self,
        mut store: impl AsContextMut,
        start: u64,
        value: Val,
        len: u64,
    ) -> Result<()> {
        let mut store = store.as_context_mut();
        let store = store.opaque_mut();
        let table = self.data_in(store)?;
        table.check_range(start, len).map_err(|_| Misuse::OutOfBounds)?;
        let element = element_from(store, value, table.ty().element)?;
        let outcome = table_ops::fill(store, self.index, start, element, len);
        store.call_returned();
        outcome
    }

    /// Grows by `delta` elements, all `init`, and returns the old size.
    ///
    /// # Errors
    /// [`Error::Limit`] if the table may not grow that far,
    /// [`Error::OutOfMemory`] if it cannot; otherwise as for [`Self::set`].
    pub fn grow(&self, mut store: impl AsContextMut, delta: u64, init: Val) -> Result<u64> {
        let mut store = store.as_context_mut();
        let store = store.opaque_mut();
        let element = self.data_in(store)?.ty().element;
        let element = element_from(store, init, element)?;
        let old = table_ops::grow(store, self.index, delta, element);
        store.call_returned();
        old
    }

    /// Copies `len` elements from one table to another, or within one.
    ///
    /// # Errors
    /// [`Misuse::OutOfBounds`], [`Misuse::WrongType`], [`Misuse::WrongStore`].
    pub fn copy(
        mut store: impl AsContextMut,
        dst_table: &Table,
        dst_index: u64,
        src_table: &Table,
        src_index: u64,
        len: u64,
    ) -> Result<()> {
        let mut store = store.as_context_mut();
        let store = store.opaque_mut();
        let (dst, src) = (dst_table.data_in(store)?, src_table.data_in(store)?);
        if dst.ty().element != src.ty().element {
            return Err(Misuse::WrongType.into());
        }
        let from = (src_table.index, src_index);
        let outcome = table_ops::copy(store, (dst_table.index, dst_index), from, len);
        store.call_returned();
        match outcome {
            Err(Error::Trap(Trap::TableOutOfBounds)) => Err(Misuse::OutOfBounds.into()),
            other => other,
        }
    }
}

/// A value as an element; a host reference gets a slot.
fn element_from(store: &mut StoreOpaque, value: Val, ty: RefType) -> Result<RawElement> {
    value.check(ValType::Ref(ty), store)?;
    if value.takes_slot() {
        store.reserve_references(1)?;
    }
    Ok(ty.element_from_cell(value.lower(store)?))
}
