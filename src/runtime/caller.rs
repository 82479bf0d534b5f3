//! [`Caller`]: what a host function sees of its caller.

use super::external::Extern;
use super::instance::Instance;
use super::memory::Memory;
use super::store::{AsContext, AsContextMut, StoreContext, StoreContextMut};
use crate::abi::MemoryIndex;
use crate::engine::Engine;
use crate::error::Result;
use crate::vm::host_def::CallingInstance;
use crate::vm::store::StoreOpaque;

/// The store in which a host function runs, and the instance that called it.
pub struct Caller<'a, T: 'static> {
    store: StoreContextMut<'a, T>,
    instance: CallingInstance,
    /// Serial number of the call's host frame; 0 if it has none.
    serial: u64,
}

impl<'a, T: 'static> Caller<'a, T> {
    /// `serial` is that of the call's host frame; 0 if it has none.
    #[inline]
    pub(super) fn new(
        store: StoreContextMut<'a, T>,
        instance: CallingInstance,
        serial: u64,
    ) -> Self {
        Self { store, instance, serial }
    }

    /// The embedder's data.
    #[inline]
    pub fn data(&self) -> &T {
        self.store.data()
    }

    /// The embedder's data.
    #[inline]
    pub fn data_mut(&mut self) -> &mut T {
        self.store.data_mut()
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        self.store.engine()
    }

    /// An export of the instance that imports this function, looked up by its name; the
    /// guest's memory is [`Self::memory`]. `None` when it
    /// has no such export, or when the host called.
    pub fn get_export(&mut self, name: &str) -> Option<Extern> {
        self.instance()?.get_export(&mut self.store, name)
    }

    /// The instance that imports this function; `None` when the host called.
    pub fn instance(&self) -> Option<Instance> {
        Some(Instance::from_index(self.opaque().id, self.instance.index()?))
    }

    /// The first memory of the instance that imports this function, exported or not: as
    /// cheap as a handle that was kept, because no name is looked up. `None` when it
    /// has none, or when the host called.
    #[inline]
    pub fn memory(&self) -> Option<Memory> {
        let store = self.opaque();
        let index = store.instance(self.instance.index()?).ok()?.memory(MemoryIndex(0)).ok()?;
        Some(Memory { store: store.id, index })
    }

    /// Collects: releases every reference that is held neither by a frame of
    /// Wasm or host code nor by a table, a global or the host.
    ///
    /// # Errors
    /// A [`crate::Trap`] when a frame could not be accounted for; nothing is
    /// released then.
    pub fn gc(&mut self) -> Result<()> {
        self.store.gc()
    }

    /// Fuel left.
    ///
    /// # Errors
    /// [`crate::Misuse::InvalidConfig`] unless the engine consumes fuel.
    pub fn get_fuel(&self) -> Result<u64> {
        self.store.get_fuel()
    }

    /// Sets the fuel that is left.
    ///
    /// # Errors
    /// [`crate::Misuse::InvalidConfig`] unless the engine consumes fuel.
    pub fn set_fuel(&mut self, fuel: u64) -> Result<()> {
        self.store.set_fuel(fuel)
    }

    /// What a host function that works for long calls between two pieces of its work:
    /// takes fuel as Wasm's bulk instructions do for this many bytes, and does what
    /// compiled code does in a loop when the epoch has reached the deadline. Without
    /// fuel and epochs it does nothing.
    ///
    /// # Errors
    /// [`crate::Trap::OutOfFuel`], [`crate::Trap::Interrupt`], and those of the
    /// callback for epochs: to be returned, so that the guest ends.
    pub fn checkpoint(&mut self, bytes: u64) -> Result<()> {
        self.store.checkpoint(bytes)
    }

    #[inline]
    pub(super) fn opaque(&self) -> &StoreOpaque {
        self.store.opaque()
    }

    #[inline]
    pub(super) fn serial(&self) -> u64 {
        self.serial
    }
}

impl<T: 'static> AsContext for Caller<'_, T> {
    type Data = T;

    #[inline]
    fn as_context(&self) -> StoreContext<'_, T> {
        self.store.as_context()
    }
}

impl<T: 'static> AsContextMut for Caller<'_, T> {
    #[inline]
    fn as_context_mut(&mut self) -> StoreContextMut<'_, T> {
        self.store.as_context_mut()
    }
}

impl<T: 'static> core::fmt::Debug for Caller<'_, T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Caller").field("instance", &self.instance()).finish_non_exhaustive()
    }
}
