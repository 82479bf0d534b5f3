//! Cranelift types and signatures for Wasm types and for builtins.

use crate::abi::{Builtin, BuiltinType};
use crate::artifact::{FuncType, RefForm, RefType, ValType};
use cranelift_codegen::ir::{AbiParam, Signature, TrapCode, Type, types};
use cranelift_codegen::isa::CallConv;

/// Pointers; both supported architectures are 64-bit.
pub(super) const POINTER: Type = types::I64;
/// How vectors travel between operators; operators cast to their own shape.
pub(super) const VECTOR: Type = types::I8X16;

/// Follows a call that does not return. The number exists for Cranelift only,
/// and never reaches users.
pub(super) const NEVER_REACHED: TrapCode = TrapCode::unwrap_user(1);

/// The Cranelift type of a value.
pub(super) const fn value_type(ty: ValType) -> Type {
    match ty {
        ValType::I32 => types::I32,
        ValType::I64 => types::I64,
        ValType::F32 => types::F32,
        ValType::F64 => types::F64,
        ValType::V128 => VECTOR,
        ValType::Ref(ty) => ref_type(ty),
    }
}

/// The Cranelift type of a reference.
pub(super) const fn ref_type(ty: RefType) -> Type {
    match ty.form() {
        RefForm::Slot => types::I32,
        RefForm::FuncRef => POINTER,
    }
}

/// The internal convention: context, then the parameters.
pub(super) fn internal(ty: &FuncType) -> Signature {
    let mut signature = Signature::new(CallConv::Tail);
    signature.params.push(AbiParam::new(POINTER));
    signature.params.extend(ty.params().iter().map(|ty| AbiParam::new(value_type(*ty))));
    signature.returns.extend(ty.results().iter().map(|ty| AbiParam::new(value_type(*ty))));
    signature
}

/// A signature over general registers only.
pub(super) fn plain(conv: CallConv, params: &[Type], returns: &[Type]) -> Signature {
    let mut signature = Signature::new(conv);
    signature.params.extend(params.iter().copied().map(AbiParam::new));
    signature.returns.extend(returns.iter().copied().map(AbiParam::new));
    signature
}

/// The signature of a builtin: context first, then its parameters.
pub(super) fn builtin_signature(builtin: Builtin, conv: CallConv) -> Signature {
    let mut params = std_alloc::vec![POINTER];
    params.extend(builtin.params().iter().map(|ty| match ty {
        BuiltinType::I32 => types::I32,
        BuiltinType::I64 => types::I64,
    }));
    plain(conv, &params, &[types::I64])
}
