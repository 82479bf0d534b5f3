//! [`ImportType`] and [`ExportType`]: what a module declares, for embedders.

use crate::artifact::{ExportKind, ExternType, ImportKind, ModuleInfo};
use crate::engine::module::MALFORMED;
use crate::error::Result;

/// One import of a module.
#[derive(Clone, Copy)]
pub struct ImportType<'m> {
    pub(super) info: &'m ModuleInfo,
    pub(super) module: &'m str,
    pub(super) name: &'m str,
    pub(super) kind: ImportKind,
}

impl<'m> ImportType<'m> {
    /// Module name of the import.
    pub fn module(&self) -> &'m str {
        self.module
    }

    /// Item name of the import.
    pub fn name(&self) -> &'m str {
        self.name
    }

    /// The type wanted.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`] when a function type cannot be copied.
    pub fn ty(&self) -> Result<ExternType> {
        Ok(match self.kind {
            ImportKind::Func(ty) => {
                ExternType::Func(self.info.types.get(ty.index()).ok_or(MALFORMED)?.try_clone()?)
            }
            ImportKind::Table(ty) => ExternType::Table(ty),
            ImportKind::Memory(ty) => ExternType::Memory(ty),
            ImportKind::Global(ty) => ExternType::Global(ty),
        })
    }
}

/// One export of a module.
#[derive(Clone, Copy)]
pub struct ExportType<'m> {
    pub(super) info: &'m ModuleInfo,
    pub(super) name: &'m str,
    pub(super) kind: ExportKind,
}

impl<'m> ExportType<'m> {
    /// The export's name.
    pub fn name(&self) -> &'m str {
        self.name
    }

    /// Its type.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`] when a function type cannot be copied.
    pub fn ty(&self) -> Result<ExternType> {
        let info = self.info;
        Ok(match self.kind {
            ExportKind::Func(func) => {
                let ty = info.funcs.get(func.index()).ok_or(MALFORMED)?;
                ExternType::Func(info.types.get(ty.index()).ok_or(MALFORMED)?.try_clone()?)
            }
            ExportKind::Table(table) => {
                ExternType::Table(*info.tables.get(table.index()).ok_or(MALFORMED)?)
            }
            ExportKind::Memory(memory) => {
                ExternType::Memory(*info.memories.get(memory.index()).ok_or(MALFORMED)?)
            }
            ExportKind::Global(global) => {
                ExternType::Global(info.globals.get(global.index()).ok_or(MALFORMED)?.ty)
            }
        })
    }
}

impl core::fmt::Debug for ImportType<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("ImportType")
            .field("module", &self.module)
            .field("name", &self.name)
            .field("kind", &self.kind)
            .finish()
    }
}

impl core::fmt::Debug for ExportType<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("ExportType").field("name", &self.name).field("kind", &self.kind).finish()
    }
}
