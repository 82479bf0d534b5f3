//! How Rust types cross to Wasm and back: [`ToWasm`], [`FromWasm`] and
//! [`HostArg`] for single values, and lists of them.
//!
//! Invariants: values cross as bits in [`ValRaw`] cells. A list is lowered in
//! three steps, of which only the second can collect: check every value,
//! reserve slots for all references, write the cells.

mod cells;
mod list;
mod reference;
mod values;

pub(super) use cells::read;
pub(super) use list::for_each_arity;
pub use list::{HostArgs, WasmParams, WasmResults};
pub(super) use values::{lift_list, lower_clones, lower_list};

use crate::abi::ValRaw;
use crate::artifact::ValType;
use crate::error::Result;
use crate::vm::store::StoreOpaque;

/// A type that can be passed to Wasm: as an argument of a Wasm function or as
/// a result of a host function.
///
/// # Safety
/// `lower` yields a cell that is valid for [`Self::TYPE`] in the store, and
/// takes as many reference slots as [`Self::slots`] says.
pub unsafe trait ToWasm: Sized {
    /// The Wasm type.
    const TYPE: ValType;

    #[doc(hidden)]
    #[inline]
    fn slots(&self) -> u32 {
        0
    }

    #[doc(hidden)]
    #[inline]
    fn check(&self, _store: &StoreOpaque) -> Result<()> {
        Ok(())
    }

    #[doc(hidden)]
    fn lower(self, store: &mut StoreOpaque) -> Result<ValRaw>;
}

/// A type that Wasm can return to the host.
///
/// # Safety
/// `lift` accepts every cell that is valid for [`Self::TYPE`].
pub unsafe trait FromWasm: Sized {
    /// The Wasm type.
    const TYPE: ValType;

    #[doc(hidden)]
    fn lift(cell: ValRaw, store: &StoreOpaque) -> Result<Self>;
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
    fn lift_arg(cell: ValRaw, store: &StoreOpaque, serial: u64) -> Result<Self>;
}

/// Implements all three traits for a type that crosses as plain bits.
macro_rules! plain {
    ($($ty:ty, $wasm:ident, $value:ident => $lower:expr, $cell:ident => $lift:expr;)+) => {$(
        // SAFETY: all bits of the cell that belong to the type are set, and
        // any bits are a value.
        unsafe impl ToWasm for $ty {
            const TYPE: ValType = ValType::$wasm;
            #[inline]
            fn lower(self, _: &mut StoreOpaque) -> Result<ValRaw> {
                let $value = self;
                Ok($lower)
            }
        }
        // SAFETY: as above.
        unsafe impl FromWasm for $ty {
            const TYPE: ValType = ValType::$wasm;
            #[inline]
            fn lift($cell: ValRaw, _: &StoreOpaque) -> Result<Self> {
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
            fn lift_arg(cell: ValRaw, store: &StoreOpaque, _: u64) -> Result<Self> {
                <$ty as FromWasm>::lift(cell, store)
            }
        }
    };
}

use host_arg_from_wasm;

plain! {
    i32, I32, value => ValRaw::from_u32(value as u32), cell => cell.u32() as i32;
    u32, I32, value => ValRaw::from_u32(value), cell => cell.u32();
    i64, I64, value => ValRaw::from_u64(value as u64), cell => cell.u64() as i64;
    u64, I64, value => ValRaw::from_u64(value), cell => cell.u64();
    f32, F32, value => ValRaw::from_u32(value.to_bits()), cell => f32::from_bits(cell.u32());
    f64, F64, value => ValRaw::from_u64(value.to_bits()), cell => f64::from_bits(cell.u64());
    u128, V128, value => ValRaw::from_u128(value), cell => cell.u128();
}
