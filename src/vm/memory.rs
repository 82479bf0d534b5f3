//! [`MemoryData`]: a linear memory as its store knows it. Its space comes from
//! the engine's [`crate::alloc::MemorySource`]; generated code sees base and
//! length.
//!
//! Invariants: the base never moves; the length is what has been committed and
//! allowed, a multiple of the page size, and never shrinks.

use super::raw_box::VmPlace;
use crate::abi::{MEMORY32_GUARDED_BYTES, VmMemory};
use crate::alloc::LinearMemory;
use crate::artifact::{MemoryType, WASM_PAGE_BYTES};
use crate::engine::Engine;
use crate::error::{Error, Misuse, Result};
use core::ptr::NonNull;

/// A memory as its store knows it.
pub(crate) struct MemoryData {
    vm: VmPlace<VmMemory>,
    ty: MemoryType,
    linear: LinearMemory,
    /// Bytes that the store has counted: at least as many as the source holds for it.
    counted_bytes: usize,
    /// Whose source the space came from.
    engine: Engine,
}

impl Drop for MemoryData {
    fn drop(&mut self) {
        let LinearMemory { base, capacity_bytes, committed_bytes, guarded_bytes } = self.linear;
        let linear = LinearMemory { base, capacity_bytes, committed_bytes, guarded_bytes };
        // SAFETY: it came from this source, whose only user this was; given back
        // once, here.
        unsafe { self.engine.memory_source().release(linear) };
    }
}

pub(crate) fn memory_at(memories: &[MemoryData], index: u32) -> Result<&MemoryData> {
    memories.get(index as usize).ok_or(Error::Bug("memory index without a memory"))
}

/// The same, mutably.
pub(crate) fn memory_at_mut(memories: &mut [MemoryData], index: u32) -> Result<&mut MemoryData> {
    memories.get_mut(index as usize).ok_or(Error::Bug("memory index without a memory"))
}

impl MemoryData {
    /// A memory of `minimum_bytes`, with address space for `maximum_bytes` or
    /// less.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], or the source's own error;
    /// [`Misuse::GuardTooSmall`] and [`Misuse::InvalidConfig`] for a source
    /// that does not suit hardware traps.
    pub(crate) fn new(
        engine: &Engine,
        ty: MemoryType,
        mut vm: VmPlace<VmMemory>,
        minimum_bytes: usize,
        maximum_bytes: usize,
    ) -> Result<Self> {
        let linear = reserve(engine, &ty, minimum_bytes, maximum_bytes)?;
        vm.set(VmMemory { base: linear.base.as_ptr(), len: minimum_bytes });
        Ok(Self { vm, ty, linear, counted_bytes: minimum_bytes, engine: engine.clone() })
    }

    /// Bytes that the memory will take if `bytes` are committed, beyond those that
    /// the store has counted.
    pub(crate) fn bytes_to_count(&self, bytes: usize) -> usize {
        let held = self.engine.memory_source().held_bytes(&self.linear);
        bytes.max(held).saturating_sub(self.counted_bytes)
    }

    /// The store has counted so many bytes more.
    pub(crate) fn note_counted(&mut self, bytes: usize) {
        self.counted_bytes = self.counted_bytes.saturating_add(bytes);
    }

    /// Makes the memory `new_bytes` long, which is not less than it is now and
    /// within [`Self::capacity_bytes`].
    ///
    /// # Errors
    /// As for [`Self::new`]; the memory is as it was.
    pub(crate) fn grow(&mut self, new_bytes: usize) -> Result<()> {
        self.commit(new_bytes)?;
        self.vm.set(VmMemory { base: self.linear.base.as_ptr(), len: new_bytes });
        Ok(())
    }

    /// Has at least `bytes` committed, within [`Self::capacity_bytes`], without
    /// making the memory longer. Unless it is guarded, that can be done before it
    /// grows.
    ///
    /// # Errors
    /// As for [`Self::new`].
    pub(crate) fn commit(&mut self, bytes: usize) -> Result<()> {
        if bytes > self.linear.committed_bytes {
            // SAFETY: it came from the engine's source, and only that changes it.
            unsafe { self.engine.memory_source().commit(&mut self.linear, bytes)? };
            if self.is_guarded() && self.linear.committed_bytes != bytes {
                return Err(COMMITS_TOO_MUCH.into());
            }
        }
        Ok(())
    }

    /// Whether accesses beyond what is committed are left to the guard.
    pub(crate) fn is_guarded(&self) -> bool {
        self.engine.config().hardware_traps && !self.ty.memory64
    }

    pub(crate) fn vm(&self) -> NonNull<VmMemory> {
        self.vm.as_non_null()
    }

    /// Whether an access to `address` is outside this memory, in the part that
    /// generated code leaves to the guard.
    pub(crate) fn guards(&self, address: usize) -> bool {
        let LinearMemory { base, committed_bytes, guarded_bytes, .. } = self.linear;
        let offset = address.wrapping_sub(base.as_ptr().addr());
        !self.ty.memory64 && (committed_bytes..guarded_bytes).contains(&offset)
    }

    /// The bytes that Wasm may use.
    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: usable bytes that only this store's code touches, which does
        // not run while the store is borrowed (V4).
        unsafe { core::slice::from_raw_parts(self.linear.base.as_ptr(), self.len_bytes()) }
    }

    /// The same, mutably.
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above, exclusively.
        unsafe { core::slice::from_raw_parts_mut(self.linear.base.as_ptr(), self.len_bytes()) }
    }

    pub(crate) fn len_bytes(&self) -> usize {
        self.vm.get().len
    }

    pub(crate) fn pages(&self) -> u64 {
        self.len_bytes() as u64 / WASM_PAGE_BYTES
    }

    /// How long the memory can become: its address space.
    pub(crate) fn capacity_bytes(&self) -> usize {
        self.linear.capacity_bytes
    }

    pub(crate) fn ty(&self) -> &MemoryType {
        &self.ty
    }
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

/// An access beyond what was asked for must fault.
const COMMITS_TOO_MUCH: Misuse = Misuse::InvalidConfig(
    "hardware traps need a memory source that commits exactly what it is asked for",
);
