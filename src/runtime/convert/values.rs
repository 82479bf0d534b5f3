//! [`Val`]s to cells and back, one at a time and in lists.
//!
//! Invariant: a list is checked, and its slots are reserved, before the first
//! cell is written.

use super::cells::read;
use crate::abi::{NULL_SLOT, ValRaw};
use crate::artifact::{FuncType, HeapType, ValType};
use crate::error::{Error, Misuse, Result};
use crate::gc::ExternRef;
use crate::runtime::func::Func;
use crate::runtime::value::Val;
use crate::vm::pinned::Pinned;
use crate::vm::store::StoreOpaque;
use std_alloc::vec::Vec;

impl Val {
    /// The value in a cell. The caller has checked it and, for references,
    /// reserved slots.
    pub(crate) fn lower(self, store: &mut StoreOpaque) -> Result<ValRaw> {
        Ok(match self {
            Val::I32(value) => ValRaw::from_u32(value as u32),
            Val::I64(value) => ValRaw::from_u64(value as u64),
            Val::F32(bits) => ValRaw::from_u32(bits),
            Val::F64(bits) => ValRaw::from_u64(bits),
            Val::V128(bits) => ValRaw::from_u128(bits),
            Val::ExternRef(None) => ValRaw::from_u32(NULL_SLOT),
            Val::ExternRef(Some(reference)) => {
                ValRaw::from_u32(store.heap.intern_reserved(reference)?)
            }
            Val::FuncRef(func) => ValRaw::from_func_ref(Func::to_raw(func)),
        })
    }

    /// The value of a cell; a reference is cloned.
    pub(crate) fn lift(cell: ValRaw, ty: ValType, store: &StoreOpaque) -> Result<Self> {
        Ok(match ty {
            ValType::I32 => Val::I32(cell.u32() as i32),
            ValType::I64 => Val::I64(cell.u64() as i64),
            ValType::F32 => Val::F32(cell.u32()),
            ValType::F64 => Val::F64(cell.u64()),
            ValType::V128 => Val::V128(cell.u128()),
            ValType::Ref(ty) => match ty.heap_type() {
                HeapType::Func => {
                    // SAFETY: cells of this type hold functions of their store.
                    let pinned = unsafe { Pinned::from_cell(store, cell) };
                    Val::FuncRef(pinned.map(|pinned| Func { pinned }))
                }
                HeapType::Extern => Val::ExternRef(clone_reference(store, cell.u32())?),
            },
        })
    }
}

/// Clones the reference in a slot for the host; `None` is null.
#[inline]
pub(crate) fn clone_reference(store: &StoreOpaque, slot: u32) -> Result<Option<ExternRef>> {
    if slot == NULL_SLOT {
        return Ok(None);
    }
    match store.heap.borrow(slot) {
        Some(reference) => Ok(Some(reference.clone())),
        None => Err(Error::Bug("reference to a slot that is not in use")),
    }
}

/// What a function of this type is called with: its parameters, and room for
/// its results.
///
/// # Safety
/// The cells hold parameters of this type.
pub(crate) unsafe fn lift_list(
    store: &mut StoreOpaque,
    ty: &FuncType,
    cells: *const ValRaw,
    values: &mut Vec<Val>,
) -> Result<()> {
    let count = ty.params().len() + ty.results().len();
    let bytes = count * size_of::<Val>();
    values.try_reserve(count).map_err(|_| Error::OutOfMemory { bytes })?;
    for (at, ty) in ty.params().iter().enumerate() {
        // SAFETY: by this function's contract.
        values.push(unsafe { Val::lift(read(cells.add(at), *ty), *ty, store)? });
    }
    values.extend(ty.results().iter().map(|ty| Val::default_for_ty(*ty)));
    Ok(())
}

/// Checks values against their types and reserves the slots they need.
fn reserve_for(store: &mut StoreOpaque, types: &[ValType], values: &[Val]) -> Result<()> {
    if values.len() != types.len() {
        return Err(Misuse::WrongArity.into());
    }
    let mut slots = 0;
    for (value, ty) in values.iter().zip(types) {
        value.check(*ty, store)?;
        slots += u32::from(value.takes_slot());
    }
    match slots {
        0 => Ok(()),
        slots => store.reserve_references(slots),
    }
}

/// Checks values, reserves slots, and writes clones of the values to the cells.
///
/// # Safety
/// `cells` has room for as many cells as there are types.
pub(crate) unsafe fn lower_clones(
    store: &mut StoreOpaque,
    types: &[ValType],
    values: &[Val],
    cells: *mut ValRaw,
) -> Result<()> {
    reserve_for(store, types, values)?;
    for (at, value) in values.iter().enumerate() {
        // SAFETY: passed on to the caller.
        unsafe { cells.add(at).write(value.clone().lower(store)?) };
    }
    Ok(())
}

/// The same, but moves the values.
///
/// # Safety
/// `cells` has room for as many cells as there are types.
pub(crate) unsafe fn lower_list(
    store: &mut StoreOpaque,
    types: &[ValType],
    values: Vec<Val>,
    cells: *mut ValRaw,
) -> Result<()> {
    reserve_for(store, types, &values)?;
    for (at, value) in values.into_iter().enumerate() {
        // SAFETY: passed on to the caller.
        unsafe { cells.add(at).write(value.lower(store)?) };
    }
    Ok(())
}
