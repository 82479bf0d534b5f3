//! [`Val`]: a value whose type is only known when the program runs, and lists
//! of them in cells.

use super::func::Func;
use crate::abi::{NULL_SLOT, ValRaw};
use crate::artifact::{FuncType, HeapType, RefType, ValType};
use crate::error::{Error, Misuse, Result};
use crate::gc::ExternRef;
use crate::vm::store::StoreOpaque;
use std_alloc::vec::Vec;

/// A WebAssembly value. Floats are carried as bits.
#[derive(Clone, Debug)]
pub enum Val {
    /// A 32-bit integer.
    I32(i32),
    /// A 64-bit integer.
    I64(i64),
    /// A 32-bit float's bits.
    F32(u32),
    /// A 64-bit float's bits.
    F64(u64),
    /// A 128-bit vector's bits.
    V128(u128),
    /// A host reference, or null.
    ExternRef(Option<ExternRef>),
    /// A function reference, or null.
    FuncRef(Option<Func>),
}

macro_rules! conversions {
    ($($(#[$doc:meta])* $name:ident, $variant:ident, $ty:ty;)+) => {$(
        $(#[$doc])*
        pub fn $name(&self) -> Option<$ty> {
            match self {
                Val::$variant(value) => Some(*value),
                _ => None,
            }
        }
    )+};
}

impl Val {
    /// The value that a local of this type starts with.
    pub const fn default_for_ty(ty: ValType) -> Self {
        match ty {
            ValType::I32 => Val::I32(0),
            ValType::I64 => Val::I64(0),
            ValType::F32 => Val::F32(0),
            ValType::F64 => Val::F64(0),
            ValType::V128 => Val::V128(0),
            ValType::Ref(ty) => Val::null_ref(ty),
        }
    }

    /// The null reference of this type.
    pub const fn null_ref(ty: RefType) -> Self {
        match ty.heap_type() {
            HeapType::Func => Val::FuncRef(None),
            HeapType::Extern => Val::ExternRef(None),
        }
    }

    /// The value's type.
    pub const fn ty(&self) -> ValType {
        match self {
            Val::I32(_) => ValType::I32,
            Val::I64(_) => ValType::I64,
            Val::F32(_) => ValType::F32,
            Val::F64(_) => ValType::F64,
            Val::V128(_) => ValType::V128,
            Val::ExternRef(_) => ValType::EXTERNREF,
            Val::FuncRef(_) => ValType::FUNCREF,
        }
    }

    conversions! {
        /// The value, if it is an `i32`.
        i32, I32, i32;
        /// The value, if it is an `i64`.
        i64, I64, i64;
        /// The bits of the value, if it is a `v128`.
        v128, V128, u128;
    }

    /// The value, if it is an `f32`.
    pub fn f32(&self) -> Option<f32> {
        match self {
            Val::F32(bits) => Some(f32::from_bits(*bits)),
            _ => None,
        }
    }

    /// The value, if it is an `f64`.
    pub fn f64(&self) -> Option<f64> {
        match self {
            Val::F64(bits) => Some(f64::from_bits(*bits)),
            _ => None,
        }
    }

    /// The reference, if it is an `externref`; the inner `None` is null.
    pub fn extern_ref(&self) -> Option<Option<&ExternRef>> {
        match self {
            Val::ExternRef(reference) => Some(reference.as_ref()),
            _ => None,
        }
    }

    /// The function, if it is a `funcref`; the inner `None` is null.
    pub fn func_ref(&self) -> Option<Option<Func>> {
        match self {
            Val::FuncRef(func) => Some(*func),
            _ => None,
        }
    }

    /// Whether the value may go where one of type `ty` is wanted in `store`.
    pub(crate) fn check(&self, ty: ValType, store: &StoreOpaque) -> Result<()> {
        if self.ty() != ty {
            return Err(Misuse::WrongType.into());
        }
        match self {
            Val::FuncRef(Some(func)) => func.store.check(store),
            _ => Ok(()),
        }
    }

    /// Whether lowering takes a reference slot.
    pub(crate) fn takes_slot(&self) -> bool {
        matches!(self, Val::ExternRef(Some(_)))
    }

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
                HeapType::Func => Val::FuncRef(Func::from_raw(store.id, cell.func_ref())),
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
        values.push(unsafe { Val::lift(*cells.add(at), *ty, store)? });
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

/// Checks values, reserves, writes clones of them to the cells.
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

macro_rules! from {
    ($($ty:ty, $value:ident => $val:expr;)+) => {$(
        impl From<$ty> for Val {
            fn from($value: $ty) -> Self {
                $val
            }
        }
    )+};
}

from! {
    i32, value => Val::I32(value);
    u32, value => Val::I32(value as i32);
    i64, value => Val::I64(value);
    u64, value => Val::I64(value as i64);
    f32, value => Val::F32(value.to_bits());
    f64, value => Val::F64(value.to_bits());
    u128, value => Val::V128(value);
    ExternRef, value => Val::ExternRef(Some(value));
    Option<ExternRef>, value => Val::ExternRef(value);
    Func, value => Val::FuncRef(Some(value));
    Option<Func>, value => Val::FuncRef(value);
}
