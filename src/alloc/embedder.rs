//! The traits through which the embedder gives memory: [`MemorySource`] for
//! linear memories, [`CodeMemory`] for machine code.

use crate::error::{Error, Result};
use core::ptr::NonNull;

/// A linear memory's space as a [`MemorySource`] gave it. Only a description:
/// whoever passes one to a source vouches that it is of that source, which safe
/// code cannot:
///
/// ```compile_fail,E0133
/// # use kernref::alloc::{LinearMemory, MemorySource};
/// fn forged(source: &dyn MemorySource, mut someone_elses: LinearMemory) {
///     source.commit(&mut someone_elses, 1 << 16).unwrap();
/// }
/// ```
#[derive(Debug)]
pub struct LinearMemory {
    /// First byte, aligned to 16 at least. Never moves.
    pub base: NonNull<u8>,
    /// Bytes that [`MemorySource::commit`] may make usable in all.
    pub capacity_bytes: usize,
    /// Bytes that are usable and were zero when they became so.
    pub committed_bytes: usize,
    /// Bytes from `base` in which every access beyond `committed_bytes` raises
    /// a page fault or data abort. 0: there is no guard. Only
    /// [`crate::Config::hardware_traps`] relies on it.
    pub guarded_bytes: usize,
}

/// Gives the space for linear memories. Called by `Memory::new`,
/// instantiation, `memory.grow` and when a store is dropped; never by a
/// collection and never from a barrier.
///
/// # Safety
/// An implementation guarantees that `[base, base + committed_bytes)` is
/// zeroed when committed and by [`MemorySource::reset`], readable and
/// writable, and used by nobody else until [`MemorySource::release`]; that
/// `base` does not move; and that up to the `guarded_bytes` it states, accesses
/// beyond `committed_bytes` fault, on every processor, as long as the memory
/// lives.
pub unsafe trait MemorySource: Send + Sync {
    /// Finds room for a memory of `minimum_bytes` that may grow to
    /// `maximum_bytes` (`minimum_bytes <= maximum_bytes`; both multiples of
    /// the Wasm page size, 64 KiB). The source chooses `capacity_bytes` between
    /// the two: a source that can reserve address space without backing it
    /// takes the maximum. `minimum_bytes` are committed on return.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`] if not even the minimum is available.
    fn reserve(&self, minimum_bytes: usize, maximum_bytes: usize) -> Result<LinearMemory>;

    /// The same for a memory whose bounds the hardware checks
    /// ([`crate::Config::hardware_traps`]): it has at least `guarded_bytes` of
    /// guard, and exactly what was asked for is committed, here and by
    /// [`Self::commit`]. By default calls [`Self::reserve`], which is enough
    /// for a source whose memories all have a guard. The engine refuses a
    /// memory whose guard is too small.
    ///
    /// # Errors
    /// As for [`Self::reserve`].
    fn reserve_guarded(
        &self,
        minimum_bytes: usize,
        maximum_bytes: usize,
        guarded_bytes: usize,
    ) -> Result<LinearMemory> {
        let _ = guarded_bytes;
        self.reserve(minimum_bytes, maximum_bytes)
    }

    /// Commits so that `new_committed_bytes` are usable
    /// (`committed_bytes <= new_committed_bytes <= capacity_bytes`). May commit
    /// more, but not of a memory from [`Self::reserve_guarded`], where accesses
    /// to it would not trap.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`]; the memory is then as before.
    ///
    /// # Safety
    /// `memory` came from this source, which alone has changed it since.
    unsafe fn commit(&self, memory: &mut LinearMemory, new_committed_bytes: usize) -> Result<()>;

    /// Takes the space back. Should not panic; if it does, on a host, everything
    /// else that the store owns is given back all the same.
    ///
    /// # Safety
    /// `memory` came from this source and nobody uses it any more.
    unsafe fn release(&self, memory: LinearMemory);

    /// Bytes that nobody else can have while `memory` lives. They are counted as its
    /// store's ([`crate::ResourceLimiter::store_growing`]). By default what is
    /// committed; a source that backs its memories' capacity from the start says so
    /// here.
    fn held_bytes(&self, memory: &LinearMemory) -> usize {
        memory.committed_bytes
    }

    /// The `capacity_bytes` that [`Self::reserve`] would choose. A source that
    /// keeps memories for reuse ([`super::PoolingMemorySource`]) asks in order
    /// to tell whether one of them is as good as a fresh one.
    fn capacity_for(&self, minimum_bytes: usize, maximum_bytes: usize) -> usize {
        let _ = minimum_bytes;
        maximum_bytes
    }

    /// Makes a used memory as good as a fresh one: `new_committed_bytes` are
    /// committed (at most as many as were), and all of them are zero. The
    /// first `resident_bytes` should be zeroed in place; the rest may be given
    /// back to the system and taken anew. Called by a source that keeps
    /// memories for reuse, when one is released and when it is handed out.
    ///
    /// By default writes zeros to everything that is committed, and refuses to
    /// commit less than that.
    ///
    /// # Errors
    /// Whatever prevents it; the memory must then be released.
    ///
    /// # Safety
    /// `memory` came from this source and nobody uses it any more.
    unsafe fn reset(
        &self,
        memory: &mut LinearMemory,
        new_committed_bytes: usize,
        resident_bytes: usize,
    ) -> Result<()> {
        let _ = resident_bytes;
        if new_committed_bytes != memory.committed_bytes {
            return Err(Error::OutOfMemory { bytes: new_committed_bytes });
        }
        // SAFETY: committed, and nobody uses it.
        unsafe { memory.base.write_bytes(0, memory.committed_bytes) };
        Ok(())
    }
}

/// Room for machine code. Only a description: whoever passes one to a
/// [`CodeMemory`] vouches that it is of that, which safe code cannot:
///
/// ```compile_fail,E0133
/// # use kernref::alloc::{CodeMemory, CodeRegion};
/// fn forged(memory: &dyn CodeMemory, someone_elses: CodeRegion) {
///     memory.publish(&someone_elses).unwrap();
/// }
/// ```
#[derive(Debug)]
pub struct CodeRegion {
    /// Where Kernref writes the code, until it is published. Aligned to 4096.
    pub write: NonNull<u8>,
    /// Where the code runs. Either equal to `write`, or another address of the same
    /// memory, which needs not be mapped until the region is published and needs
    /// never be writable. Aligned to 4096.
    pub execute: NonNull<u8>,
    /// Usable bytes, at least what was asked for.
    pub len_bytes: usize,
}

impl CodeRegion {
    /// A region that is written and run at the same address.
    pub const fn in_place(base: NonNull<u8>, len_bytes: usize) -> Self {
        Self { write: base, execute: base, len_bytes }
    }
}

/// Gives memory for machine code that is first written, then published.
///
/// A kernel that cannot change the protection of a page gives two addresses
/// ([`CodeRegion::write`], [`CodeRegion::execute`]): it maps the memory for execution
/// in [`Self::publish`] or before, and unmaps the writable alias in `publish` if it can.
///
/// # Safety
/// An implementation guarantees that a region from `allocate` is writable at `write`
/// and used by nobody else until `publish` or `release`; that after `publish` its
/// memory is readable and executable at `execute`, with the bytes that were written,
/// and, where the kernel can, not writable at any address; and that, if the kernel can
/// change page tables or map memory twice, no address of it is writable and executable
/// at the same time.
pub unsafe trait CodeMemory: Send + Sync {
    /// Allocates at least `len_bytes` (non-zero), writable, not executable.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`].
    fn allocate(&self, len_bytes: usize) -> Result<CodeRegion>;

    /// Makes the region executable and read-only. Kernref has not yet done
    /// cache maintenance when it calls this; it follows immediately.
    ///
    /// # Errors
    /// [`crate::Error::CodeMemory`], or whatever else prevents it; the caller then
    /// releases the region.
    ///
    /// # Safety
    /// `region` came from this source as it is, and nobody writes to it any more.
    unsafe fn publish(&self, region: &CodeRegion) -> Result<()>;

    /// The code is in place, and can be run on this processor: cache maintenance has
    /// been done. A kernel in which other processors may fetch from the region without
    /// having been told of it in a way that synchronizes them makes them do so
    /// here. By default does nothing.
    fn published(&self, region: &CodeRegion) {
        let _ = region;
    }

    /// Takes the region back, published or not.
    ///
    /// # Safety
    /// `region` came from this source; nothing runs in it or points into it.
    unsafe fn release(&self, region: CodeRegion);
}
