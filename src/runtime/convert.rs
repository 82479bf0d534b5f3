//! How Rust types cross to Wasm and back: [`ToWasm`], [`FromWasm`] and
//! [`HostArg`] for single values, and lists of them.
//!
//! Invariants: values cross as bits in [`ValRaw`] cells. A list is lowered in
//! three steps, of which only the second can collect: check every value,
//! reserve slots for all references, write the cells.

use super::func::Func;
use super::rooted::Rooted;
use super::store::StoreOpaque;
use super::value;
use crate::abi::{NULL_SLOT, Trap, ValRaw};
use crate::artifact::ValType;
use crate::error::Result;
use crate::gc::ExternRef;

/// A type that can be passed to Wasm: as an argument of a Wasm function or as
/// a result of a host function.
///
/// # Safety
/// `lower` yields a cell that is valid for [`Self::TYPE`] in the store, and
/// takes at most [`Self::SLOTS`] reference slots.
pub unsafe trait ToWasm: Sized {
    /// The Wasm type.
    const TYPE: ValType;
    #[doc(hidden)]
    const SLOTS: u32 = 0;

    #[doc(hidden)]
    #[inline]
    fn check(&self, _store: &OpaqueStore) -> Result<()> {
        Ok(())
    }

    #[doc(hidden)]
    fn lower(self, store: &mut OpaqueStore) -> Result<ValRaw>;
}

/// A type that Wasm can return to the host.
///
/// # Safety
/// `lift` accepts every cell that is valid for [`Self::TYPE`].
pub unsafe trait FromWasm: Sized {
    /// The Wasm type.
    const TYPE: ValType;

    #[doc(hidden)]
    fn lift(cell: ValRaw, store: &OpaqueStore) -> Result<Self>;
}

/// A type that a host function can have as a parameter.
///
/// # Safety
/// As for [`FromWasm`]; and [`Self::ROOTED`] is true if the value names a slot
/// without counting it.
pub unsafe trait HostArg: Sized {
    /// The Wasm type.
    const TYPE: ValType;
    #[doc(hidden)]
    const ROOTED: bool = false;

    #[doc(hidden)]
    fn lift_arg(cell: ValRaw, store: &OpaqueStore, serial: u64) -> Result<Self>;
}

/// A store as conversions see it. Not nameable outside.
#[doc(hidden)]
#[repr(transparent)]
pub struct OpaqueStore(pub(super) StoreOpaque);

impl OpaqueStore {
    #[inline]
    pub(super) fn from_ref(store: &StoreOpaque) -> &Self {
        // SAFETY: a transparent wrapper.
        unsafe { &*core::ptr::from_ref(store).cast() }
    }

    #[inline]
    pub(super) fn from_mut(store: &mut StoreOpaque) -> &mut Self {
        // SAFETY: a transparent wrapper.
        unsafe { &mut *core::ptr::from_mut(store).cast() }
    }
}

/// Implements all three traits for a type that crosses as plain bits.
macro_rules! plain {
    ($($ty:ty, $wasm:ident, $value:ident => $lower:expr, $cell:ident => $lift:expr;)+) => {$(
        // SAFETY: all bits of the cell that belong to the type are set, and
        // any bits are a value.
        unsafe impl ToWasm for $ty {
            const TYPE: ValType = ValType::$wasm;
            #[inline]
            fn lower(self, _: &mut OpaqueStore) -> Result<ValRaw> {
                let $value = self;
                Ok($lower)
            }
        }
        // SAFETY: as above.
        unsafe impl FromWasm for $ty {
            const TYPE: ValType = ValType::$wasm;
            #[inline]
            fn lift($cell: ValRaw, _: &OpaqueStore) -> Result<Self> {
                Ok($lift)
            }
        }
        host_arg_from_wasm!($ty);
    )+};
}

macro_rules! host_arg_from_wasm {
    ($ty:ty) => {
        // SAFETY: forwards; an owned value.
        unsafe impl HostArg for $ty {
            const TYPE: ValType = <$ty as FromWasm>::TYPE;
            #[inline]
            fn lift_arg(cell: ValRaw, store: &OpaqueStore, _: u64) -> Result<Self> {
                <$ty as FromWasm>::lift(cell, store)
            }
        }
    };
}

plain! {
    i32, I32, value => ValRaw::from_u32(value as u32), cell => cell.u32() as i32;
    u32, I32, value => ValRaw::from_u32(value), cell => cell.u32();
    i64, I64, value => ValRaw::from_u64(value as u64), cell => cell.u64() as i64;
    u64, I64, value => ValRaw::from_u64(value), cell => cell.u64();
    f32, F32, value => ValRaw::from_u32(value.to_bits()), cell => f32::from_bits(cell.u32());
    f64, F64, value => ValRaw::from_u64(value.to_bits()), cell => f64::from_bits(cell.u64());
    u128, V128, value => ValRaw::from_u128(value), cell => cell.u128();
}

// SAFETY: a fresh slot that owns the reference; one slot.
unsafe impl ToWasm for ExternRef {
    const TYPE: ValType = ValType::ExternRef;
    const SLOTS: u32 = 1;

    #[inline]
    fn lower(self, store: &mut OpaqueStore) -> Result<ValRaw> {
        Ok(ValRaw::from_u32(store.0.heap.intern_reserved(self)?))
    }
}

// SAFETY: as for `ExternRef`, or null.
unsafe impl ToWasm for Option<ExternRef> {
    const TYPE: ValType = ValType::ExternRef;
    const SLOTS: u32 = 1;

    #[inline]
    fn lower(self, store: &mut OpaqueStore) -> Result<ValRaw> {
        match self {
            Some(reference) => reference.lower(store),
            None => Ok(ValRaw::from_u32(NULL_SLOT)),
        }
    }
}

// SAFETY: clones whatever slot Wasm holds.
unsafe impl FromWasm for Option<ExternRef> {
    const TYPE: ValType = ValType::ExternRef;

    #[inline]
    fn lift(cell: ValRaw, store: &OpaqueStore) -> Result<Self> {
        value::clone_reference(&store.0, cell.u32())
    }
}

// SAFETY: as above; null is an error.
unsafe impl FromWasm for ExternRef {
    const TYPE: ValType = ValType::ExternRef;

    #[inline]
    fn lift(cell: ValRaw, store: &OpaqueStore) -> Result<Self> {
        value::clone_reference(&store.0, cell.u32())?.ok_or(Trap::NullReference.into())
    }
}

host_arg_from_wasm!(ExternRef);
host_arg_from_wasm!(Option<ExternRef>);

// SAFETY: the slot is a root of the host frame with this serial number.
unsafe impl HostArg for Rooted {
    const TYPE: ValType = ValType::ExternRef;
    const ROOTED: bool = true;

    #[inline]
    fn lift_arg(cell: ValRaw, store: &OpaqueStore, serial: u64) -> Result<Self> {
        Option::<Rooted>::lift_arg(cell, store, serial)?.ok_or(Trap::NullReference.into())
    }
}

// SAFETY: as above, or null.
unsafe impl HostArg for Option<Rooted> {
    const TYPE: ValType = ValType::ExternRef;
    const ROOTED: bool = true;

    #[inline]
    fn lift_arg(cell: ValRaw, store: &OpaqueStore, serial: u64) -> Result<Self> {
        let slot = cell.u32();
        Ok((slot != NULL_SLOT).then_some(Rooted { slot, serial, store: store.0.id }))
    }
}

// SAFETY: the slot is alive, which `check` has made sure of, and Wasm may hold
// it: whatever keeps it now keeps it until Wasm's frame does.
unsafe impl ToWasm for Rooted {
    const TYPE: ValType = ValType::ExternRef;

    #[inline]
    fn check(&self, store: &OpaqueStore) -> Result<()> {
        Rooted::check(self, &store.0)
    }

    #[inline]
    fn lower(self, _: &mut OpaqueStore) -> Result<ValRaw> {
        Ok(ValRaw::from_u32(self.slot))
    }
}

// SAFETY: as above, or null.
unsafe impl ToWasm for Option<Rooted> {
    const TYPE: ValType = ValType::ExternRef;

    #[inline]
    fn check(&self, store: &OpaqueStore) -> Result<()> {
        self.as_ref().map_or(Ok(()), |rooted| ToWasm::check(rooted, store))
    }

    #[inline]
    fn lower(self, _: &mut OpaqueStore) -> Result<ValRaw> {
        Ok(ValRaw::from_u32(self.map_or(NULL_SLOT, |rooted| rooted.slot)))
    }
}

// SAFETY: a func ref of this store, which `check` has made sure of.
unsafe impl ToWasm for Func {
    const TYPE: ValType = ValType::FuncRef;

    #[inline]
    fn check(&self, store: &OpaqueStore) -> Result<()> {
        self.check_store(&store.0)
    }

    #[inline]
    fn lower(self, _: &mut OpaqueStore) -> Result<ValRaw> {
        Ok(ValRaw::from_func_ref(Func::to_raw(Some(self))))
    }
}

// SAFETY: as above, or null.
unsafe impl ToWasm for Option<Func> {
    const TYPE: ValType = ValType::FuncRef;

    #[inline]
    fn check(&self, store: &OpaqueStore) -> Result<()> {
        self.as_ref().map_or(Ok(()), |func| func.check_store(&store.0))
    }

    #[inline]
    fn lower(self, _: &mut OpaqueStore) -> Result<ValRaw> {
        Ok(ValRaw::from_func_ref(Func::to_raw(self)))
    }
}

// SAFETY: Wasm holds func refs of its own store only.
unsafe impl FromWasm for Option<Func> {
    const TYPE: ValType = ValType::FuncRef;

    #[inline]
    fn lift(cell: ValRaw, store: &OpaqueStore) -> Result<Self> {
        Ok(Func::from_raw(store.0.id, cell.func_ref()))
    }
}

// SAFETY: as above; null is an error.
unsafe impl FromWasm for Func {
    const TYPE: ValType = ValType::FuncRef;

    #[inline]
    fn lift(cell: ValRaw, store: &OpaqueStore) -> Result<Self> {
        Func::from_raw(store.0.id, cell.func_ref()).ok_or(Trap::NullReference.into())
    }
}

host_arg_from_wasm!(Func);
host_arg_from_wasm!(Option<Func>);

/// What can be passed to Wasm at once: a single value, or a tuple of up to 16.
///
/// # Safety
/// As for [`ToWasm`]; `lower_all` writes exactly `TYPES.len()` cells.
pub unsafe trait WasmParams {
    /// The Wasm types.
    const TYPES: &'static [ValType];

    /// Checks, reserves, writes.
    ///
    /// # Safety
    /// `cells` has room for as many cells as there are types.
    #[doc(hidden)]
    unsafe fn lower_all(self, store: &mut OpaqueStore, cells: *mut ValRaw) -> Result<()>;
}

/// What Wasm can return to the host at once: a value, or a tuple of up to 16.
///
/// # Safety
/// As for [`FromWasm`]; `lift_all` reads exactly `TYPES.len()` cells.
pub unsafe trait WasmResults: Sized {
    /// The Wasm types.
    const TYPES: &'static [ValType];

    /// # Safety
    /// `cells` holds values of these types.
    #[doc(hidden)]
    unsafe fn lift_all(store: &OpaqueStore, cells: *const ValRaw) -> Result<Self>;
}

// SAFETY: one cell.
unsafe impl<V: ToWasm> WasmParams for V {
    const TYPES: &'static [ValType] = &[V::TYPE];

    #[inline]
    unsafe fn lower_all(self, store: &mut OpaqueStore, cells: *mut ValRaw) -> Result<()> {
        // SAFETY: passed on to the caller.
        unsafe { (self,).lower_all(store, cells) }
    }
}

// SAFETY: one cell.
unsafe impl<V: FromWasm> WasmResults for V {
    const TYPES: &'static [ValType] = &[V::TYPE];

    #[inline]
    unsafe fn lift_all(store: &OpaqueStore, cells: *const ValRaw) -> Result<Self> {
        // SAFETY: passed on to the caller.
        V::lift(unsafe { *cells }, store)
    }
}

/// All parameters of a host function.
///
/// # Safety
/// `lift` reads exactly `TYPES.len()` cells; `ROOTED` says for each of them
/// whether the value names a slot without counting it.
#[doc(hidden)]
pub unsafe trait HostArgs: Sized {
    const TYPES: &'static [ValType];
    const ROOTED: &'static [bool];
    const ANY_ROOTED: bool;

    /// # Safety
    /// `cells` holds values of these types.
    unsafe fn lift(store: &OpaqueStore, cells: *const ValRaw, serial: u64) -> Result<Self>;
}

macro_rules! lists {
    ($($name:ident $index:tt)*) => {
        // SAFETY: one cell per element of the tuple.
        unsafe impl<$($name: HostArg,)*> HostArgs for ($($name,)*) {
            const TYPES: &'static [ValType] = &[$($name::TYPE),*];
            const ROOTED: &'static [bool] = &[$($name::ROOTED),*];
            const ANY_ROOTED: bool = false $(|| $name::ROOTED)*;

            #[inline]
            #[allow(unused_variables, reason = "the empty tuple uses nothing")]
            #[allow(clippy::unused_unit, reason = "the empty tuple is one")]
            unsafe fn lift(
                store: &OpaqueStore,
                cells: *const ValRaw,
                serial: u64,
            ) -> Result<Self> {
                // SAFETY: the values are the caller's promise.
                Ok(($($name::lift_arg(unsafe { *cells.add($index) }, store, serial)?,)*))
            }
        }

        // SAFETY: one cell per element of the tuple.
        unsafe impl<$($name: ToWasm,)*> WasmParams for ($($name,)*) {
            const TYPES: &'static [ValType] = &[$($name::TYPE),*];

            #[inline]
            #[allow(unused_variables, reason = "the empty tuple uses nothing")]
            unsafe fn lower_all(self, store: &mut OpaqueStore, cells: *mut ValRaw) -> Result<()> {
                $(self.$index.check(store)?;)*
                let slots = const { 0 $(+ $name::SLOTS)* };
                if slots > 0 {
                    store.0.reserve_references(slots)?;
                }
                // SAFETY: room is the caller's promise.
                $(unsafe { cells.add($index).write(self.$index.lower(store)?) };)*
                Ok(())
            }
        }

        // SAFETY: one cell per element of the tuple.
        unsafe impl<$($name: FromWasm,)*> WasmResults for ($($name,)*) {
            const TYPES: &'static [ValType] = &[$($name::TYPE),*];

            #[inline]
            #[allow(unused_variables, reason = "the empty tuple uses nothing")]
            #[allow(clippy::unused_unit, reason = "the empty tuple is one")]
            unsafe fn lift_all(store: &OpaqueStore, cells: *const ValRaw) -> Result<Self> {
                // SAFETY: the values are the caller's promise.
                Ok(($($name::lift(unsafe { *cells.add($index) }, store)?,)*))
            }
        }
    };
}

/// Calls a macro for each number of elements from 0 to 16.
macro_rules! for_each_arity {
    ($mac:ident) => {
        $mac!();
        $mac!(A0 0);
        $mac!(A0 0 A1 1);
        $mac!(A0 0 A1 1 A2 2);
        $mac!(A0 0 A1 1 A2 2 A3 3);
        $mac!(A0 0 A1 1 A2 2 A3 3 A4 4);
        $mac!(A0 0 A1 1 A2 2 A3 3 A4 4 A5 5);
        $mac!(A0 0 A1 1 A2 2 A3 3 A4 4 A5 5 A6 6);
        $mac!(A0 0 A1 1 A2 2 A3 3 A4 4 A5 5 A6 6 A7 7);
        $mac!(A0 0 A1 1 A2 2 A3 3 A4 4 A5 5 A6 6 A7 7 A8 8);
        $mac!(A0 0 A1 1 A2 2 A3 3 A4 4 A5 5 A6 6 A7 7 A8 8 A9 9);
        $mac!(A0 0 A1 1 A2 2 A3 3 A4 4 A5 5 A6 6 A7 7 A8 8 A9 9 A10 10);
        $mac!(A0 0 A1 1 A2 2 A3 3 A4 4 A5 5 A6 6 A7 7 A8 8 A9 9 A10 10 A11 11);
        $mac!(A0 0 A1 1 A2 2 A3 3 A4 4 A5 5 A6 6 A7 7 A8 8 A9 9 A10 10 A11 11 A12 12);
        $mac!(A0 0 A1 1 A2 2 A3 3 A4 4 A5 5 A6 6 A7 7 A8 8 A9 9 A10 10 A11 11 A12 12 A13 13);
        $mac!(A0 0 A1 1 A2 2 A3 3 A4 4 A5 5 A6 6 A7 7 A8 8 A9 9 A10 10 A11 11 A12 12 A13 13 A14 14);
        $mac!(A0 0 A1 1 A2 2 A3 3 A4 4 A5 5 A6 6 A7 7 A8 8 A9 9 A10 10 A11 11 A12 12 A13 13 A14 14 A15 15);
    };
}
pub(super) use for_each_arity;

for_each_arity!(lists);
