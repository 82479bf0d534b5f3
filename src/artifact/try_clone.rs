//! Copies of artifacts, fallibly: what the compiler makes in memory of its own
//! outlives that memory as a copy.

use super::lasting::Text;
use super::module::{
    Artifact, ArtifactParts, ConstExpr, DataMode, DataSegment, ElemItems, ElemMode, ElemSegment,
    Export, Global, Import, ModuleInfo,
};
use super::types::FuncType;
use crate::error::Result;
use crate::fallible::{try_boxed_slice, try_copied, try_vec_with_capacity};
use std_alloc::{boxed::Box, vec::Vec};

/// What `clone` makes of each item.
fn each<T>(items: &[T], clone: impl Fn(&T) -> Result<T>) -> Result<Vec<T>> {
    let mut copy = try_vec_with_capacity(items.len())?;
    for item in items {
        copy.push(clone(item)?);
    }
    Ok(copy)
}

impl Artifact {
    /// A copy.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`].
    pub(crate) fn try_clone(&self) -> Result<Self> {
        let ArtifactParts {
            info,
            code,
            functions,
            entry_shims,
            exit_stubs,
            stack_maps,
            sites,
            raise_thunk,
            flavor,
        } = self.parts();
        Ok(Self::compiled(ArtifactParts {
            info: info.try_clone()?,
            code: try_copied(code)?,
            functions: try_copied(functions)?,
            entry_shims: try_copied(entry_shims)?,
            exit_stubs: try_copied(exit_stubs)?,
            stack_maps: stack_maps.try_clone()?,
            sites: sites.try_clone()?,
            raise_thunk: *raise_thunk,
            flavor: *flavor,
        }))
    }
}

impl ModuleInfo {
    fn try_clone(&self) -> Result<Self> {
        let Self {
            types,
            imports,
            funcs,
            tables,
            table_inits,
            memories,
            globals,
            exports,
            start,
            elems,
            data,
            data_bytes,
            escape_indices,
            escaping,
            counts,
            name,
            func_names,
        } = self;
        Ok(Self {
            types: each(types, FuncType::try_clone)?,
            imports: each(imports, |Import { module, name, kind }| {
                Ok(Import { module: module.try_clone()?, name: name.try_clone()?, kind: *kind })
            })?,
            funcs: try_copied(funcs)?,
            tables: try_copied(tables)?,
            table_inits: each(table_inits, ConstExpr::try_clone)?,
            memories: try_copied(memories)?,
            globals: each(globals, |Global { ty, init }| {
                let init = init.as_ref().map(ConstExpr::try_clone).transpose()?;
                Ok(Global { ty: *ty, init })
            })?,
            exports: each(exports, |Export { name, kind }| {
                Ok(Export { name: name.try_clone()?, kind: *kind })
            })?,
            start: *start,
            elems: each(elems, ElemSegment::try_clone)?,
            data: each(data, DataSegment::try_clone)?,
            data_bytes: data_bytes.try_clone()?,
            escape_indices: try_copied(escape_indices)?,
            escaping: try_copied(escaping)?,
            counts: *counts,
            name: name.as_ref().map(Text::try_clone).transpose()?,
            func_names: func_names.try_clone()?,
        })
    }
}

impl ConstExpr {
    fn try_clone(&self) -> Result<Self> {
        Ok(Self { ops: boxed(&self.ops)? })
    }
}

/// The same items.
fn boxed<T: Copy>(items: &[T]) -> Result<Box<[T]>> {
    Ok(try_boxed_slice(try_copied(items)?)?)
}

impl ElemSegment {
    fn try_clone(&self) -> Result<Self> {
        let Self { element, items, mode } = self;
        let items = match items {
            ElemItems::Funcs(funcs) => ElemItems::Funcs(boxed(funcs)?),
            ElemItems::Exprs(exprs) => {
                ElemItems::Exprs(try_boxed_slice(each(exprs, ConstExpr::try_clone)?)?)
            }
        };
        let mode = match mode {
            ElemMode::Passive => ElemMode::Passive,
            ElemMode::Declared => ElemMode::Declared,
            ElemMode::Active { table, offset } => {
                ElemMode::Active { table: *table, offset: offset.try_clone()? }
            }
        };
        Ok(Self { element: *element, items, mode })
    }
}

impl DataSegment {
    fn try_clone(&self) -> Result<Self> {
        let mode = match &self.mode {
            DataMode::Passive => DataMode::Passive,
            DataMode::Active { memory, offset } => {
                DataMode::Active { memory: *memory, offset: offset.try_clone()? }
            }
        };
        Ok(Self { start: self.start, len: self.len, mode })
    }
}
