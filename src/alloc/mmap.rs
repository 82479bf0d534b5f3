//! Providers for hosts (feature `std`): linear memories that reserve address
//! space and commit it as they grow, and code memory that is never writable
//! and executable at once. Through `mmap` and `mprotect`.

use super::embedder::{CodeMemory, CodeRegion, LinearMemory, MemorySource};
use crate::error::{Error, Result};
use core::ptr::NonNull;

/// Most address space reserved for one memory.
const RESERVATION_BYTES: usize = 8 << 30;
const PAGE_BYTES: usize = 4096;
/// What the bounds of a linear memory are multiples of.
const WASM_PAGE_BYTES: usize = 1 << 16;

fn map(bytes: usize, protection: libc::c_int) -> Result<NonNull<u8>> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    // SAFETY: an anonymous mapping at an address of the system's choice
    // touches no memory that is in use.
    let base = unsafe { libc::mmap(core::ptr::null_mut(), bytes, protection, flags, -1, 0) };
    if base == libc::MAP_FAILED {
        return Err(Error::OutOfMemory { bytes });
    }
    NonNull::new(base.cast()).ok_or(Error::OutOfMemory { bytes })
}

/// # Safety
/// `[base, base + bytes)` is a mapping made by this file.
unsafe fn protect(base: NonNull<u8>, bytes: usize, protection: libc::c_int) -> Result<()> {
    // SAFETY: by this function's contract.
    match unsafe { libc::mprotect(base.as_ptr().cast(), bytes, protection) } {
        0 => Ok(()),
        _ => Err(Error::OutOfMemory { bytes }),
    }
}

/// # Safety
/// `[base, base + bytes)` is a mapping made by this file that nobody uses.
unsafe fn unmap(base: NonNull<u8>, bytes: usize) {
    // SAFETY: by this function's contract. Unmapping a whole mapping does not fail.
    unsafe { libc::munmap(base.as_ptr().cast(), bytes) };
}

/// Makes bytes zero by giving their pages back, so that untouched ones cost
/// nothing.
///
/// # Safety
/// `[base, base + bytes)` is mapped by this file, readable and writable, from
/// a page's start on, and nobody uses it.
unsafe fn forget(base: NonNull<u8>, bytes: usize) {
    // Only Linux promises zeros afterwards. It refuses for locked pages.
    #[cfg(target_os = "linux")]
    // SAFETY: by this function's contract.
    if unsafe { libc::madvise(base.as_ptr().cast(), bytes, libc::MADV_DONTNEED) } == 0 {
        return;
    }
    // SAFETY: by this function's contract.
    unsafe { base.write_bytes(0, bytes) };
}

/// Linear memories with their whole maximum (at most 8 GiB) reserved, and more
/// where a guard is asked for. What is not committed cannot be accessed.
#[derive(Clone, Copy, Debug, Default)]
pub struct MmapMemorySource;

impl MmapMemorySource {
    /// A source; it has no state.
    pub const fn new() -> Self {
        Self
    }
}

fn reservation(capacity_bytes: usize) -> usize {
    capacity_bytes.next_multiple_of(PAGE_BYTES).max(PAGE_BYTES)
}

// SAFETY: anonymous mappings are zeroed, exclusive, and stay where they are;
// the committed part is readable and writable.
unsafe impl MemorySource for MmapMemorySource {
    fn reserve(&self, minimum_bytes: usize, maximum_bytes: usize) -> Result<LinearMemory> {
        self.reserve_guarded(minimum_bytes, maximum_bytes, 0)
    }

    fn reserve_guarded(
        &self,
        minimum_bytes: usize,
        maximum_bytes: usize,
        guarded_bytes: usize,
    ) -> Result<LinearMemory> {
        let capacity_bytes = self.capacity_for(minimum_bytes, maximum_bytes);
        let bytes = capacity_bytes.max(guarded_bytes);
        if bytes > isize::MAX as usize - PAGE_BYTES {
            return Err(Error::OutOfMemory { bytes });
        }
        let guarded_bytes = reservation(bytes);
        let base = map(guarded_bytes, libc::PROT_NONE)?;
        let mut memory = LinearMemory { base, capacity_bytes, committed_bytes: 0, guarded_bytes };
        // SAFETY: mapped above.
        if let Err(error) = unsafe { self.commit(&mut memory, minimum_bytes) } {
            // SAFETY: mapped above, not handed out.
            unsafe { self.release(memory) };
            return Err(error);
        }
        Ok(memory)
    }

    unsafe fn commit(&self, memory: &mut LinearMemory, new_committed_bytes: usize) -> Result<()> {
        if new_committed_bytes > memory.capacity_bytes {
            return Err(Error::OutOfMemory { bytes: new_committed_bytes });
        }
        let bytes = new_committed_bytes.next_multiple_of(PAGE_BYTES);
        if bytes > 0 {
            // SAFETY: within the mapping that `reserve` made.
            unsafe { protect(memory.base, bytes, libc::PROT_READ | libc::PROT_WRITE)? };
        }
        memory.committed_bytes = new_committed_bytes;
        Ok(())
    }

    unsafe fn release(&self, memory: LinearMemory) {
        // SAFETY: `reserve` mapped this; the caller guarantees that nobody uses it.
        unsafe { unmap(memory.base, memory.guarded_bytes) };
    }

    fn capacity_for(&self, minimum_bytes: usize, maximum_bytes: usize) -> usize {
        maximum_bytes.min(RESERVATION_BYTES.max(minimum_bytes))
    }

    unsafe fn reset(
        &self,
        memory: &mut LinearMemory,
        new_committed_bytes: usize,
        resident_bytes: usize,
    ) -> Result<()> {
        let (old, new) = (memory.committed_bytes, new_committed_bytes.min(memory.committed_bytes));
        // The bounds are those of Wasm pages, so of the system's pages.
        let resident = (resident_bytes / WASM_PAGE_BYTES * WASM_PAGE_BYTES).min(new);
        // SAFETY: committed by `commit` and used by nobody (guaranteed by the caller);
        // `resident <= new <= old`.
        unsafe {
            memory.base.write_bytes(0, resident);
            if resident < old {
                forget(memory.base.add(resident), old - resident);
            }
            if new < old {
                protect(memory.base.add(new), old - new, libc::PROT_NONE)?;
            }
        }
        memory.committed_bytes = new;
        Ok(())
    }
}

/// Code in mappings of its own.
#[derive(Clone, Copy, Debug, Default)]
pub struct MmapCodeMemory;

impl MmapCodeMemory {
    /// A source; it has no state.
    pub const fn new() -> Self {
        Self
    }
}

// SAFETY: a fresh mapping is read-write; publishing makes it read-execute.
unsafe impl CodeMemory for MmapCodeMemory {
    fn allocate(&self, len_bytes: usize) -> Result<CodeRegion> {
        let len_bytes = reservation(len_bytes);
        let base = map(len_bytes, libc::PROT_READ | libc::PROT_WRITE)?;
        Ok(CodeRegion::in_place(base, len_bytes))
    }

    unsafe fn publish(&self, region: &CodeRegion) -> Result<()> {
        // SAFETY: `allocate` mapped this region.
        unsafe { protect(region.write, region.len_bytes, libc::PROT_READ | libc::PROT_EXEC) }
            .map_err(|_| Error::CodeMemory("the system refuses to make it executable"))
    }

    unsafe fn release(&self, region: CodeRegion) {
        // SAFETY: `allocate` mapped this; the caller guarantees that nobody uses it.
        unsafe { unmap(region.write, region.len_bytes) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commits_zeroed_pages_where_reserved() {
        let source = MmapMemorySource;
        let mut memory = source.reserve(0, 1 << 32).unwrap();
        // SAFETY: of this source; released once.
        unsafe {
            source.commit(&mut memory, 1 << 16).unwrap();
            assert_eq!(memory.base.as_ptr().add(65535).read(), 0);
            source.release(memory);
        }
    }

    /// Whether the system can read at an address.
    fn is_readable(address: *const u8) -> bool {
        let mut ends = [0; 2];
        // SAFETY: the system checks the address itself, and the descriptors
        // are closed once.
        unsafe {
            assert_eq!(libc::pipe(ends.as_mut_ptr()), 0);
            let written = libc::write(ends[1], address.cast(), 1);
            assert!(ends.into_iter().all(|end| libc::close(end) == 0));
            written == 1
        }
    }

    #[test]
    fn reset_zeroes_and_takes_back() {
        const PAGE: usize = 1 << 16;
        let source = MmapMemorySource;
        // Bytes that are committed, bytes to keep so, bytes to zero in place.
        for (old, new, resident) in [
            (0, 0, PAGE),
            (PAGE, PAGE, 0),
            (PAGE, PAGE, PAGE),
            (PAGE, PAGE, usize::MAX),
            (4 * PAGE, 4 * PAGE, 2 * PAGE + 1),
            (4 * PAGE, 2 * PAGE, PAGE),
            (4 * PAGE, 2 * PAGE, 3 * PAGE),
            (4 * PAGE, 0, PAGE),
        ] {
            let mut memory = source.reserve(old, 1 << 32).unwrap();
            let base = memory.base.as_ptr();
            // SAFETY: what is committed is readable and writable; the memory is
            // released once.
            unsafe {
                base.write_bytes(0xa5, old);
                source.reset(&mut memory, new, resident).unwrap();
                assert_eq!(memory.committed_bytes, new);
                let zero = |len| core::slice::from_raw_parts(base, len).iter().all(|b| *b == 0);
                assert!(zero(new), "{old}, {new}, {resident}");
                assert!(
                    !is_readable(base.add(new)) && (new == 0 || is_readable(base.add(new - 1)))
                );
                source.commit(&mut memory, 5 * PAGE).unwrap();
                assert!(zero(5 * PAGE), "{old}, {new}, {resident}");
                source.release(memory);
            }
        }
    }
}
