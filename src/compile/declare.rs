//! Everything in a module but its code: turns sections into [`ModuleInfo`].
//!
//! Sections arrive validated, so conversions refuse only what Kernref's own
//! types cannot express, which the enabled features rule out already.

use super::poll::Poll;
use crate::abi::{FuncIndex, GlobalIndex, MemoryIndex, TableIndex, TypeIndex};
use crate::artifact::limits;
use crate::artifact::{
    ConstExpr, ConstOp, DataMode, DataSegment, ElemItems, ElemMode, ElemSegment, Export,
    ExportKind, FuncType, Global, GlobalType, HeapType, Import, ImportKind, Lasting, MemoryType,
    ModuleInfo, NO_ESCAPE, RefType, TableType, Text, ValType,
};
use crate::error::{Error, Result};
use std_alloc::{boxed::Box, vec::Vec};
use wasmparser::{Operator, Payload};

const UNREPRESENTABLE: Error = Error::Bug("the validator let an unsupported type pass");

/// Why a module could not be read.
pub(super) enum Failure {
    /// The parser's or the validator's error.
    Parse(wasmparser::Error),
    /// Ours.
    Own(Error),
}

impl From<wasmparser::Error> for Failure {
    fn from(error: wasmparser::Error) -> Self {
        Failure::Parse(error)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Own(error)
    }
}

pub(super) fn heap_type(ty: wasmparser::HeapType) -> Result<HeapType> {
    match ty {
        wasmparser::HeapType::FUNC => Ok(HeapType::Func),
        wasmparser::HeapType::EXTERN => Ok(HeapType::Extern),
        _ => Err(UNREPRESENTABLE),
    }
}

fn ref_type(ty: wasmparser::RefType) -> Result<RefType> {
    Ok(RefType::new(ty.is_nullable(), heap_type(ty.heap_type())?))
}

pub(super) fn val_type(ty: wasmparser::ValType) -> Result<ValType> {
    Ok(match ty {
        wasmparser::ValType::I32 => ValType::I32,
        wasmparser::ValType::I64 => ValType::I64,
        wasmparser::ValType::F32 => ValType::F32,
        wasmparser::ValType::F64 => ValType::F64,
        wasmparser::ValType::V128 => ValType::V128,
        wasmparser::ValType::Ref(ty) => ValType::Ref(ref_type(ty)?),
    })
}

fn table_type(ty: &wasmparser::TableType) -> Result<TableType> {
    Ok(TableType {
        element: ref_type(ty.element_type)?,
        minimum: ty.initial,
        maximum: ty.maximum,
        table64: ty.table64,
    })
}

fn memory_type(ty: &wasmparser::MemoryType) -> MemoryType {
    MemoryType { minimum: ty.initial, maximum: ty.maximum, memory64: ty.memory64 }
}

fn global_type(ty: &wasmparser::GlobalType) -> Result<GlobalType> {
    Ok(GlobalType { content: val_type(ty.content_type)?, mutable: ty.mutable })
}

/// Collects declarations section by section.
#[derive(Default)]
pub(super) struct Declarations {
    pub(super) info: ModuleInfo,
    escapes: Vec<FuncIndex>,
}

impl Declarations {
    /// Takes a validated payload other than code.
    pub(super) fn payload(
        &mut self,
        payload: Payload<'_>,
        poll: &mut Poll<'_>,
    ) -> Result<(), Failure> {
        match payload {
            Payload::TypeSection(types) => {
                for ty in types.into_iter_err_on_gc_types() {
                    poll.entry()?;
                    let ty = ty?;
                    let convert = |types: &[wasmparser::ValType]| {
                        types.iter().map(|ty| val_type(*ty)).collect::<Result<Vec<_>>>()
                    };
                    let (params, results) = (convert(ty.params())?, convert(ty.results())?);
                    self.info.types.push(FuncType::new(params, results)?);
                }
            }
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    poll.entry()?;
                    self.import(import?)?;
                }
            }
            Payload::FunctionSection(funcs) => {
                for ty in funcs {
                    poll.entry()?;
                    self.info.funcs.push(TypeIndex(ty?));
                }
            }
            Payload::TableSection(tables) => {
                for table in tables {
                    poll.entry()?;
                    let table = table?;
                    let ty = table_type(&table.ty)?;
                    let init = match table.init {
                        wasmparser::TableInit::RefNull => {
                            ConstExpr { ops: Box::from([ConstOp::RefNull(ty.element)]) }
                        }
                        wasmparser::TableInit::Expr(expr) => self.const_expr(&expr)?,
                    };
                    self.info.tables.push(ty);
                    self.info.table_inits.push(init);
                    self.info.counts.defined_tables += 1;
                }
            }
            Payload::MemorySection(memories) => {
                for memory in memories {
                    poll.entry()?;
                    self.info.memories.push(memory_type(&memory?));
                    self.info.counts.defined_memories += 1;
                }
            }
            Payload::GlobalSection(globals) => {
                for global in globals {
                    poll.entry()?;
                    let global = global?;
                    let init = Some(self.const_expr(&global.init_expr)?);
                    self.info.globals.push(Global { ty: global_type(&global.ty)?, init });
                    self.info.counts.defined_globals += 1;
                }
            }
            Payload::ExportSection(exports) => {
                for export in exports {
                    poll.entry()?;
                    self.export(export?)?;
                }
            }
            Payload::StartSection { func, .. } => self.info.start = Some(self.escape(func)),
            Payload::ElementSection(elements) => {
                for element in elements {
                    poll.entry()?;
                    self.element(element?, poll)?;
                }
            }
            Payload::DataSection(segments) => {
                let range = segments.range();
                let mut bytes = Vec::with_capacity(range.end.saturating_sub(range.start) as usize);
                for segment in segments {
                    poll.entry()?;
                    self.data(segment?, &mut bytes)?;
                }
                self.info.data_bytes = Lasting::owned(bytes)?;
            }
            Payload::CustomSection(section) => {
                if let wasmparser::KnownCustom::Name(names) = section.as_known() {
                    super::names::read(names, &mut self.info)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn import(&mut self, import: wasmparser::Import<'_>) -> Result<(), Failure> {
        let counts = &mut self.info.counts;
        let kind = match import.ty {
            wasmparser::TypeRef::Func(ty) => {
                counts.imported_funcs += 1;
                self.info.funcs.push(TypeIndex(ty));
                ImportKind::Func(TypeIndex(ty))
            }
            wasmparser::TypeRef::Table(ty) => {
                counts.imported_tables += 1;
                let ty = table_type(&ty)?;
                self.info.tables.push(ty);
                ImportKind::Table(ty)
            }
            wasmparser::TypeRef::Memory(ty) => {
                counts.imported_memories += 1;
                let ty = memory_type(&ty);
                self.info.memories.push(ty);
                ImportKind::Memory(ty)
            }
            wasmparser::TypeRef::Global(ty) => {
                counts.imported_globals += 1;
                let ty = global_type(&ty)?;
                self.info.globals.push(Global { ty, init: None });
                ImportKind::Global(ty)
            }
            _ => return Err(UNREPRESENTABLE.into()),
        };
        let (module, name) = (Text::copied(import.module)?, Text::copied(import.name)?);
        self.info.imports.push(Import { module, name, kind });
        Ok(())
    }

    fn export(&mut self, export: wasmparser::Export<'_>) -> Result<(), Failure> {
        let kind = match export.kind {
            wasmparser::ExternalKind::Func => ExportKind::Func(self.escape(export.index)),
            wasmparser::ExternalKind::Table => ExportKind::Table(TableIndex(export.index)),
            wasmparser::ExternalKind::Memory => ExportKind::Memory(MemoryIndex(export.index)),
            wasmparser::ExternalKind::Global => ExportKind::Global(GlobalIndex(export.index)),
            _ => return Err(UNREPRESENTABLE.into()),
        };
        self.info.exports.push(Export { name: Text::copied(export.name)?, kind });
        Ok(())
    }

    fn element(
        &mut self,
        element: wasmparser::Element<'_>,
        poll: &mut Poll<'_>,
    ) -> Result<(), Failure> {
        let mode = match element.kind {
            wasmparser::ElementKind::Passive => ElemMode::Passive,
            wasmparser::ElementKind::Declared => ElemMode::Declared,
            wasmparser::ElementKind::Active { table_index, offset_expr } => ElemMode::Active {
                table: TableIndex(table_index.unwrap_or(0)),
                offset: self.const_expr(&offset_expr)?,
            },
        };
        let (element, items) = match element.items {
            wasmparser::ElementItems::Functions(funcs) => {
                let mut items = Vec::new();
                for func in funcs {
                    poll.entry()?;
                    items.push(self.escape(func?));
                }
                (RefType::FUNCREF, ElemItems::Funcs(items.into()))
            }
            wasmparser::ElementItems::Expressions(ty, exprs) => {
                let mut items = Vec::new();
                for expr in exprs {
                    poll.entry()?;
                    items.push(self.const_expr(&expr?)?);
                }
                (ref_type(ty)?, ElemItems::Exprs(items.into()))
            }
        };
        self.info.elems.push(ElemSegment { element, items, mode });
        Ok(())
    }

    fn data(&mut self, segment: wasmparser::Data<'_>, bytes: &mut Vec<u8>) -> Result<(), Failure> {
        let mode = match segment.kind {
            wasmparser::DataKind::Passive => DataMode::Passive,
            wasmparser::DataKind::Active { memory_index, offset_expr } => DataMode::Active {
                memory: MemoryIndex(memory_index),
                offset: self.const_expr(&offset_expr)?,
            },
        };
        let (start, len) = (bytes.len() as u32, segment.data.len() as u32);
        bytes.extend_from_slice(segment.data);
        self.info.data.push(DataSegment { start, len, mode });
        Ok(())
    }

    fn const_expr(&mut self, expr: &wasmparser::ConstExpr<'_>) -> Result<ConstExpr, Failure> {
        let mut ops = Vec::new();
        for op in expr.get_operators_reader() {
            ops.push(match op? {
                Operator::I32Const { value } => ConstOp::I32(value),
                Operator::I64Const { value } => ConstOp::I64(value),
                Operator::F32Const { value } => ConstOp::F32(value.bits()),
                Operator::F64Const { value } => ConstOp::F64(value.bits()),
                Operator::V128Const { value } => ConstOp::V128(u128::from_le_bytes(*value.bytes())),
                Operator::RefNull { hty } => ConstOp::RefNull(RefType::new(true, heap_type(hty)?)),
                Operator::RefFunc { function_index } => {
                    ConstOp::RefFunc(self.escape(function_index))
                }
                Operator::GlobalGet { global_index } => {
                    ConstOp::GlobalGet(GlobalIndex(global_index))
                }
                Operator::I32Add => ConstOp::I32Add,
                Operator::I32Sub => ConstOp::I32Sub,
                Operator::I32Mul => ConstOp::I32Mul,
                Operator::I64Add => ConstOp::I64Add,
                Operator::I64Sub => ConstOp::I64Sub,
                Operator::I64Mul => ConstOp::I64Mul,
                Operator::End => break,
                _ => return Err(UNREPRESENTABLE.into()),
            });
            limits::CONST_OPERATIONS.check(ops.len() as u64)?;
        }
        Ok(ConstExpr { ops: ops.into() })
    }

    fn escape(&mut self, func: u32) -> FuncIndex {
        self.escapes.push(FuncIndex(func));
        FuncIndex(func)
    }

    /// Settles which functions escape. Called once all sections before the code
    /// have been read: `ref.func` in code only names functions declared there.
    pub(super) fn settle_escapes(&mut self) {
        self.escapes.sort_unstable();
        self.escapes.dedup();
        self.info.escape_indices.clear();
        self.info.escape_indices.resize(self.info.funcs.len(), NO_ESCAPE);
        for (index, func) in self.escapes.iter().enumerate() {
            self.info.escape_indices[func.index()] = index as u32;
        }
        self.info.counts.escaping_funcs = self.escapes.len() as u32;
        self.info.escaping.clone_from(&self.escapes);
    }
}
