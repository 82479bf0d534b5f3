//! Lists of values: parameters and results of a call as a single value or a
//! tuple of up to 16.

use super::cells::read;
use super::{FromWasm, HostArg, ToWasm};
use crate::abi::ValRaw;
use crate::artifact::ValType;
use crate::error::Result;
use crate::vm::store::StoreOpaque;

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
    unsafe fn lower_all(self, store: &mut StoreOpaque, cells: *mut ValRaw) -> Result<()>;
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
    unsafe fn lift_all(store: &StoreOpaque, cells: *const ValRaw) -> Result<Self>;
}

// SAFETY: one type, and as for the list of one value one cell is written: of
// that type, by the contract of `ToWasm`.
unsafe impl<V: ToWasm> WasmParams for V {
    const TYPES: &'static [ValType] = &[V::TYPE];

    #[inline]
    unsafe fn lower_all(self, store: &mut StoreOpaque, cells: *mut ValRaw) -> Result<()> {
        // SAFETY: passed on to the caller.
        unsafe { (self,).lower_all(store, cells) }
    }
}

// SAFETY: one type, and one cell is read, as a value of that type.
unsafe impl<V: FromWasm> WasmResults for V {
    const TYPES: &'static [ValType] = &[V::TYPE];

    #[inline]
    unsafe fn lift_all(store: &StoreOpaque, cells: *const ValRaw) -> Result<Self> {
        // SAFETY: passed on to the caller.
        V::lift(unsafe { read(cells, V::TYPE) }, store)
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
    unsafe fn lift(store: &StoreOpaque, cells: *const ValRaw, serial: u64) -> Result<Self>;
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
                store: &StoreOpaque,
                cells: *const ValRaw,
                serial: u64,
            ) -> Result<Self> {
                // SAFETY: the caller guarantees the values.
                Ok(($($name::lift_arg(unsafe { read(cells.add($index), $name::TYPE) }, store, serial)?,)*))
            }
        }

        // SAFETY: one cell per element of the tuple.
        unsafe impl<$($name: ToWasm,)*> WasmParams for ($($name,)*) {
            const TYPES: &'static [ValType] = &[$($name::TYPE),*];

            #[inline]
            #[allow(unused_variables, reason = "the empty tuple uses nothing")]
            unsafe fn lower_all(self, store: &mut StoreOpaque, cells: *mut ValRaw) -> Result<()> {
                $(self.$index.check(store)?;)*
                let slots = 0 $(+ self.$index.slots())*;
                if slots > 0 {
                    store.reserve_references(slots)?;
                }
                // SAFETY: the caller guarantees the room.
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
            unsafe fn lift_all(store: &StoreOpaque, cells: *const ValRaw) -> Result<Self> {
                // SAFETY: the caller guarantees the values.
                Ok(($($name::lift(unsafe { read(cells.add($index), $name::TYPE) }, store)?,)*))
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
pub(in crate::runtime) use for_each_arity;

for_each_arity!(lists);
