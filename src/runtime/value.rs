//! [`Val`]: a value whose type is only known at run time.

use super::func::Func;
use crate::artifact::{HeapType, RefType, ValType};
use crate::error::{Misuse, Result};
use crate::gc::ExternRef;
use crate::vm::store::StoreOpaque;

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

    /// Checks that the value can be used as one of type `ty` in `store`.
    pub(crate) fn check(&self, ty: ValType, store: &StoreOpaque) -> Result<()> {
        if self.ty() != ty {
            return Err(Misuse::WrongType.into());
        }
        match self {
            Val::FuncRef(Some(func)) => func.pinned.store().check(store),
            _ => Ok(()),
        }
    }

    /// Whether lowering takes a reference slot.
    pub(crate) fn takes_slot(&self) -> bool {
        matches!(self, Val::ExternRef(Some(_)))
    }
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
