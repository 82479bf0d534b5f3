//! [`InstancePre`]: a module with its imports found, to be instantiated again
//! and again.
//!
//! Invariant: the host functions among the definitions expect a store's data
//! to be a `T`.

use super::definitions::Item;
use super::instance::Instance;
use super::link;
use super::store::AsContextMut;
use crate::engine::Module;
use crate::engine::shared::Shared;
use crate::error::Result;
use core::marker::PhantomData;
use std_alloc::boxed::Box;

/// A module and a definition for each of its imports: what
/// [`super::Linker::instantiate`] looks up each time, looked up once. Cheap to
/// clone; stays as it is when the linker is changed.
pub struct InstancePre<T: 'static> {
    inner: Shared<Inner>,
    /// Host functions read and write a `T`.
    _data: PhantomData<fn(T) -> T>,
}

struct Inner {
    module: Module,
    /// By import.
    items: Box<[Item]>,
}

impl<T: 'static> InstancePre<T> {
    /// The host functions among the items expect a store's data to be a `T`.
    pub(super) fn new(module: &Module, items: Box<[Item]>) -> Result<Self> {
        let definition = |at: usize| items.get(at).map(Item::definition);
        link::check_definitions(module, &definition)?;
        let inner = Inner { module: module.clone(), items };
        Ok(Self { inner: Shared::new(inner)?, _data: PhantomData })
    }

    /// The module.
    pub fn module(&self) -> &Module {
        &self.inner.module
    }

    /// Instantiates the module.
    ///
    /// # Errors
    /// As for [`Instance::new`]; [`crate::Misuse::WrongStore`] if something
    /// that it imports is of another store.
    pub fn instantiate(&self, mut store: impl AsContextMut<Data = T>) -> Result<Instance> {
        let Inner { module, items } = &*self.inner;
        let imports = |at: usize| items.get(at).map(Item::definition);
        let store = store.as_context_mut().ptr();
        // SAFETY: the store is borrowed exclusively (V2), and its data is a
        // `T`, as the host functions expect.
        unsafe { Instance::instantiate(store, module, &imports) }
    }
}

impl<T: 'static> Clone for InstancePre<T> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), _data: PhantomData }
    }
}

impl<T: 'static> core::fmt::Debug for InstancePre<T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("InstancePre").field("module", &self.inner.module).finish_non_exhaustive()
    }
}
