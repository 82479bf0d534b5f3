//! [`Memory`]: linear memories. Their space comes from the engine's
//! [`crate::alloc::MemorySource`]; generated code sees base and length.
//!
//! Invariants: the base never moves; the length is what has been committed and
//! allowed, a multiple of the page size, and never shrinks.

use super::engine::Engine;
use super::limits;
use super::store::{AsContext, AsContextMut, StoreContext, StoreContextMut, StoreId, StoreOpaque};
use super::vmctx::RawBox;
use crate::abi::{MEMORY32_GUARDED_BYTES, VmMemory};
use crate::alloc::LinearMemory;
use crate::artifact::{MemoryType, WASM_PAGE_BYTES};
use crate::error::{Error, LimitError, Misuse, Result};
use core::ptr::NonNull;

/// A linear memory of a store. A handle: copying it costs nothing, and using
/// it with another store is an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    pub(super) store: StoreId,
    pub(super) index: u32,
}

/// A memory as its store knows it.
pub(crate) struct MemoryData {
    /// What generated code sees: in the context of the instance that defines
    /// the memory, or in `_cell`.
    vm: NonNull<VmMemory>,
    _cell: Option<RawBox<VmMemory>>,
    ty: MemoryType,
    linear: LinearMemory,
}

fn page_limit(ty: &MemoryType) -> limits::Limit {
    let limit = if ty.memory64 { limits::MEMORY64_PAGES } else { limits::MEMORY32_PAGES };
    limits::Limit { most: ty.maximum.unwrap_or(limit.most).min(limit.most), ..limit }
}

impl MemoryData {
    /// Makes a memory whose [`VmMemory`] lies at `place`, or in a cell of its
    /// own, and adds it to the store.
    pub(super) fn create(
        store: &mut StoreOpaque,
        ty: MemoryType,
        place: Option<NonNull<VmMemory>>,
    ) -> Result<u32> {
        page_limit(&ty).check(ty.minimum)?;
        let minimum_bytes = (ty.minimum * WASM_PAGE_BYTES) as usize;
        let maximum_bytes = (page_limit(&ty).most * WASM_PAGE_BYTES) as usize;
        let count = store.memories.len();
        let declared = ty.maximum.map(|pages| pages.saturating_mul(WASM_PAGE_BYTES) as usize);
        let allowed = store.limiter_allows(|limiter| {
            count < limiter.memories() && limiter.memory_growing(0, minimum_bytes, declared)
        });
        if !allowed {
            return Err(refused_by_limiter(minimum_bytes, 0));
        }
        let (vm, cell) = match place {
            Some(place) => (place, None),
            None => {
                let cell = RawBox::new(VmMemory { base: core::ptr::null_mut(), len: 0 })?;
                (cell.as_non_null(), Some(cell))
            }
        };
        store
            .memories
            .try_reserve(1)
            .map_err(|_| Error::OutOfMemory { bytes: size_of::<MemoryData>() })?;
        let linear = reserve(&store.engine, &ty, minimum_bytes, maximum_bytes)?;
        // SAFETY: a place inside a live context, or the cell.
        unsafe { vm.write(VmMemory { base: linear.base.as_ptr(), len: minimum_bytes }) };
        StoreOpaque::push(&mut store.memories, MemoryData { vm, _cell: cell, ty, linear })
    }

    /// Gives the space back. Nobody uses the memory any more.
    pub(super) fn release(self, engine: &Engine) {
        // SAFETY: it came from the engine's source, whose only user this was.
        unsafe { engine.memory_source().release(self.linear) };
    }

    pub(super) fn vm(&self) -> NonNull<VmMemory> {
        self.vm
    }

    /// Whether an access to `address` is one outside this memory that generated
    /// code left to the guard.
    pub(crate) fn guards(&self, address: usize) -> bool {
        let LinearMemory { base, committed_bytes, guarded_bytes, .. } = self.linear;
        let offset = address.wrapping_sub(base.as_ptr().addr());
        !self.ty.memory64 && (committed_bytes..guarded_bytes).contains(&offset)
    }

    fn len_bytes(&self) -> usize {
        // SAFETY: alive as long as the store; generated code is not running.
        unsafe { (*self.vm.as_ptr()).len }
    }

    pub(super) fn pages(&self) -> u64 {
        self.len_bytes() as u64 / WASM_PAGE_BYTES
    }

    pub(super) fn ty(&self) -> &MemoryType {
        &self.ty
    }
}

pub(super) fn memory_at(memories: &[MemoryData], index: u32) -> Result<&MemoryData> {
    memories.get(index as usize).ok_or(Error::Bug("memory index without a memory"))
}

/// Space from the engine's source, with the guard that generated code needs.
fn reserve(
    engine: &Engine,
    ty: &MemoryType,
    minimum_bytes: usize,
    maximum_bytes: usize,
) -> Result<LinearMemory> {
    let source = engine.memory_source();
    if ty.memory64 || !engine.config().hardware_traps {
        return source.reserve(minimum_bytes, maximum_bytes);
    }
    let needed = MEMORY32_GUARDED_BYTES;
    let linear = source.reserve_guarded(minimum_bytes, maximum_bytes, needed)?;
    let given = linear.guarded_bytes;
    if given >= needed && linear.committed_bytes == minimum_bytes {
        return Ok(linear);
    }
    let error = match given < needed {
        true => Misuse::GuardTooSmall { needed, given },
        false => COMMITS_TOO_MUCH,
    };
    // SAFETY: it came from this source, and nobody has used it.
    unsafe { source.release(linear) };
    Err(error.into())
}

/// Beyond what was asked for there must be a fault.
const COMMITS_TOO_MUCH: Misuse = Misuse::InvalidConfig(
    "hardware traps need a memory source that commits exactly what it is asked for",
);

fn refused_by_limiter(bytes: usize, has_bytes: usize) -> Error {
    let what = "bytes of memory (the store's limiter keeps it at what it has)";
    Error::Limit(LimitError { what, requested: bytes as u64, limit: has_bytes as u64 })
}

/// `memory.grow`: the old size in pages, or why it cannot grow.
pub(super) fn grow(store: &mut StoreOpaque, index: u32, delta_pages: u64) -> Result<u64> {
    let memory = store.memories.get(index as usize).ok_or(Misuse::WrongStore)?;
    let old_pages = memory.pages();
    if delta_pages == 0 {
        return Ok(old_pages);
    }
    let (old_bytes, maximum) = (memory.len_bytes(), memory.ty.maximum);
    let new_pages = old_pages.saturating_add(delta_pages);
    // No more address space than this was reserved.
    let capacity_pages = memory.linear.capacity_bytes as u64 / WASM_PAGE_BYTES;
    let limit = page_limit(&memory.ty);
    limits::Limit { most: limit.most.min(capacity_pages), ..limit }.check(new_pages)?;
    let new_bytes = (new_pages * WASM_PAGE_BYTES) as usize;
    let declared = maximum.map(|pages| pages.saturating_mul(WASM_PAGE_BYTES) as usize);
    if !store.limiter_allows(|limiter| limiter.memory_growing(old_bytes, new_bytes, declared)) {
        return Err(refused_by_limiter(new_bytes, old_bytes));
    }
    let StoreOpaque { memories, engine, .. } = store;
    let memory = memories.get_mut(index as usize).ok_or(Misuse::WrongStore)?;
    if new_bytes > memory.linear.committed_bytes {
        engine.memory_source().commit(&mut memory.linear, new_bytes)?;
        let is_guarded = engine.config().hardware_traps && !memory.ty.memory64;
        if is_guarded && memory.linear.committed_bytes != new_bytes {
            return Err(COMMITS_TOO_MUCH.into());
        }
    }
    // SAFETY: alive as long as the store. Generated code may be on the stack,
    // but it reads the length anew after each call.
    unsafe { (*memory.vm.as_ptr()).len = new_bytes };
    Ok(old_pages)
}

impl Memory {
    /// A memory that the host makes.
    ///
    /// # Errors
    /// [`Error::Limit`], [`Error::OutOfMemory`].
    pub fn new(mut store: impl AsContextMut, ty: MemoryType) -> Result<Self> {
        let mut store = store.as_context_mut();
        let store = store.opaque_mut();
        if ty.maximum.is_some_and(|maximum| maximum < ty.minimum) {
            return Err(Misuse::WrongType.into());
        }
        let index = MemoryData::create(store, ty, None)?;
        Ok(Self { store: store.id, index })
    }

    pub(super) fn check_store(&self, store: &StoreOpaque) -> Result<()> {
        if self.store == store.id { Ok(()) } else { Err(Misuse::WrongStore.into()) }
    }

    pub(super) fn data_in<'s>(&self, store: &'s StoreOpaque) -> Result<&'s MemoryData> {
        self.check_store(store)?;
        memory_at(&store.memories, self.index)
    }

    pub(super) fn ty_in(&self, store: &StoreOpaque) -> Result<MemoryType> {
        let memory = self.data_in(store)?;
        Ok(MemoryType { minimum: memory.pages(), ..memory.ty })
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
    /// [`Misuse::WrongStore`]; [`Error::Limit`] if the memory may not grow that
    /// far; [`Error::OutOfMemory`] if the embedder has no more.
    pub fn grow(&self, mut store: impl AsContextMut, delta: u64) -> Result<u64> {
        let mut store = store.as_context_mut();
        let store = store.opaque_mut();
        self.data_in(store)?;
        grow(store, self.index, delta)
    }

    /// The bytes.
    ///
    /// # Errors
    /// [`Misuse::WrongStore`].
    pub fn data<'a, T: 'static>(&self, store: impl Into<StoreContext<'a, T>>) -> Result<&'a [u8]> {
        let memory = self.data_in(store.into().opaque())?;
        // SAFETY: usable bytes that only this store's code touches, which does
        // not run while the store is borrowed for `'a`.
        Ok(unsafe { core::slice::from_raw_parts(memory.linear.base.as_ptr(), memory.len_bytes()) })
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

    /// The bytes, and the embedder's data of the store beside them.
    ///
    /// # Errors
    /// [`Misuse::WrongStore`].
    pub fn data_and_store_mut<'a, T: 'static>(
        &self,
        store: impl Into<StoreContextMut<'a, T>>,
    ) -> Result<(&'a mut [u8], &'a mut T)> {
        let store = store.into();
        let memory = self.data_in(store.opaque())?;
        let (base, len) = (memory.linear.base.as_ptr(), memory.len_bytes());
        // SAFETY: as for `data`, exclusively; the embedder's data lies elsewhere.
        Ok((unsafe { core::slice::from_raw_parts_mut(base, len) }, store.into_data_mut()))
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
