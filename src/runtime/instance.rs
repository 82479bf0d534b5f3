//! [`Instance`]: one instance of a module, and what its store knows of it.

use super::const_expr;
use super::convert::{WasmParams, WasmResults};
use super::external::Extern;
use super::func::Func;
use super::func_calls::TypedFunc;
use super::global::Global;
use super::instantiate::{self, Definition};
use super::link;
use super::memory::Memory;
use super::module::Module;
use super::store::{AsContextMut, StoreId, StoreOpaque};
use super::table::Table;
use super::vmctx::{ContextBox, ContextView};
use crate::abi::{MemoryIndex, TableIndex};
use crate::alloc;
use crate::artifact::{Export, ExportKind};
use crate::error::{Error, LinkReason, Misuse, Result};
use std_alloc::{boxed::Box, vec::Vec};

/// An instance of a module in a store. A handle: copying it costs nothing, and
/// using it with another store is an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instance {
    store: StoreId,
    index: u32,
}

/// An instance as its store knows it.
pub(crate) struct InstanceData {
    pub(super) context: ContextBox,
    pub(super) module: Module,
    /// Store indices of imported tables, then of imported memories.
    pub(super) imported: Box<[u32]>,
    /// Store indices of the first table and memory the module defines.
    pub(super) first_table: u32,
    pub(super) first_memory: u32,
    /// Which element segments, then which data segments, have been dropped.
    pub(super) dropped: Bits,
}

/// A small set of numbers.
pub(super) enum Bits {
    Inline(u64),
    Heap(Box<[u64]>),
}

impl Bits {
    /// Room for numbers below `count`.
    pub(super) fn new(count: usize) -> Result<Self> {
        if count <= 64 {
            return Ok(Bits::Inline(0));
        }
        let words = count.div_ceil(64);
        let mut bits: Vec<u64> = alloc::try_vec_with_capacity(words)?;
        bits.resize(words, 0);
        Ok(Bits::Heap(alloc::try_boxed_slice(bits)?))
    }

    fn word(&self, number: usize) -> Option<u64> {
        match self {
            Bits::Inline(word) => (number < 64).then_some(*word),
            Bits::Heap(words) => words.get(number / 64).copied(),
        }
    }

    pub(super) fn contains(&self, number: usize) -> bool {
        self.word(number).is_some_and(|word| word >> (number % 64) & 1 == 1)
    }

    pub(super) fn insert(&mut self, number: usize) {
        let bit = 1 << (number % 64);
        match self {
            Bits::Inline(word) if number < 64 => *word |= bit,
            Bits::Inline(_) => {}
            Bits::Heap(words) => {
                if let Some(word) = words.get_mut(number / 64) {
                    *word |= bit;
                }
            }
        }
    }
}

const BAD_INDEX: Error = Error::Bug("index outside an instance's index space");

impl InstanceData {
    pub(super) fn view(&self) -> ContextView<'_> {
        self.context.view(self.module.offsets())
    }

    /// Store index of a table.
    pub(super) fn table(&self, table: TableIndex) -> Result<u32> {
        let counts = &self.module.info().counts;
        match table.0.checked_sub(counts.imported_tables) {
            None => self.imported.get(table.index()).copied().ok_or(BAD_INDEX),
            Some(defined) if defined < counts.defined_tables => Ok(self.first_table + defined),
            Some(_) => Err(BAD_INDEX),
        }
    }

    /// Store index of a memory.
    pub(super) fn memory(&self, memory: MemoryIndex) -> Result<u32> {
        let counts = &self.module.info().counts;
        let at = counts.imported_tables as usize + memory.index();
        match memory.0.checked_sub(counts.imported_memories) {
            None => self.imported.get(at).copied().ok_or(BAD_INDEX),
            Some(defined) if defined < counts.defined_memories => Ok(self.first_memory + defined),
            Some(_) => Err(BAD_INDEX),
        }
    }

    /// What an export is. `store` is the id of the store that owns this.
    fn export(&self, store: StoreId, kind: ExportKind) -> Result<Extern> {
        Ok(match kind {
            ExportKind::Func(func) => {
                let func_ref = const_expr::func_ref(func, &self.module, self.view())?;
                Extern::Func(Func::from_raw(store, func_ref.as_ptr()).ok_or(BAD_INDEX)?)
            }
            ExportKind::Table(table) => Extern::Table(Table { store, index: self.table(table)? }),
            ExportKind::Memory(memory) => {
                Extern::Memory(Memory { store, index: self.memory(memory)? })
            }
            ExportKind::Global(global) => {
                let ty = self.module.info().globals.get(global.index()).ok_or(BAD_INDEX)?.ty;
                Extern::Global(Global::from_place(store, self.view().global(global)?, ty))
            }
        })
    }
}

impl Instance {
    /// Instantiates a module with imports in the order in which it lists them.
    /// See [`super::Linker`] for imports by name.
    ///
    /// # Errors
    /// [`Error::Link`] for imports of the wrong number or types; what keeps
    /// tables and memories from being made; a trap of an active segment or of
    /// the start function. Before the segments nothing has happened; what
    /// they and the start function did stays, as the specification wants.
    pub fn new(mut store: impl AsContextMut, module: &Module, imports: &[Extern]) -> Result<Self> {
        if imports.len() != module.info().imports.len() {
            return Err(Misuse::WrongArity.into());
        }
        let store = store.as_context_mut().ptr();
        let imports = |at: usize| imports.get(at).copied().map(Definition::Extern);
        // SAFETY: the store is borrowed exclusively.
        unsafe { instantiate::instantiate(store, module, &imports) }
    }

    pub(super) fn from_index(store: StoreId, index: u32) -> Self {
        Self { store, index }
    }

    pub(super) fn data_in<'s>(&self, store: &'s StoreOpaque) -> Result<&'s InstanceData> {
        if self.store != store.id {
            return Err(Misuse::WrongStore.into());
        }
        store.instances.get(self.index as usize).ok_or(BAD_INDEX)
    }

    /// The module.
    ///
    /// # Errors
    /// [`Misuse::WrongStore`].
    pub fn module<'s, T: 'static>(
        &self,
        store: impl Into<super::StoreContext<'s, T>>,
    ) -> Result<&'s Module> {
        Ok(&self.data_in(store.into().opaque())?.module)
    }

    /// An export, if the instance has one of this name. `None` also when the
    /// instance is of another store.
    pub fn get_export(&self, store: impl AsContextMut, name: &str) -> Option<Extern> {
        let context = store.as_context();
        let instance = self.data_in(context.opaque()).ok()?;
        let index = instance.module.export_index(name)?;
        let kind = instance.module.info().exports.get(index)?.kind;
        instance.export(self.store, kind).ok()
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
    /// [`Misuse::WrongStore`].
    pub fn exports<'s, T: 'static>(
        &self,
        store: impl Into<super::StoreContext<'s, T>>,
    ) -> Result<InstanceExports<'s>> {
        let instance = self.data_in(store.into().opaque())?;
        let exports = instance.module.info().exports.iter();
        Ok(InstanceExports { store: self.store, instance, exports })
    }
}

/// Iterates over the exports of an [`Instance`].
pub struct InstanceExports<'s> {
    store: StoreId,
    instance: &'s InstanceData,
    exports: core::slice::Iter<'s, Export>,
}

impl<'s> Iterator for InstanceExports<'s> {
    type Item = (&'s str, Extern);

    fn next(&mut self) -> Option<Self::Item> {
        let export = self.exports.next()?;
        Some((&export.name, self.instance.export(self.store, export.kind).ok()?))
    }
}

impl core::fmt::Debug for InstanceExports<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("InstanceExports").field("left", &self.exports.len()).finish()
    }
}

fn unknown_export(instance: &InstanceData, name: &str) -> Error {
    link::link_error(instance.module.name().unwrap_or(""), name, LinkReason::Unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_inline_and_on_the_heap() {
        for count in [1, 64, 65, 200] {
            let mut bits = Bits::new(count).unwrap();
            bits.insert(count - 1);
            assert!(bits.contains(count - 1));
            assert!(!bits.contains(0) || count == 1);
            assert!(!bits.contains(1000));
            bits.insert(1000);
        }
    }
}
