//! Making instances: resolves the imports and leaves the rest to
//! `vm/instantiate.rs`.

use super::definitions::Found;
use super::external::Extern;
use super::instance::Instance;
use super::link::{self, Definition, Imports};
use super::store::{AsContextMut, StoreContextMut};
use crate::engine::Module;
use crate::error::{Misuse, Result};
use crate::vm;

impl Instance {
    /// Instantiates a module with imports in the order in which it lists them.
    /// See [`super::Linker`] for imports by name.
    ///
    /// # Errors
    /// [`crate::Error::Link`] for imports of the wrong number or types; the
    /// errors of making tables and memories; a trap of an active segment or of
    /// the start function. A failure before the segments changes nothing; what
    /// they and the start function did stays, as the specification requires.
    pub fn new(mut store: impl AsContextMut, module: &Module, imports: &[Extern]) -> Result<Self> {
        if imports.len() != module.info().imports.len() {
            return Err(Misuse::WrongArity.into());
        }
        let store = store.as_context_mut();
        let imports = |at: usize| imports.get(at).copied().map(Definition::Extern);
        // SAFETY: every host function among the imports is in a store, and
        // expects that store's data.
        unsafe { instantiate(store, module, &imports) }
    }

    /// Instantiates a module with the n-th definition for its n-th import.
    pub(super) fn of_items<'i, T: 'static>(
        store: StoreContextMut<'_, T>,
        module: &Module,
        items: impl Fn(usize) -> Option<Found<'i, T>>,
    ) -> Result<Self> {
        let imports = |at: usize| items(at).map(Found::definition);
        // SAFETY: the definitions are for `T`.
        unsafe { instantiate(store, module, &imports) }
    }
}

/// Instantiates a module and runs its start function.
///
/// # Safety
/// Host functions among the imports expect the store's data to be a `T`.
unsafe fn instantiate<T: 'static>(
    mut store: StoreContextMut<'_, T>,
    module: &Module,
    imports: Imports<'_, '_>,
) -> Result<Instance> {
    let opaque = store.opaque_mut();
    opaque.backtrace.clear();
    let (id, imports) = (opaque.id, link::resolve(opaque, module, imports)?);
    // SAFETY: the store is borrowed exclusively, and only its root pointer is
    // used (V2); the imports were resolved for this module and this store, whose
    // data they expect.
    let index = unsafe { vm::instantiate::instantiate(store.ptr(), module, &imports)? };
    Ok(Instance::from_index(id, index))
}
