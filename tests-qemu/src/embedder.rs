//! What Kernref requires of a kernel: its page tables, over which Kernref's own provider
//! makes linear memories that grow in place, and code that is first writable and then
//! executable, never both.

use crate::faults::{self, Watch};
use crate::frames::FRAME_BYTES;
use crate::lock::Lock;
use crate::paging::{self, Access};
use crate::sched::{self, Thread};
use crate::vspace;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};
use kernref::alloc::{CodeMemory, CodeRegion, MemorySource, PageTables, PagedMemory, StackBounds};
use kernref::{Config, Engine, Error, Result};
use spin::Once;

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

/// The kernel's page tables, as Kernref needs them.
pub struct KernelTables;

// SAFETY: pages are writable and not executable until they are made executable, and
// then not writable; the page tables cannot express both at once. Each frame is mapped in
// one place of these, and released when all processors have forgotten it.
unsafe impl PageTables for KernelTables {
    fn map(&self, pages: Range<usize>) -> Result<()> {
        let wanted = pages.len() / FRAME_BYTES;
        match wanted <= crate::frames::available() && vspace::commit(pages.start, pages.end) {
            true => Ok(()),
            false => Err(Error::OutOfMemory { bytes: pages.len() }),
        }
    }

    unsafe fn make_executable(&self, pages: Range<usize>) -> Result<()> {
        match vspace::make_executable(pages.start, pages.end, access()) {
            true => Ok(()),
            false => Err(Error::CodeMemory("a page of it is not mapped")),
        }
    }

    unsafe fn unmap(&self, pages: Range<usize>) {
        // What Kernref unmaps at once was used for one purpose.
        if paging::is_read_only(pages.start) {
            vspace::make_writable(pages.start, pages.end);
        }
        // SAFETY: by the trait's contract nobody uses the pages any more.
        unsafe { vspace::decommit(pages.start, pages.end) };
    }
}

/// Linear memories, code, and stacks with a page below that is never mapped.
pub fn paged_memory() -> Arc<PagedMemory<KernelTables>> {
    static MEMORY: Once<Arc<PagedMemory<KernelTables>>> = Once::new();
    let new = || {
        // SAFETY: nobody else maps anything in this range.
        let memory = unsafe { PagedMemory::new(KernelTables, vspace::FOR_GUESTS) };
        Arc::new(memory.expect("a range of whole pages"))
    };
    MEMORY.call_once(new).clone()
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

// SAFETY: as for `KernelTables`, with the pages of two ranges, one at a time.
unsafe impl CodeMemory for AliasedCode {
    fn allocate(&self, len_bytes: usize) -> Result<CodeRegion> {
        let len_bytes = len_bytes.next_multiple_of(FRAME_BYTES);
        let refused = Error::OutOfMemory { bytes: len_bytes };
        let pointer = |address| NonNull::new(address as *mut u8);
        let Some(write) = vspace::reserve(len_bytes) else { return Err(refused) };
        let Some(execute) = vspace::reserve(len_bytes) else {
            vspace::unreserve(write, len_bytes);
            return Err(refused);
        };
        match (vspace::commit(write, write + len_bytes), pointer(write), pointer(execute)) {
            (true, Some(write), Some(execute)) => Ok(CodeRegion { write, execute, len_bytes }),
            _ => {
                vspace::unreserve(write, len_bytes);
                vspace::unreserve(execute, len_bytes);
                Err(refused)
            }
        }
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

/// The kernel's providers.
pub fn providers() -> (Arc<dyn MemorySource>, Arc<dyn CodeMemory>) {
    (paged_memory(), paged_memory())
}

/// Engines of [`engine`], until [`forget_engines`], and the threads that made them.
static WATCHED: Lock<Vec<(Option<Thread>, Watch)>> = Lock::new(Vec::new());

/// Makes an engine whose guests' faults are handled until [`forget_engines`] is
/// called.
///
/// # Errors
/// Those of [`Engine::new`] and of [`faults::watch`].
pub fn engine(config: &Config) -> Result<Engine> {
    let engine = Engine::new(config)?;
    let watch = faults::watch(&engine)?;
    let mut watched = WATCHED.lock();
    watched.try_reserve(1).map_err(|_| Error::OutOfMemory { bytes: size_of::<Watch>() })?;
    watched.push((sched::current(), watch));
    Ok(engine)
}

/// Undoes each [`engine`] of this thread. No guest of those engines may run any
/// more.
pub fn forget_engines() {
    while let Some(watch) = forget_one() {
        drop(watch);
    }
}

fn forget_one() -> Option<Watch> {
    let this = sched::current();
    let mut watched = WATCHED.lock();
    let at = watched.iter().position(|(thread, _)| *thread == this)?;
    let (_, watch) = watched.swap_remove(at);
    if watched.is_empty() {
        *watched = Vec::new();
    }
    Some(watch)
}

/// The stack of the thread that asks: the boot stack, as long as that is the only one.
pub struct CurrentStack;

// SAFETY: the stack is mapped, and nobody else's.
unsafe impl StackBounds for CurrentStack {
    fn current(&self) -> Option<Range<usize>> {
        Some(current_stack())
    }
}

/// Where it lies.
pub fn current_stack() -> Range<usize> {
    sched::current_stack().unwrap_or_else(crate::boot_stack)
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
