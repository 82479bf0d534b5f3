//! [`Memory`]: the handle to a linear memory. What it names is in
//! `vm/memory.rs`.

use super::store::{AsContext, AsContextMut, StoreContext, StoreContextMut};
use crate::abi::VmMemory;
use crate::artifact::MemoryType;
use crate::error::{Misuse, Result};
use crate::vm::memory::{self, MemoryData};
use crate::vm::memory_ops;
use crate::vm::raw_box::VmPlace;
use crate::vm::store::{StoreId, StoreOpaque};

/// A linear memory of a store. A handle: copying it costs nothing, and using
/// it with another store is an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    pub(super) store: StoreId,
    pub(super) index: u32,
}

impl Memory {
    /// A memory that the host makes.
    ///
    /// # Errors
    /// [`crate::Error::Limit`], [`crate::Error::OutOfMemory`].
    pub fn new(mut store: impl AsContextMut, ty: MemoryType) -> Result<Self> {
        let mut store = store.as_context_mut();
        let store = store.opaque_mut();
        if ty.maximum.is_some_and(|maximum| maximum < ty.minimum) {
            return Err(Misuse::WrongType.into());
        }
        let place = VmPlace::cell(VmMemory::EMPTY)?;
        let index = memory_ops::create(store, ty, place)?;
        Ok(Self { store: store.id, index })
    }

    pub(super) fn data_in<'s>(&self, store: &'s StoreOpaque) -> Result<&'s MemoryData> {
        self.store.check(store)?;
        memory::memory_at(&store.memories, self.index)
    }

    pub(super) fn ty_in(&self, store: &StoreOpaque) -> Result<MemoryType> {
        let memory = self.data_in(store)?;
        Ok(MemoryType { minimum: memory.pages(), ..*memory.ty() })
    }

    /// The memory's type, with the current size as the minimum.
    ///
    /// # Errors
    /// [`Misuse::WrongStore`].
    pub fn ty(&self, store: impl AsContext) -> Result<MemoryType> {
        self.ty_in(store.as_context().opaque())
    }

    /// Size in pages of 64 KiB.
    ///
    /// # Errors
    /// [`Misuse::WrongStore`].
    pub fn size(&self, store: impl AsContext) -> Result<u64> {
        Ok(self.data_in(store.as_context().opaque())?.pages())
    }

    /// Size in bytes.
    ///
    /// # Errors
    /// [`Misuse::WrongStore`].
    pub fn data_size(&self, store: impl AsContext) -> Result<usize> {
        Ok(self.data_in(store.as_context().opaque())?.len_bytes())
    }

    /// Grows by `delta` pages and returns the old size.
    ///
    /// # Errors
    /// [`Misuse::WrongStore`]; [`crate::Error::Limit`] if the memory may not grow that
    /// far; [`crate::Error::OutOfMemory`] if the embedder has no more.
    pub fn grow(&self, mut store: impl AsContextMut, delta: u64) -> Result<u64> {
        let mut store = store.as_context_mut();
        let store = store.opaque_mut();
        self.data_in(store)?;
        memory_ops::grow(store, self.index, delta)
    }

    /// The bytes.
    ///
    /// # Errors
    /// [`Misuse::WrongStore`].
    pub fn data<'a, T: 'static>(&self, store: impl Into<StoreContext<'a, T>>) -> Result<&'a [u8]> {
        Ok(self.data_in(store.into().opaque())?.bytes())
    }

    /// The bytes.
    ///
    /// # Errors
    /// [`Misuse::WrongStore`].
    pub fn data_mut<'a, T: 'static>(
        &self,
        store: impl Into<StoreContextMut<'a, T>>,
    ) -> Result<&'a mut [u8]> {
        Ok(self.data_and_store_mut(store)?.0)
    }

    /// The bytes, together with the embedder's data in the store.
    ///
    /// # Errors
    /// [`Misuse::WrongStore`].
    pub fn data_and_store_mut<'a, T: 'static>(
        &self,
        store: impl Into<StoreContextMut<'a, T>>,
    ) -> Result<(&'a mut [u8], &'a mut T)> {
        let (store, data) = store.into().into_parts();
        self.store.check(store)?;
        Ok((memory::memory_at_mut(&mut store.memories, self.index)?.bytes_mut(), data))
    }

    /// Copies bytes out of the memory.
    ///
    /// # Errors
    /// [`Misuse::OutOfBounds`], [`Misuse::WrongStore`].
    pub fn read(&self, store: impl AsContext, offset: usize, buffer: &mut [u8]) -> Result<()> {
        let context = store.as_context();
        let bytes = self.data(context)?;
        let range = offset..offset.checked_add(buffer.len()).ok_or(Misuse::OutOfBounds)?;
        buffer.copy_from_slice(bytes.get(range).ok_or(Misuse::OutOfBounds)?);
        Ok(())
    }

    /// Copies bytes into the memory.
    ///
    /// # Errors
    /// [`Misuse::OutOfBounds`], [`Misuse::WrongStore`].
    pub fn write(&self, mut store: impl AsContextMut, offset: usize, buffer: &[u8]) -> Result<()> {
        let context = store.as_context_mut();
        let bytes = self.data_mut(context)?;
        let range = offset..offset.checked_add(buffer.len()).ok_or(Misuse::OutOfBounds)?;
        bytes.get_mut(range).ok_or(Misuse::OutOfBounds)?.copy_from_slice(buffer);
        Ok(())
    }
}
