//! [`CodeKey`]: what the pieces of a module's code are, and the names by which
//! Cranelift's IR refers to them.

use super::outlined::Outlined;
use crate::abi::{Builtin, FuncIndex, MemoryIndex, TypeIndex};
use cranelift_codegen::ir::{ExtFuncData, ExternalName, FuncRef, Signature, UserExternalName};
use cranelift_frontend::FunctionBuilder;

/// What a piece of code is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum CodeKey {
    /// A function of the module, as it is called.
    Function(FuncIndex),
    /// The stub through which the module reaches a builtin.
    Builtin(Builtin),
    /// What a host calls to enter a function of this type.
    EntryShim(TypeIndex),
    /// How a host function of this type is called.
    ExitStub(TypeIndex),
    /// The stub that copies or fills ranges of memory.
    Bulk(Bulk),
    /// A stub that large functions call.
    Outlined(Outlined),
    /// What raises a trap: [`crate::arch::RAISE_THUNK`].
    Raise,
}

/// The instruction that a stub for whole ranges of memory carries out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Bulk {
    /// `memory.copy`: to, from.
    Copy(MemoryIndex, MemoryIndex),
    /// `memory.fill`.
    Fill(MemoryIndex),
}

impl From<CodeKey> for UserExternalName {
    fn from(key: CodeKey) -> Self {
        let (namespace, index) = match key {
            CodeKey::Function(func) => (0, func.0),
            CodeKey::Builtin(builtin) => (1, builtin as u32),
            CodeKey::EntryShim(ty) => (2, ty.0),
            CodeKey::ExitStub(ty) => (3, ty.0),
            CodeKey::Bulk(Bulk::Copy(to, from)) => (5, to.0 << 16 | from.0),
            CodeKey::Bulk(Bulk::Fill(memory)) => (6, memory.0),
            CodeKey::Raise => (7, 0),
            CodeKey::Outlined(what) => (8, what.number()),
        };
        UserExternalName::new(namespace, index)
    }
}

impl CodeKey {
    /// What a name stands for.
    pub(super) fn of_name(name: &UserExternalName) -> Option<Self> {
        let index = name.index;
        match name.namespace {
            0 => Some(Self::Function(FuncIndex(index))),
            1 => Builtin::ALL.get(index as usize).copied().map(Self::Builtin),
            2 => Some(Self::EntryShim(TypeIndex(index))),
            3 => Some(Self::ExitStub(TypeIndex(index))),
            5 => {
                let (to, from) = (MemoryIndex(index >> 16), MemoryIndex(index & 0xffff));
                Some(Self::Bulk(Bulk::Copy(to, from)))
            }
            6 => Some(Self::Bulk(Bulk::Fill(MemoryIndex(index)))),
            7 => Some(Self::Raise),
            8 => Outlined::of_number(index).map(Self::Outlined),
            _ => None,
        }
    }

    /// Whether it is made only if something calls it.
    pub(super) fn is_stub(self) -> bool {
        matches!(self, Self::Builtin(_) | Self::Bulk(_) | Self::Outlined(_))
    }

    /// Makes a reference through which the function of `builder` can call this.
    pub(super) fn import(self, builder: &mut FunctionBuilder<'_>, signature: Signature) -> FuncRef {
        let signature = builder.import_signature(signature);
        let name = builder.func.declare_imported_user_function(self.into());
        builder.import_function(ExtFuncData {
            name: ExternalName::user(name),
            signature,
            colocated: true,
            patchable: false,
        })
    }
}
