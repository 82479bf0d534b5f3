//! What Kernref requires of a kernel: linear memories that grow in place within
//! reserved address space, and code that is first writable and then executable,
//! never both.

use crate::faults::{self, Watch};
use crate::frames::FRAME_BYTES;
use crate::paging::Access;
use crate::vspace;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};
use kernref::alloc::{
    CodeMemory, CodeRegion, LinearMemory, MemorySource, StackBounds, StackMemory, StackSource,
};
use kernref::fault::MEMORY32_GUARDED_BYTES;
use kernref::{Config, Engine, Error, Result};
use spin::Mutex;

/// Maximum size of one memory: all a 32-bit memory can have.
const CAPACITY_BYTES: usize = 4 << 30;
/// Address space per memory, whatever its maximum: more than there are frames
/// for, so everything beyond the committed bytes acts as a guard, and a
/// returned range fits the next memory.
const RESERVATION_BYTES: usize = MEMORY32_GUARDED_BYTES;

/// Linear memories in the kernel's address space, all with the guard that
/// [`Config::hardware_traps`] needs.
pub struct KernelMemory;

fn pointer(address: usize, bytes: usize) -> Result<NonNull<u8>> {
    NonNull::new(address as *mut u8).ok_or(Error::OutOfMemory { bytes })
}

fn pages(bytes: usize) -> usize {
    bytes.next_multiple_of(FRAME_BYTES)
}

// SAFETY: ranges are disjoint, committed with zeroed frames, and do not move.
// Exactly the committed bytes of a range, which are whole pages, are mapped;
// the rest never was, or was unmapped and flushed before the range was reused.
unsafe impl MemorySource for KernelMemory {
    fn reserve(&self, minimum_bytes: usize, maximum_bytes: usize) -> Result<LinearMemory> {
        let capacity_bytes = maximum_bytes.min(CAPACITY_BYTES);
        if minimum_bytes > capacity_bytes {
            return Err(Error::OutOfMemory { bytes: minimum_bytes });
        }
        let refused = Error::OutOfMemory { bytes: RESERVATION_BYTES };
        let start = vspace::reserve(RESERVATION_BYTES).ok_or(refused)?;
        let base = pointer(start, RESERVATION_BYTES)?;
        let mut memory = LinearMemory {
            base,
            capacity_bytes,
            committed_bytes: 0,
            guarded_bytes: RESERVATION_BYTES,
        };
        // SAFETY: reserved above.
        if let Err(error) = unsafe { self.commit(&mut memory, minimum_bytes) } {
            vspace::unreserve(start, RESERVATION_BYTES);
            return Err(error);
        }
        Ok(memory)
    }

    unsafe fn commit(&self, memory: &mut LinearMemory, new_committed_bytes: usize) -> Result<()> {
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
        vspace::unreserve(start, RESERVATION_BYTES);
    }
}

/// Whether guests' branches and return addresses are protected.
static PROTECTED: AtomicBool = AtomicBool::new(false);

/// From now on, guests' code lies in pages where indirect branches must land, and
/// signs return addresses. False if the processor knows neither.
pub fn protect_branches() -> bool {
    let done = crate::arch::protect_branches();
    PROTECTED.store(done, Relaxed);
    done
}

/// What guests' code needs of its pages.
fn access() -> Access {
    match PROTECTED.load(Relaxed) {
        true => Access::GuardedExecute,
        false => Access::ReadExecute,
    }
}

/// Code in its own pages.
pub struct KernelCode;

// SAFETY: pages are writable and not executable until published, then
// executable and not writable; the page tables cannot express both at once.
unsafe impl CodeMemory for KernelCode {
    fn allocate(&self, len_bytes: usize) -> Result<CodeRegion> {
        let len_bytes = pages(len_bytes);
        let refused = Error::OutOfMemory { bytes: len_bytes };
        let Some(start) = vspace::reserve(len_bytes) else { return Err(refused) };
        if !vspace::commit(start, start + len_bytes) {
            vspace::unreserve(start, len_bytes);
            return Err(refused);
        }
        Ok(CodeRegion::in_place(pointer(start, len_bytes)?, len_bytes))
    }

    unsafe fn publish(&self, region: &CodeRegion) -> Result<()> {
        let start = region.execute.addr().get();
        match vspace::make_executable(start, start + region.len_bytes, access()) {
            true => Ok(()),
            false => Err(Error::CodeMemory("a page of it is not mapped")),
        }
    }

    unsafe fn release(&self, region: CodeRegion) {
        give_back(region.execute.addr().get(), region.len_bytes);
    }
}

/// Takes pages back, whatever they were used for, and their range.
fn give_back(start: usize, len_bytes: usize) {
    vspace::make_writable(start, start + len_bytes);
    // SAFETY: by the trait's contract nobody uses the region any more.
    unsafe { vspace::decommit(start, start + len_bytes) };
    vspace::unreserve(start, len_bytes);
}

/// Code that runs at another address than it was written at. Where it runs, it never
/// was writable; where it was written, nothing is mapped any more.
pub struct AliasedCode;

// SAFETY: as for `KernelCode`, with the pages of two ranges, one at a time.
unsafe impl CodeMemory for AliasedCode {
    fn allocate(&self, len_bytes: usize) -> Result<CodeRegion> {
        let CodeRegion { write, len_bytes, .. } = KernelCode.allocate(len_bytes)?;
        let Some(execute) = vspace::reserve(len_bytes) else {
            give_back(write.addr().get(), len_bytes);
            return Err(Error::OutOfMemory { bytes: len_bytes });
        };
        Ok(CodeRegion { write, execute: pointer(execute, len_bytes)?, len_bytes })
    }

    unsafe fn publish(&self, region: &CodeRegion) -> Result<()> {
        let (write, execute) = (region.write.addr().get(), region.execute.addr().get());
        match vspace::map_executable(execute, write, write + region.len_bytes, access()) {
            true => Ok(()),
            false => Err(Error::CodeMemory("there is no frame for a page table")),
        }
    }

    unsafe fn release(&self, region: CodeRegion) {
        give_back(region.execute.addr().get(), region.len_bytes);
        give_back(region.write.addr().get(), region.len_bytes);
    }
}

/// Stacks in pages of their own. The page below each is never mapped.
pub struct KernelStacks;

// SAFETY: pages in a range that is handed out once, until it is released.
unsafe impl StackSource for KernelStacks {
    fn reserve(&self, len_bytes: usize) -> Result<StackMemory> {
        let CodeRegion { write, len_bytes, .. } = KernelCode.allocate(len_bytes)?;
        // SAFETY: mapped just now, and the stack's alone.
        Ok(unsafe { StackMemory::from_raw_parts(write, len_bytes) })
    }

    unsafe fn release(&self, stack: StackMemory) {
        let region = CodeRegion::in_place(stack.base(), stack.len_bytes());
        // SAFETY: `reserve` took it from there; nothing runs on it any more.
        unsafe { KernelCode.release(region) };
    }
}

/// The kernel's providers.
pub fn providers() -> (Arc<dyn MemorySource>, Arc<dyn CodeMemory>) {
    (Arc::new(KernelMemory), Arc::new(KernelCode))
}

/// Engines of [`engine`], until [`forget_engines`].
static WATCHED: Mutex<Vec<Watch>> = Mutex::new(Vec::new());

/// Makes an engine whose guests' faults are handled until [`forget_engines`] is
/// called.
///
/// # Errors
/// Those of [`Engine::new`] and of [`faults::watch`].
pub fn engine(config: &Config) -> Result<Engine> {
    let engine = Engine::new(config)?;
    let mut watched = WATCHED.lock();
    watched.try_reserve(1).map_err(|_| Error::OutOfMemory { bytes: size_of::<Watch>() })?;
    watched.push(faults::watch(&engine)?);
    Ok(engine)
}

/// Undoes [`engine`]. No guest of those engines may run any more.
pub fn forget_engines() {
    let watched = core::mem::take(&mut *WATCHED.lock());
    drop(watched);
}

/// The only thread runs on the boot stack.
pub struct BootStack;

// SAFETY: the stack is mapped, and nobody else's.
unsafe impl StackBounds for BootStack {
    fn current(&self) -> Option<Range<usize>> {
        Some(crate::boot_stack())
    }
}

/// A configuration with the kernel's providers and a Wasm stack limit that fits
/// the boot stack.
pub fn config() -> Config {
    let (memory, code) = providers();
    let mut config = Config::new();
    config.memory_source(memory).code_memory(code).max_wasm_stack(256 << 10);
    #[cfg(feature = "compile")]
    config.compile_memory(crate::heap::compile_memory());
    let protected = PROTECTED.load(Relaxed);
    config.use_bti(protected).sign_return_address(protected);
    config
}
