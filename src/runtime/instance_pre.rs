//! [`InstancePre`]: a module with its imports resolved, to be instantiated any
//! number of times.

use super::definitions::{Found, Items};
use super::instance::Instance;
use super::link;
use super::store::AsContextMut;
use crate::engine::Module;
use crate::engine::shared::Shared;
use crate::error::Result;

/// A module and a definition for each of its imports: what
/// [`super::Linker::instantiate`] looks up each time, looked up once. Cheap to
/// clone; not affected by later changes to the linker.
pub struct InstancePre<T: 'static> {
    inner: Shared<Inner<T>>,
}

struct Inner<T: 'static> {
    module: Module,
    /// What its imports resolve to.
    items: Items<T>,
}

impl<T: 'static> InstancePre<T> {
    pub(super) fn new(module: &Module, items: Items<T>) -> Result<Self> {
        let definition = |at: usize| items.get(at).map(Found::definition);
        link::check_definitions(module, &definition)?;
        let inner = Inner { module: module.clone(), items };
        Ok(Self { inner: Shared::new(inner)? })
    }

    /// The module.
    pub fn module(&self) -> &Module {
        &self.inner.module
    }

    /// Instantiates the module.
    ///
    /// # Errors
    /// As for [`Instance::new`]; [`crate::Misuse::WrongStore`] if something
    /// that it imports belongs to another store.
    pub fn instantiate(&self, mut store: impl AsContextMut<Data = T>) -> Result<Instance> {
        let Inner { module, items } = &*self.inner;
        Instance::of_items(store.as_context_mut(), module, |at| items.get(at))
    }
}

impl<T: 'static> Clone for InstancePre<T> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone() }
    }
}

impl<T: 'static> core::fmt::Debug for InstancePre<T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("InstancePre").field("module", &self.inner.module).finish_non_exhaustive()
    }
}
