//! What Kernref asks of a kernel: linear memories that grow in place within
//! reserved address space, and code that is writable first and executable
//! afterwards, never both.

use crate::frames::FRAME_BYTES;
use crate::paging::Access;
use crate::vspace;
use alloc::sync::Arc;
use core::ptr::NonNull;
use kernref::alloc::{CodeMemory, CodeRegion, LinearMemory, MemorySource};
use kernref::{Config, Error, Result};

/// Most address space for one memory: all that a 32-bit memory can have.
const RESERVATION_BYTES: usize = 4 << 30;

/// Linear memories in the kernel's address space.
pub struct KernelMemory;

fn pointer(address: usize, bytes: usize) -> Result<NonNull<u8>> {
    NonNull::new(address as *mut u8).ok_or(Error::OutOfMemory { bytes })
}

fn pages(bytes: usize) -> usize {
    bytes.next_multiple_of(FRAME_BYTES)
}

// SAFETY: ranges are disjoint, committed with zeroed frames, and do not move.
unsafe impl MemorySource for KernelMemory {
    fn reserve(&self, minimum_bytes: usize, maximum_bytes: usize) -> Result<LinearMemory> {
        let capacity_bytes = maximum_bytes.min(RESERVATION_BYTES.max(minimum_bytes));
        let refused = Error::OutOfMemory { bytes: capacity_bytes };
        let start = vspace::reserve(capacity_bytes).ok_or(refused)?;
        let base = pointer(start, capacity_bytes)?;
        let mut memory =
            LinearMemory { base, capacity_bytes, committed_bytes: 0, guarded_bytes: 0 };
        if let Err(error) = self.commit(&mut memory, minimum_bytes) {
            vspace::unreserve(start, capacity_bytes);
            return Err(error);
        }
        Ok(memory)
    }

    fn commit(&self, memory: &mut LinearMemory, new_committed_bytes: usize) -> Result<()> {
        let start = memory.base.addr().get();
        let (from, to) = (pages(memory.committed_bytes), pages(new_committed_bytes));
        if new_committed_bytes > memory.capacity_bytes
            || (to - from) / FRAME_BYTES > crate::frames::available()
            || !vspace::commit(start + from, start + to)
        {
            return Err(Error::OutOfMemory { bytes: new_committed_bytes });
        }
        memory.committed_bytes = new_committed_bytes;
        Ok(())
    }

    unsafe fn release(&self, memory: LinearMemory) {
        let start = memory.base.addr().get();
        // SAFETY: by the trait's contract nobody uses the memory any more.
        unsafe { vspace::decommit(start, start + pages(memory.committed_bytes)) };
        vspace::unreserve(start, memory.capacity_bytes);
    }
}

/// Code in pages of its own.
pub struct KernelCode;

// SAFETY: pages are writable and not executable until published, executable
// and not writable from then on; the page tables cannot express both at once.
unsafe impl CodeMemory for KernelCode {
    fn allocate(&self, len_bytes: usize) -> Result<CodeRegion> {
        let len_bytes = pages(len_bytes);
        let refused = Error::OutOfMemory { bytes: len_bytes };
        let Some(start) = vspace::reserve(len_bytes) else { return Err(refused) };
        if !vspace::commit(start, start + len_bytes) {
            vspace::unreserve(start, len_bytes);
            return Err(refused);
        }
        Ok(CodeRegion { base: pointer(start, len_bytes)?, len_bytes })
    }

    fn publish(&self, region: &CodeRegion) -> Result<()> {
        let start = region.base.addr().get();
        match vspace::protect(start, start + region.len_bytes, Access::ReadExecute) {
            true => Ok(()),
            false => Err(Error::OutOfMemory { bytes: region.len_bytes }),
        }
    }

    unsafe fn release(&self, region: CodeRegion) {
        let start = region.base.addr().get();
        // SAFETY: by the trait's contract nobody uses the region any more.
        unsafe { vspace::decommit(start, start + region.len_bytes) };
        vspace::unreserve(start, region.len_bytes);
    }
}

/// The kernel's providers, shared.
pub fn providers() -> (Arc<dyn MemorySource>, Arc<dyn CodeMemory>) {
    (Arc::new(KernelMemory), Arc::new(KernelCode))
}

/// A configuration with the kernel's providers and a stack for Wasm that fits
/// the boot stack.
pub fn config() -> Config {
    let (memory, code) = providers();
    let mut config = Config::new();
    config.memory_source(memory).code_memory(code).max_wasm_stack(256 << 10);
    config
}
