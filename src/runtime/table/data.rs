//! [`TableData`]: a table as its store knows it, and the operations on it.
//!
//! Invariants: a table of externrefs counts every slot it holds, once per
//! element; a reference is counted where it goes before it is uncounted where
//! it was. Elements move only when the table grows.

use crate::abi::{NULL_SLOT, Trap, VmFuncRef, VmTable};
use crate::artifact::{RefForm, RefType, TableType};
use crate::error::{Error, LimitError, Misuse, Result};
use crate::runtime::limits;
use crate::runtime::store::StoreOpaque;
use crate::runtime::vmctx::RawBox;
use core::alloc::Layout;
use core::ptr::NonNull;

/// A table as its store knows it.
pub(crate) struct TableData {
    /// What generated code sees: in the context of the instance that defines
    /// the table, or in `_cell`.
    vm: NonNull<VmTable>,
    _cell: Option<RawBox<VmTable>>,
    ty: TableType,
    elements: Elements,
}

/// The elements' memory.
struct Elements {
    base: NonNull<u8>,
    capacity: usize,
    element: RefType,
}

/// An element as generated code passes it: a slot number or an address.
pub(crate) type RawElement = u64;

impl Elements {
    fn new(element: RefType) -> Self {
        Self { base: NonNull::<u64>::dangling().cast(), capacity: 0, element }
    }

    fn layout(&self, capacity: usize) -> Result<Layout> {
        let bytes = capacity.saturating_mul(1 << self.element.element_bytes_log2());
        Layout::from_size_align(bytes, align_of::<u64>()).map_err(|_| Error::OutOfMemory { bytes })
    }

    /// Makes room for `capacity` elements, all zero where they are new.
    fn resize(&mut self, capacity: usize) -> Result<()> {
        if capacity <= self.capacity {
            return Ok(());
        }
        let new = self.layout(capacity)?;
        let refused = Error::OutOfMemory { bytes: new.size() };
        let base = if self.capacity == 0 {
            // SAFETY: the size is not zero, because the capacity is not.
            unsafe { std_alloc::alloc::alloc_zeroed(new) }
        } else {
            let old = self.layout(self.capacity)?;
            // SAFETY: allocated with this layout; the new size is not zero.
            let base = unsafe { std_alloc::alloc::realloc(self.base.as_ptr(), old, new.size()) };
            if !base.is_null() {
                // SAFETY: the bytes after the old ones are part of the new block.
                unsafe { base.add(old.size()).write_bytes(0, new.size() - old.size()) };
            }
            base
        };
        self.base = NonNull::new(base).ok_or(refused)?;
        self.capacity = capacity;
        Ok(())
    }
}

impl Drop for Elements {
    fn drop(&mut self) {
        if let (1.., Ok(layout)) = (self.capacity, self.layout(self.capacity)) {
            // SAFETY: allocated with this layout.
            unsafe { std_alloc::alloc::dealloc(self.base.as_ptr(), layout) };
        }
    }
}

pub(super) fn element_limit(ty: &TableType) -> limits::Limit {
    let limit = limits::TABLE_ELEMENTS;
    limits::Limit { most: ty.maximum.unwrap_or(limit.most).min(limit.most), ..limit }
}

impl TableData {
    /// Makes a table of null references whose [`VmTable`] lies at `place`, or
    /// in a cell of its own, and adds it to the store.
    pub(in crate::runtime) fn create(
        store: &mut StoreOpaque,
        ty: TableType,
        place: Option<NonNull<VmTable>>,
    ) -> Result<u32> {
        element_limit(&ty).check(ty.minimum)?;
        let minimum = ty.minimum as usize;
        let count = store.tables.len();
        let declared = ty.maximum.map(|maximum| maximum as usize);
        let allowed = store.limiter_allows(|limiter| {
            count < limiter.tables() && limiter.table_growing(0, minimum, declared)
        });
        if !allowed {
            let what = "table elements (store's limiter)";
            return Err(Error::Limit(LimitError { what, requested: ty.minimum, limit: 0 }));
        }
        let mut elements = Elements::new(ty.element);
        elements.resize(minimum)?;
        let (vm, cell) = match place {
            Some(place) => (place, None),
            None => {
                let cell = RawBox::new(VmTable { base: core::ptr::null_mut(), len: 0 })?;
                (cell.as_non_null(), Some(cell))
            }
        };
        if ty.element.is_counted() {
            store.add_counted_places(ty.minimum)?;
        }
        // SAFETY: a place inside a live context, or the cell.
        unsafe { vm.write(VmTable { base: elements.base.as_ptr(), len: minimum }) };
        StoreOpaque::push(&mut store.tables, TableData { vm, _cell: cell, ty, elements })
    }

    pub(in crate::runtime) fn vm(&self) -> NonNull<VmTable> {
        self.vm
    }

    pub(in crate::runtime) fn ty(&self) -> &TableType {
        &self.ty
    }

    pub(in crate::runtime) fn len(&self) -> u64 {
        // SAFETY: alive as long as the store; generated code is not running.
        unsafe { (*self.vm.as_ptr()).len as u64 }
    }

    /// The address of an element that is known to exist.
    fn element<V>(&self, index: u64) -> *mut V {
        debug_assert!(
            index < self.len() && size_of::<V>() == 1 << self.ty.element.element_bytes_log2()
        );
        self.elements.base.as_ptr().cast::<V>().wrapping_add(index as usize)
    }

    /// Whether `[start, start + len)` are elements.
    pub(super) fn check_range(&self, start: u64, len: u64) -> Result<()> {
        match start.checked_add(len) {
            Some(end) if end <= self.len() => Ok(()),
            _ => Err(Trap::TableOutOfBounds.into()),
        }
    }

    /// Reads an element that is known to exist.
    pub(in crate::runtime) fn get(&self, index: u64) -> RawElement {
        // SAFETY: the element exists.
        unsafe {
            match self.ty.element.form() {
                RefForm::FuncRef => {
                    (*self.element::<*mut VmFuncRef>(index)).expose_provenance() as u64
                }
                RefForm::Slot => u64::from(*self.element::<u32>(index)),
            }
        }
    }
}

fn func_ref(element: RawElement) -> *mut VmFuncRef {
    core::ptr::with_exposed_provenance_mut(element as usize)
}

pub(in crate::runtime) fn table_at(tables: &[TableData], index: u32) -> Result<&TableData> {
    tables.get(index as usize).ok_or(Error::Bug("table index without a table"))
}

/// Writes `value` to an element that is known to exist.
fn set(store: &mut StoreOpaque, table: u32, index: u64, value: RawElement) -> Result<()> {
    let StoreOpaque { tables, heap, .. } = store;
    let table = table_at(tables, table)?;
    // SAFETY: the element exists. Generated code that is on the stack reads
    // elements anew after each call.
    unsafe {
        match table.ty.element.form() {
            RefForm::FuncRef => table.element::<*mut VmFuncRef>(index).write(func_ref(value)),
            RefForm::Slot => heap.replace(&mut *table.element::<u32>(index), value as u32),
        }
    }
    Ok(())
}

/// `table.grow`: the old size, or `None` if it cannot grow.
pub(in crate::runtime) fn grow(
    store: &mut StoreOpaque,
    index: u32,
    delta: u64,
    init: RawElement,
) -> Result<u64> {
    let table = store.tables.get(index as usize).ok_or(Misuse::WrongStore)?;
    let (old, ty) = (table.len(), table.ty);
    let new = old.saturating_add(delta);
    element_limit(&ty).check(new)?;
    if delta == 0 {
        return Ok(old);
    }
    let declared = ty.maximum.map(|maximum| maximum as usize);
    let growing = (old as usize, new as usize);
    if !store.limiter_allows(|limiter| limiter.table_growing(growing.0, growing.1, declared)) {
        let what = "elements of a table (the store's limiter keeps it at what it has)";
        return Err(Error::Limit(LimitError { what, requested: new, limit: old }));
    }
    let table = store.tables.get_mut(index as usize).ok_or(Misuse::WrongStore)?;
    if new as usize > table.elements.capacity {
        // At least half as much again, so that growing step by step is linear.
        let ample = (old + old / 2).clamp(new, element_limit(&ty).most.max(new)) as usize;
        if table.elements.resize(ample).is_err() {
            table.elements.resize(new as usize)?;
        }
        // SAFETY: alive as long as the store; the old elements have moved.
        unsafe { (*table.vm.as_ptr()).base = table.elements.base.as_ptr() };
    }
    let vm = table.vm;
    if ty.element.is_counted() {
        store.add_counted_places(delta)?;
    }
    // SAFETY: as above; the elements up to `new` exist and are null.
    unsafe { (*vm.as_ptr()).len = new as usize };
    if init != 0 {
        fill(store, index, old, init, delta)?;
    }
    Ok(old)
}

/// `table.fill`.
pub(in crate::runtime) fn fill(
    store: &mut StoreOpaque,
    table: u32,
    start: u64,
    value: RawElement,
    len: u64,
) -> Result<()> {
    table_at(&store.tables, table)?.check_range(start, len)?;
    (start..start + len).try_for_each(|index| set(store, table, index, value))
}

/// `table.copy`.
pub(in crate::runtime) fn copy(
    store: &mut StoreOpaque,
    (dst_table, dst): (u32, u64),
    (src_table, src): (u32, u64),
    len: u64,
) -> Result<()> {
    let (from, to) = (table_at(&store.tables, src_table)?, table_at(&store.tables, dst_table)?);
    from.check_range(src, len)?;
    to.check_range(dst, len)?;
    if from.ty.element != to.ty.element {
        return Err(Error::Bug("table.copy between tables of different types"));
    }
    let mut step = |at: u64| {
        let value = table_at(&store.tables, src_table)?.get(src + at);
        set(store, dst_table, dst + at, value)
    };
    // Backwards when the target lies behind the source, for they may overlap.
    if dst <= src { (0..len).try_for_each(&mut step) } else { (0..len).rev().try_for_each(step) }
}

/// `table.init` with elements from elsewhere: `value(i)` is the i-th.
pub(in crate::runtime) fn init(
    store: &mut StoreOpaque,
    table: u32,
    dst: u64,
    len: u64,
    mut value: impl FnMut(u64) -> Result<RawElement>,
) -> Result<()> {
    table_at(&store.tables, table)?.check_range(dst, len)?;
    (0..len).try_for_each(|at| set(store, table, dst + at, value(at)?))
}

/// Takes every reference out of a table that is being undone.
pub(in crate::runtime) fn clear(store: &mut StoreOpaque, table: u32) {
    let Some(data) = store.tables.get(table as usize) else { return };
    let (len, is_counted) = (data.len(), data.ty.element.is_counted());
    if is_counted {
        // In bounds, so that it cannot fail.
        let _ = fill(store, table, 0, u64::from(NULL_SLOT), len);
        store.counted_places = store.counted_places.saturating_sub(len);
    }
}
