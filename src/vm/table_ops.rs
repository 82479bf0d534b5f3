//! Operations on the tables of a store: limits and bounds are checked, and the
//! embedder's limiter is asked, before anything changes.

use super::raw_box::VmPlace;
use super::store::StoreOpaque;
use super::table::{RawElement, TableData, table_at};
use crate::abi::{NULL_SLOT, VmTable};
use crate::artifact::TableType;
use crate::engine::limits;
use crate::error::{Error, LimitError, Misuse, Result};

fn element_limit(ty: &TableType) -> limits::Limit {
    let limit = limits::TABLE_ELEMENTS;
    limits::Limit { most: ty.maximum.unwrap_or(limit.most).min(limit.most), ..limit }
}

/// Makes a table of null references that generated code sees at `place`, and
/// adds it to the store.
pub(crate) fn create(
    store: &mut StoreOpaque,
    ty: TableType,
    place: VmPlace<VmTable>,
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
    let places = if ty.element.is_counted() { ty.minimum } else { 0 };
    let bytes = minimum.saturating_mul(1 << ty.element.element_bytes_log2());
    let mut claim = store.claim(places, bytes.saturating_add(size_of::<TableData>()))?;
    let table = TableData::new(ty, place)?;
    let index = StoreOpaque::push(&mut claim.tables, table)?;
    claim.keep();
    Ok(index)
}

/// Writes `value` to an element. Once, for all loops.
///
/// # Safety
/// The table, if there is one, has an element of this index.
#[inline(never)]
unsafe fn set(store: &mut StoreOpaque, table: u32, index: u64, value: RawElement) -> Result<()> {
    let StoreOpaque { tables, heap, .. } = store;
    // SAFETY: passed on to the caller.
    unsafe { table_at(tables, table)?.set_unchecked(heap, index, value) };
    Ok(())
}

/// `table.grow`: the old size, or why it cannot grow.
pub(crate) fn grow(
    store: &mut StoreOpaque,
    index: u32,
    delta: u64,
    init: RawElement,
) -> Result<u64> {
    let old = check_growth(store, index, delta)?;
    extend(store, index, delta)?;
    if init != 0 {
        fill(store, index, old, init, delta)?;
    }
    Ok(old)
}

/// Whether a table may have `delta` more elements: the old size, or why not.
pub(crate) fn check_growth(store: &mut StoreOpaque, index: u32, delta: u64) -> Result<u64> {
    let table = store.tables.get(index as usize).ok_or(Misuse::WrongStore)?;
    let (old, ty) = (table.len(), *table.ty());
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
    Ok(old)
}

/// Gives a table `delta` more elements, all null, which was checked to be allowed.
pub(crate) fn extend(store: &mut StoreOpaque, index: u32, delta: u64) -> Result<()> {
    if delta == 0 {
        return Ok(());
    }
    let table = store.tables.get(index as usize).ok_or(Misuse::WrongStore)?;
    let (new, ty) = (table.len().saturating_add(delta), *table.ty());
    // With less and less to spare, as long as that is refused: with nothing to spare,
    // each further growth would move all elements.
    let mut spare = match table.bytes_to_reserve(new) {
        0 => 0,
        _ => table.ample(new, element_limit(&ty).most) - new,
    };
    while let Err(refused) = reserve(store, index, new + spare) {
        if spare == 0 {
            return Err(refused);
        }
        spare /= 2;
    }
    let places = if ty.element.is_counted() { delta } else { 0 };
    let mut claim = store.claim(places, 0)?;
    claim.tables.get_mut(index as usize).ok_or(Misuse::WrongStore)?.set_len(new)?;
    claim.keep();
    Ok(())
}

/// Makes room in a table for `capacity` elements.
fn reserve(store: &mut StoreOpaque, index: u32, capacity: u64) -> Result<()> {
    let table = store.tables.get(index as usize).ok_or(Misuse::WrongStore)?;
    let bytes = table.bytes_to_reserve(capacity);
    let mut claim = store.claim(0, bytes)?;
    claim.tables.get_mut(index as usize).ok_or(Misuse::WrongStore)?.reserve(capacity)?;
    claim.keep();
    Ok(())
}

/// `table.fill`.
#[inline(never)]
pub(crate) fn fill(
    store: &mut StoreOpaque,
    table: u32,
    start: u64,
    value: RawElement,
    len: u64,
) -> Result<()> {
    table_at(&store.tables, table)?.check_range(start, len)?;
    // SAFETY: the range was checked, and no table shrinks.
    (start..start + len).try_for_each(|index| unsafe { set(store, table, index, value) })
}

/// `table.copy`.
#[inline(never)]
pub(crate) fn copy(
    store: &mut StoreOpaque,
    (dst_table, dst): (u32, u64),
    (src_table, src): (u32, u64),
    len: u64,
) -> Result<()> {
    check_copy(store, (dst_table, dst), (src_table, src), len)?;
    let mut step = |at: u64| {
        // SAFETY: both ranges were checked, and no table shrinks.
        unsafe {
            let value = table_at(&store.tables, src_table)?.get_unchecked(src + at);
            set(store, dst_table, dst + at, value)
        }
    };
    // Backwards if the target lies after the source, because they may overlap.
    if dst <= src { (0..len).try_for_each(&mut step) } else { (0..len).rev().try_for_each(step) }
}

/// Whether the operands of `table.copy` are in bounds.
pub(crate) fn check_copy(
    store: &StoreOpaque,
    (dst_table, dst): (u32, u64),
    (src_table, src): (u32, u64),
    len: u64,
) -> Result<()> {
    let (from, to) = (table_at(&store.tables, src_table)?, table_at(&store.tables, dst_table)?);
    from.check_range(src, len)?;
    to.check_range(dst, len)?;
    match from.ty().element == to.ty().element {
        true => Ok(()),
        false => Err(Error::Bug("table.copy between tables of different types")),
    }
}

/// `table.init` with elements from elsewhere: `value(i)` is the i-th.
pub(crate) fn init(
    store: &mut StoreOpaque,
    table: u32,
    dst: u64,
    len: u64,
    mut value: impl FnMut(u64) -> Result<RawElement>,
) -> Result<()> {
    table_at(&store.tables, table)?.check_range(dst, len)?;
    (0..len).try_for_each(|at| {
        let value = value(at)?;
        // SAFETY: the range was checked, and no table shrinks.
        unsafe { set(store, table, dst + at, value) }
    })
}

/// Takes every reference out of a table that is being undone.
pub(crate) fn clear(store: &mut StoreOpaque, table: u32) {
    let Some(data) = store.tables.get(table as usize) else { return };
    let (len, is_counted) = (data.len(), data.ty().element.is_counted());
    if is_counted {
        // In bounds, so it cannot fail.
        let _ = fill(store, table, 0, u64::from(NULL_SLOT), len);
        store.counted_places = store.counted_places.saturating_sub(len);
    }
}
