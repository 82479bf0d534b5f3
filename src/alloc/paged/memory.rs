//! [`PagedMemory`]: linear memories with guards, code and stacks in a range of
//! addresses that the kernel leaves to Kernref, over the kernel's [`PageTables`].
//!
//! Invariants: parts of the range in use are disjoint, whole pages, and each is
//! followed by a page that is never mapped. Of a linear memory exactly what is
//! committed is mapped. No page is writable and executable.

use super::super::embedder::{CodeMemory, CodeRegion, LinearMemory, MemorySource};
use super::super::ranges::Ranges;
use super::super::stack_source::{StackMemory, StackSource};
use super::tables::{PAGE_BYTES, PageTables};
use crate::error::{Error, Misuse, Result};
use core::ops::Range;
use core::ptr::NonNull;
use spin::mutex::SpinMutex;

/// All that a memory with 32-bit addresses can have.
const LARGEST_MEMORY_BYTES: usize = 4 << 30;

/// Linear memories, code and stacks in address space of their own. All memories have the
/// guard that [`crate::Config::hardware_traps`] needs, if it is asked for.
///
/// One value serves as memory source, code memory and source of stacks. Its lock is
/// held while the list of ranges is looked at, which takes time proportional to how many
/// are in use; page tables are changed without it.
pub struct PagedMemory<P> {
    tables: P,
    pub(super) ranges: SpinMutex<Ranges>,
    largest_memory_bytes: usize,
}

impl<P: PageTables> PagedMemory<P> {
    /// Uses the addresses of `range`: 8 GiB for each memory with a guard, or as much as
    /// it can grow to for others. Addresses cost nothing, and half of the address
    /// space is 128 TiB.
    ///
    /// # Errors
    /// [`Misuse::InvalidConfig`] if the range is not made of whole pages of 4 KiB.
    ///
    /// # Safety
    /// Nothing in the range is mapped, and nobody else maps anything there.
    pub unsafe fn new(tables: P, range: Range<usize>) -> Result<Self> {
        let is_whole = range.start.is_multiple_of(PAGE_BYTES)
            && range.end.is_multiple_of(PAGE_BYTES)
            && range.end.saturating_sub(range.start) > 2 * PAGE_BYTES;
        if !is_whole {
            return Err(Misuse::InvalidConfig("the range is made of whole pages").into());
        }
        // The first page is the one below the first stack.
        let ranges = SpinMutex::new(Ranges::new(range.start + PAGE_BYTES..range.end));
        Ok(Self { tables, ranges, largest_memory_bytes: LARGEST_MEMORY_BYTES })
    }

    /// How far a memory can grow at most, whatever it declares; one that begins larger
    /// cannot grow. 4 GiB unless this says otherwise.
    #[must_use]
    pub fn largest_memory(mut self, bytes: usize) -> Self {
        self.largest_memory_bytes = bytes;
        self
    }

    /// The page tables.
    pub fn tables(&self) -> &P {
        &self.tables
    }

    /// Takes addresses, followed by a page that nothing else has.
    fn take(&self, bytes: usize) -> Result<NonNull<u8>> {
        let refused = Error::OutOfMemory { bytes };
        let Some(with_guard) = bytes.checked_add(PAGE_BYTES) else { return Err(refused) };
        let start = self.ranges.lock().take(with_guard, PAGE_BYTES)?;
        NonNull::new(core::ptr::with_exposed_provenance_mut(start)).ok_or(refused)
    }

    /// Takes addresses, and maps them.
    fn take_mapped(&self, bytes: usize) -> Result<(NonNull<u8>, usize)> {
        let refused = Error::OutOfMemory { bytes };
        let Some(bytes) = bytes.max(1).checked_next_multiple_of(PAGE_BYTES) else {
            return Err(refused);
        };
        let base = self.take(bytes)?;
        let start = base.addr().get();
        match self.tables.map(start..start + bytes) {
            Ok(()) => Ok((base, bytes)),
            Err(error) => {
                self.ranges.lock().give_back(start);
                Err(error)
            }
        }
    }

    /// # Safety
    /// The range was taken from here; nobody uses it any more.
    unsafe fn give_back(&self, base: NonNull<u8>, mapped_bytes: usize) {
        let start = base.addr().get();
        if mapped_bytes > 0 {
            // SAFETY: passed on to the caller.
            unsafe { self.tables.unmap(start..start + mapped_bytes) };
        }
        self.ranges.lock().give_back(start);
    }

    fn reserve_memory(
        &self,
        minimum_bytes: usize,
        maximum_bytes: usize,
        guarded_bytes: usize,
    ) -> Result<LinearMemory> {
        let capacity_bytes = self.capacity_for(minimum_bytes, maximum_bytes);
        let span = capacity_bytes.max(guarded_bytes).max(1).checked_next_multiple_of(PAGE_BYTES);
        let span = span.ok_or(Error::OutOfMemory { bytes: capacity_bytes })?;
        let base = self.take(span)?;
        let mut memory =
            LinearMemory { base, capacity_bytes, committed_bytes: 0, guarded_bytes: span };
        // SAFETY: taken just now.
        let committed = unsafe { self.commit(&mut memory, minimum_bytes) };
        if let Err(error) = committed {
            self.ranges.lock().give_back(base.addr().get());
            return Err(error);
        }
        Ok(memory)
    }
}

// SAFETY: ranges are disjoint and do not move. What is committed is mapped, zeroed by
// `PageTables::map`; the rest of the span never was, or was unmapped.
unsafe impl<P: PageTables> MemorySource for PagedMemory<P> {
    fn reserve(&self, minimum_bytes: usize, maximum_bytes: usize) -> Result<LinearMemory> {
        self.reserve_memory(minimum_bytes, maximum_bytes, 0)
    }

    fn reserve_guarded(
        &self,
        minimum_bytes: usize,
        maximum_bytes: usize,
        guarded_bytes: usize,
    ) -> Result<LinearMemory> {
        self.reserve_memory(minimum_bytes, maximum_bytes, guarded_bytes)
    }

    unsafe fn commit(&self, memory: &mut LinearMemory, new_committed_bytes: usize) -> Result<()> {
        if new_committed_bytes > memory.capacity_bytes
            || !new_committed_bytes.is_multiple_of(PAGE_BYTES)
        {
            return Err(Error::OutOfMemory { bytes: new_committed_bytes });
        }
        if new_committed_bytes > memory.committed_bytes {
            let start = memory.base.addr().get();
            self.tables.map(start + memory.committed_bytes..start + new_committed_bytes)?;
            memory.committed_bytes = new_committed_bytes;
        }
        Ok(())
    }

    unsafe fn release(&self, memory: LinearMemory) {
        // SAFETY: passed on to the caller.
        unsafe { self.give_back(memory.base, memory.committed_bytes) };
    }

    fn capacity_for(&self, minimum_bytes: usize, maximum_bytes: usize) -> usize {
        maximum_bytes.min(self.largest_memory_bytes.max(minimum_bytes))
    }

    unsafe fn reset(
        &self,
        memory: &mut LinearMemory,
        new_committed_bytes: usize,
        resident_bytes: usize,
    ) -> Result<()> {
        let kept = resident_bytes.min(new_committed_bytes).min(memory.committed_bytes);
        let kept = kept / PAGE_BYTES * PAGE_BYTES;
        // SAFETY: committed, and nobody uses it.
        unsafe { memory.base.write_bytes(0, kept) };
        if memory.committed_bytes > kept {
            let start = memory.base.addr().get();
            let end = start + memory.committed_bytes;
            // SAFETY: as above.
            unsafe { self.tables.unmap(start + kept..end) };
            memory.committed_bytes = kept;
        }
        // SAFETY: passed on to the caller.
        unsafe { self.commit(memory, new_committed_bytes) }
    }
}

// SAFETY: pages are mapped as writable and not executable, and `PageTables` makes them
// executable and not writable.
unsafe impl<P: PageTables> CodeMemory for PagedMemory<P> {
    fn allocate(&self, len_bytes: usize) -> Result<CodeRegion> {
        let (base, len_bytes) = self.take_mapped(len_bytes)?;
        Ok(CodeRegion::in_place(base, len_bytes))
    }

    unsafe fn publish(&self, region: &CodeRegion) -> Result<()> {
        let start = region.execute.addr().get();
        // SAFETY: passed on to the caller.
        unsafe { self.tables.make_executable(start..start + region.len_bytes) }
    }

    unsafe fn release(&self, region: CodeRegion) {
        // SAFETY: passed on to the caller.
        unsafe { self.give_back(region.write, region.len_bytes) };
    }
}

// SAFETY: mapped pages that are given to nobody else. The page below is never mapped.
unsafe impl<P: PageTables> StackSource for PagedMemory<P> {
    fn reserve(&self, len_bytes: usize) -> Result<StackMemory> {
        let (base, len_bytes) = self.take_mapped(len_bytes)?;
        // SAFETY: mapped just now, and the stack's alone.
        Ok(unsafe { StackMemory::from_raw_parts(base, len_bytes) })
    }

    unsafe fn release(&self, stack: StackMemory) {
        // SAFETY: passed on to the caller.
        unsafe { self.give_back(stack.base(), stack.len_bytes()) };
    }
}

impl<P> core::fmt::Debug for PagedMemory<P> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("PagedMemory").finish_non_exhaustive()
    }
}
