//! Value, function, table, memory and global types, and how they match.
//! Specification: WebAssembly core, "Types" and "Matching".

use crate::abi::ValRaw;
use crate::error::Result;
use core::fmt;
use std_alloc::{boxed::Box, vec::Vec};

/// The type of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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
    /// A reference.
    Ref(RefType),
}

/// The type of a reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RefType {
    nullable: bool,
    heap: HeapType,
}

/// What a reference points to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HeapType {
    /// A function.
    Func,
    /// A host object.
    Extern,
}

/// How a reference is kept in cells, tables, globals and machine code. Null is
/// zero in each form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RefForm {
    /// 32 bits: the number of a slot.
    Slot,
    /// 64 bits: the address of a [`VmFuncRef`](crate::abi::VmFuncRef).
    FuncRef,
}

impl ValType {
    /// Nullable reference to a function.
    pub const FUNCREF: Self = Self::Ref(RefType::FUNCREF);
    /// Nullable reference to a host object.
    pub const EXTERNREF: Self = Self::Ref(RefType::EXTERNREF);

    /// Whether values of this type are references.
    pub const fn is_ref(self) -> bool {
        matches!(self, Self::Ref(_))
    }

    /// As for [`RefType::is_counted`]; false for numbers.
    pub(crate) const fn is_counted(self) -> bool {
        matches!(self, Self::Ref(ty) if ty.is_counted())
    }

    /// As for [`RefType::needs_stack_map`]; false for numbers.
    #[cfg(feature = "compile")]
    pub(crate) const fn needs_stack_map(self) -> bool {
        matches!(self, Self::Ref(ty) if ty.needs_stack_map())
    }
}

impl RefType {
    /// Nullable reference to a function.
    pub const FUNCREF: Self = Self::new(true, HeapType::Func);
    /// Nullable reference to a host object.
    pub const EXTERNREF: Self = Self::new(true, HeapType::Extern);

    /// The type of references to `heap_type`. Modules and values use nullable
    /// ones only.
    pub const fn new(nullable: bool, heap_type: HeapType) -> Self {
        Self { nullable, heap: heap_type }
    }

    /// Whether null is one of the values.
    pub const fn is_nullable(self) -> bool {
        self.nullable
    }

    /// What the references point to.
    pub const fn heap_type(self) -> HeapType {
        self.heap
    }

    /// How the references are kept.
    pub(crate) const fn form(self) -> RefForm {
        match self.heap {
            HeapType::Func => RefForm::FuncRef,
            HeapType::Extern => RefForm::Slot,
        }
    }

    /// Whether tables and globals count the references that they hold.
    pub(crate) const fn is_counted(self) -> bool {
        matches!(self.form(), RefForm::Slot)
    }

    /// Whether the walker must find the references in the frames of compiled
    /// code.
    #[cfg(feature = "compile")]
    pub(crate) const fn needs_stack_map(self) -> bool {
        matches!(self.form(), RefForm::Slot)
    }

    /// log2 of the bytes that a reference takes in a table.
    pub(crate) const fn element_bytes_log2(self) -> u32 {
        match self.form() {
            RefForm::Slot => 2,
            RefForm::FuncRef => 3,
        }
    }

    /// What a cell holds, as an element of a table.
    pub(crate) const fn element_from_cell(self, cell: ValRaw) -> u64 {
        match self.form() {
            RefForm::Slot => cell.u32() as u64,
            RefForm::FuncRef => cell.u64(),
        }
    }

    /// An element of a table, as a cell.
    pub(crate) const fn cell_from_element(self, element: u64) -> ValRaw {
        match self.form() {
            RefForm::Slot => ValRaw::from_u32(element as u32),
            RefForm::FuncRef => ValRaw::from_u64(element),
        }
    }
}

const _: () =
    assert!(size_of::<*mut crate::abi::VmFuncRef>() == 1 << RefType::FUNCREF.element_bytes_log2());

impl From<RefType> for ValType {
    fn from(ty: RefType) -> Self {
        ValType::Ref(ty)
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
            ValType::Ref(ty) => return ty.fmt(f),
        })
    }
}

impl fmt::Display for RefType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.nullable {
            true => write!(f, "{}ref", self.heap),
            false => write!(f, "(ref {})", self.heap),
        }
    }
}

impl fmt::Display for HeapType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            HeapType::Func => "func",
            HeapType::Extern => "extern",
        })
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
    /// A function type with the first `params` of `types` as parameters.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`].
    pub(super) fn of_list(types: Vec<ValType>, params: u32) -> Result<Self> {
        let params = params.min(types.len() as u32);
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
