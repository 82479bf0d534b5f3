//! Value, function, table, memory and global types, and how they match.
//! Specification: WebAssembly core, "Types" and "Matching".

use crate::error::Result;
use core::fmt;
use std_alloc::{boxed::Box, vec::Vec};

/// The type of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ValType {
    /// 32-bit integer.
    I32,
    /// 64-bit integer.
    I64,
    /// 32-bit float.
    F32,
    /// 64-bit float.
    F64,
    /// 128-bit vector.
    V128,
    /// Nullable reference to a function.
    FuncRef,
    /// Nullable reference to a host object.
    ExternRef,
}

/// The type of a reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum RefType {
    /// Nullable reference to a function.
    Func,
    /// Nullable reference to a host object.
    Extern,
}

impl ValType {
    /// Whether values of this type are references.
    pub const fn is_ref(self) -> bool {
        matches!(self, ValType::FuncRef | ValType::ExternRef)
    }
}

impl From<RefType> for ValType {
    fn from(ty: RefType) -> Self {
        match ty {
            RefType::Func => ValType::FuncRef,
            RefType::Extern => ValType::ExternRef,
        }
    }
}

impl fmt::Display for ValType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ValType::I32 => "i32",
            ValType::I64 => "i64",
            ValType::F32 => "f32",
            ValType::F64 => "f64",
            ValType::V128 => "v128",
            ValType::FuncRef => "funcref",
            ValType::ExternRef => "externref",
        })
    }
}

impl fmt::Display for RefType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        ValType::from(*self).fmt(f)
    }
}

/// The type of a function: parameters, then results.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FuncType {
    types: Box<[ValType]>,
    params: u32,
}

impl FuncType {
    /// A function type.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`].
    pub fn new(
        params: impl IntoIterator<Item = ValType>,
        results: impl IntoIterator<Item = ValType>,
    ) -> Result<Self> {
        let mut types = Vec::new();
        for ty in params {
            crate::alloc::try_push(&mut types, ty)?;
        }
        let params = types.len() as u32;
        for ty in results {
            crate::alloc::try_push(&mut types, ty)?;
        }
        Ok(Self { types: crate::alloc::try_boxed_slice(types)?, params })
    }
    /// Parameter types.
    pub fn params(&self) -> &[ValType] {
        &self.types[..self.params as usize]
    }
    /// Result types.
    pub fn results(&self) -> &[ValType] {
        &self.types[self.params as usize..]
    }
    /// A copy, fallibly.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`].
    pub fn try_clone(&self) -> Result<Self> {
        Self::new(self.params().iter().copied(), self.results().iter().copied())
    }
}

impl fmt::Display for FuncType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(func")?;
        for (keyword, types) in [("param", self.params()), ("result", self.results())] {
            if !types.is_empty() {
                write!(f, " ({keyword}")?;
                types.iter().try_for_each(|ty| write!(f, " {ty}"))?;
                f.write_str(")")?;
            }
        }
        f.write_str(")")
    }
}

/// The type of a table. Sizes in elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableType {
    /// What the table holds.
    pub element: RefType,
    /// Smallest size.
    pub minimum: u64,
    /// Largest size, if bounded.
    pub maximum: Option<u64>,
    /// Indices are `i64` (64-bit table) instead of `i32`.
    pub table64: bool,
}

/// The type of a linear memory. Sizes in pages of 64 KiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryType {
    /// Smallest size.
    pub minimum: u64,
    /// Largest size, if bounded.
    pub maximum: Option<u64>,
    /// Indices are `i64` (64-bit memory) instead of `i32`.
    pub memory64: bool,
}

/// Bytes in a page of linear memory.
pub const WASM_PAGE_BYTES: u64 = 65536;

/// The type of a global.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GlobalType {
    /// Type of its value.
    pub content: ValType,
    /// Whether it can be set.
    pub mutable: bool,
}

/// The type of anything that is imported or exported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExternType {
    /// A function.
    Func(FuncType),
    /// A table.
    Table(TableType),
    /// A memory.
    Memory(MemoryType),
    /// A global.
    Global(GlobalType),
}

/// Whether limits `found` satisfy the limits `wanted` of an import.
fn limits_match(found: (u64, Option<u64>), wanted: (u64, Option<u64>)) -> bool {
    found.0 >= wanted.0
        && match (found.1, wanted.1) {
            (_, None) => true,
            (Some(found), Some(wanted)) => found <= wanted,
            (None, Some(_)) => false,
        }
}

impl TableType {
    /// Whether a table of this type and `current` elements satisfies an import
    /// of type `wanted`.
    pub fn satisfies(&self, current: u64, wanted: &TableType) -> bool {
        self.element == wanted.element
            && self.table64 == wanted.table64
            && limits_match((current, self.maximum), (wanted.minimum, wanted.maximum))
    }
}

impl MemoryType {
    /// Whether a memory of this type and `current` pages satisfies an import
    /// of type `wanted`.
    pub fn satisfies(&self, current: u64, wanted: &MemoryType) -> bool {
        self.memory64 == wanted.memory64
            && limits_match((current, self.maximum), (wanted.minimum, wanted.maximum))
    }
}

fn write_limits(
    f: &mut fmt::Formatter<'_>,
    is_64: bool,
    minimum: u64,
    maximum: Option<u64>,
) -> fmt::Result {
    if is_64 {
        f.write_str("i64 ")?;
    }
    write!(f, "{minimum}")?;
    maximum.map_or(Ok(()), |maximum| write!(f, " {maximum}"))
}

impl fmt::Display for TableType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(table ")?;
        write_limits(f, self.table64, self.minimum, self.maximum)?;
        write!(f, " {})", self.element)
    }
}

impl fmt::Display for MemoryType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(memory ")?;
        write_limits(f, self.memory64, self.minimum, self.maximum)?;
        f.write_str(")")
    }
}

impl fmt::Display for GlobalType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.mutable {
            true => write!(f, "(global (mut {}))", self.content),
            false => write!(f, "(global {})", self.content),
        }
    }
}

impl fmt::Display for ExternType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ExternType::Func(ty) => ty.fmt(f),
            ExternType::Table(ty) => ty.fmt(f),
            ExternType::Memory(ty) => ty.fmt(f),
            ExternType::Global(ty) => ty.fmt(f),
        }
    }
}
