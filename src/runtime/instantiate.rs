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

#[cfg(all(test, feature = "compile", feature = "std"))]
mod tests {
    use super::*;
    use crate::{
        AsContext, Config, Engine, Error, ExternRef, Global, GlobalType, Store, StoreLimits,
        StoreLimitsBuilder, ValType,
    };

    /// Globals are given their values, and counted, before memories are asked for.
    #[test]
    fn a_refused_instance_gives_its_counts_back() {
        let engine = Engine::new(&Config::new()).unwrap();
        let limits = StoreLimitsBuilder::new().memory_size(1 << 16).build();
        let mut store = Store::<StoreLimits>::new(&engine, limits).unwrap();
        store.limiter(|limits| limits).unwrap();
        let ty = GlobalType { content: ValType::EXTERNREF, mutable: false };
        let value = ExternRef::new(7).unwrap().into();
        let global = Global::new(&mut store, ty, value).unwrap();
        let slot = global.pinned.get(store.as_context().opaque()).unwrap().u32();
        let counts = |store: &mut Store<StoreLimits>| {
            let places = store.figures().reference_places;
            (store.as_context_mut().opaque_mut().heap.count_of(slot), places)
        };
        assert_eq!(counts(&mut store), (1, 1));
        let instantiate = |store: &mut Store<StoreLimits>, pages: u32| {
            let text = std_alloc::format!(
                r#"(module (import "" "g" (global $g externref)) (memory {pages})
                    (global externref (global.get $g)) (global externref (global.get $g)))"#
            );
            let module = Module::new(&engine, wat::parse_str(text).unwrap()).unwrap();
            Instance::new(store, &module, &[global.into()]).map(|_| ())
        };
        for _ in 0..3 {
            assert!(matches!(instantiate(&mut store, 2), Err(Error::Limit(_))));
            assert_eq!(counts(&mut store), (1, 1));
        }
        instantiate(&mut store, 1).unwrap();
        assert_eq!(counts(&mut store), (3, 3));
    }
}
