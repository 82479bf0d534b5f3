//! Stops before each instruction of the code that [`SteppedCode`] has published, by
//! the processor's debug exception after a single instruction.
//!
//! As long as other code runs, that code is not executable: entering it is a fault,
//! from where on the processor takes one step at a time, and the first step to
//! elsewhere ends that. So neither the kernel nor a builtin is ever stepped. (An
//! exception between a load-exclusive and its store makes the loop around them
//! endless.)
//!
//! Invariant: used on one processor, whose interrupts are masked. The kernel holds
//! no lock when it enters a guest, or returns to one.

use crate::arch;
use crate::embedder::paged_memory;
use crate::lock::Lock;
use crate::paging::{self, Access};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicPtr, Ordering};
use kernref::alloc::{CodeMemory, CodeRegion};
use kernref::fault::FaultRegisters;
use kernref::{Error, Result};

/// Where the code lies: starts and ends.
static REGIONS: Lock<Vec<(usize, usize)>> = Lock::new(Vec::new());
static HOOK: AtomicPtr<()> = AtomicPtr::new(core::ptr::null_mut());

/// What comes after the instruction that was stopped at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The next one is stopped at, too.
    Stop,
    /// No more of them are.
    Run,
}

/// Called with the registers before an instruction, which it may change.
pub type Hook = fn(&mut FaultRegisters) -> Next;

/// Runs `body`, with `hook` before each instruction until it has enough of it.
pub fn while_stepping<R>(hook: Hook, body: impl FnOnce() -> R) -> R {
    HOOK.store(hook as *mut (), Ordering::Relaxed);
    arch::prepare_steps();
    allow(Access::Read);
    let result = body();
    end();
    result
}

fn end() {
    HOOK.store(core::ptr::null_mut(), Ordering::Relaxed);
    allow(Access::ReadExecute);
}

fn allow(access: Access) {
    for (start, end) in REGIONS.lock().iter() {
        assert!(paging::protect(*start, *end, access), "published code is mapped");
    }
}

fn is_stepped(pc: usize) -> bool {
    REGIONS.lock().iter().any(|(start, end)| (*start..*end).contains(&pc))
}

fn ask(registers: &mut FaultRegisters) -> Next {
    let hook = HOOK.load(Ordering::Relaxed);
    if hook.is_null() {
        return Next::Run;
    }
    // SAFETY: only `while_stepping` stores here, and only function pointers.
    let hook: Hook = unsafe { core::mem::transmute(hook) };
    let next = hook(registers);
    if next == Next::Run {
        end();
    }
    next
}

/// For the handler of the exception after a step.
pub(crate) fn stepped(registers: &mut FaultRegisters) -> Next {
    if is_stepped(registers.pc) {
        return ask(registers);
    }
    allow(Access::Read);
    Next::Run
}

/// For the handler of a fault in code that is stepped, which goes on elsewhere; `None` if
/// that is not so.
pub(crate) fn redirected(registers: &mut FaultRegisters) -> Option<Next> {
    is_on(registers.pc).then(|| ask(registers))
}

/// Whether steps are taken, and through this.
fn is_on(pc: usize) -> bool {
    !HOOK.load(Ordering::Relaxed).is_null() && is_stepped(pc)
}

/// For the handler of an instruction fetch that faults; `None` if that is not to do
/// with steps.
pub(crate) fn entered(registers: &mut FaultRegisters) -> Option<Next> {
    is_on(registers.pc).then(|| {
        allow(Access::ReadExecute);
        ask(registers)
    })
}

/// Code in its own pages, which can be stepped through.
pub struct SteppedCode;

// SAFETY: as for `PagedMemory`, whose pages they are; that they are not executable for
// a while is undone by the fault's handler.
unsafe impl CodeMemory for SteppedCode {
    fn allocate(&self, len_bytes: usize) -> Result<CodeRegion> {
        let mut regions = REGIONS.lock();
        let more = regions.len() + 1;
        regions.try_reserve(more).map_err(|_| Error::OutOfMemory { bytes: len_bytes })?;
        drop(regions);
        CodeMemory::allocate(&*paged_memory(), len_bytes)
    }

    unsafe fn publish(&self, region: &CodeRegion) -> Result<()> {
        // SAFETY: passed on to the caller.
        unsafe { paged_memory().publish(region) }?;
        let start = region.execute.addr().get();
        REGIONS.lock().push((start, start + region.len_bytes));
        Ok(())
    }

    unsafe fn release(&self, region: CodeRegion) {
        let start = region.execute.addr().get();
        let mut regions = REGIONS.lock();
        regions.retain(|(from, _)| *from != start);
        if regions.is_empty() {
            *regions = Vec::new();
        }
        drop(regions);
        // SAFETY: passed on to the caller.
        unsafe { CodeMemory::release(&*paged_memory(), region) };
    }
}
