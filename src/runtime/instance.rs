//! [`Instance`]: the handle to an instance of a module.

use super::convert::{WasmParams, WasmResults};
use super::external::Extern;
use super::func::Func;
use super::func_calls::TypedFunc;
use super::global::Global;
use super::link;
use super::memory::Memory;
use super::store::AsContextMut;
use super::table::Table;
use crate::artifact::{Export, ExportKind};
use crate::engine::Module;
use crate::error::{Error, LinkReason, Result};
use crate::vm::instance::InstanceData;
use crate::vm::store::{StoreId, StoreOpaque};

/// An instance of a module in a store. A handle: copying it costs nothing, and
/// using it with another store is an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instance {
    store: StoreId,
    index: u32,
}

impl Instance {
    pub(super) fn from_index(store: StoreId, index: u32) -> Self {
        Self { store, index }
    }

    pub(super) fn data_in<'s>(&self, store: &'s StoreOpaque) -> Result<&'s InstanceData> {
        self.store.check(store)?;
        store.instance(self.index)
    }

    /// The module.
    ///
    /// # Errors
    /// [`crate::Misuse::WrongStore`].
    pub fn module<'s, T: 'static>(
        &self,
        store: impl Into<super::StoreContext<'s, T>>,
    ) -> Result<&'s Module> {
        Ok(&self.data_in(store.into().opaque())?.module)
    }

    /// An export, if the instance has one of this name. Also `None` when the
    /// instance belongs to another store.
    pub fn get_export(&self, store: impl AsContextMut, name: &str) -> Option<Extern> {
        let context = store.as_context();
        let store = context.opaque();
        let instance = self.data_in(store).ok()?;
        let index = instance.module.export_index(name)?;
        let kind = instance.module.info().exports.get(index)?.kind;
        export(store, self.index, kind).ok()
    }

    /// An exported function.
    pub fn get_func(&self, store: impl AsContextMut, name: &str) -> Option<Func> {
        self.get_export(store, name)?.into_func()
    }

    /// An exported memory.
    pub fn get_memory(&self, store: impl AsContextMut, name: &str) -> Option<Memory> {
        self.get_export(store, name)?.into_memory()
    }

    /// An exported table.
    pub fn get_table(&self, store: impl AsContextMut, name: &str) -> Option<Table> {
        self.get_export(store, name)?.into_table()
    }

    /// An exported global.
    pub fn get_global(&self, store: impl AsContextMut, name: &str) -> Option<Global> {
        self.get_export(store, name)?.into_global()
    }

    /// An exported function, checked to be of these types.
    ///
    /// # Errors
    /// [`Error::Link`] when there is no such function; as for [`Func::typed`].
    pub fn get_typed_func<P: WasmParams, R: WasmResults>(
        &self,
        mut store: impl AsContextMut,
        name: &str,
    ) -> Result<TypedFunc<P, R>> {
        match self.get_func(&mut store, name) {
            Some(func) => func.typed(store),
            None => Err(unknown_export(self.data_in(store.as_context().opaque())?, name)),
        }
    }

    /// Names and values of all exports, in the module's order.
    ///
    /// # Errors
    /// [`crate::Misuse::WrongStore`].
    pub fn exports<'s, T: 'static>(
        &self,
        store: impl Into<super::StoreContext<'s, T>>,
    ) -> Result<InstanceExports<'s>> {
        let store = store.into().opaque();
        let exports = self.data_in(store)?.module.info().exports.iter();
        Ok(InstanceExports { store, instance: self.index, exports })
    }
}

/// Iterates over the exports of an [`Instance`].
pub struct InstanceExports<'s> {
    store: &'s StoreOpaque,
    instance: u32,
    exports: core::slice::Iter<'s, Export>,
}

impl<'s> Iterator for InstanceExports<'s> {
    type Item = (&'s str, Extern);

    fn next(&mut self) -> Option<Self::Item> {
        let export = self.exports.next()?;
        Some((&export.name, self::export(self.store, self.instance, export.kind).ok()?))
    }
}

impl core::fmt::Debug for InstanceExports<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("InstanceExports").field("left", &self.exports.len()).finish()
    }
}

/// Resolves an export of an instance of the store.
fn export(store: &StoreOpaque, instance: u32, kind: ExportKind) -> Result<Extern> {
    Ok(match kind {
        ExportKind::Func(func) => Extern::Func(Func { pinned: store.pinned_func(instance, func)? }),
        ExportKind::Table(table) => {
            let index = store.instance(instance)?.table(table)?;
            Extern::Table(Table { store: store.id, index })
        }
        ExportKind::Memory(memory) => {
            let index = store.instance(instance)?.memory(memory)?;
            Extern::Memory(Memory { store: store.id, index })
        }
        ExportKind::Global(global) => {
            let (pinned, ty) = store.pinned_global(instance, global)?;
            Extern::Global(Global { pinned, ty })
        }
    })
}

fn unknown_export(instance: &InstanceData, name: &str) -> Error {
    link::link_error(instance.module.name().unwrap_or(""), name, LinkReason::UnknownExport)
}
