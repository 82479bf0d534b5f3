//! Faults of generated code that the processor raises: which are ours, and
//! where execution goes on (`Config::hardware_traps`).

use super::engine::Engine;
pub use crate::abi::MEMORY32_GUARDED_BYTES;

/// The registers of the interrupted code that matter, as the exception handler
/// found them; the handler writes them back and returns to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct FaultRegisters {
    /// Address of the instruction that faulted: RIP; ELR.
    pub pc: usize,
    /// Stack pointer: RSP; SP.
    pub sp: usize,
    /// Frame pointer: RBP; X29.
    pub fp: usize,
    /// RAX; X0.
    pub result: usize,
}

impl Engine {
    /// For the kernel's handler of page faults (x86_64) and data aborts
    /// (aarch64): if an access to a linear memory of this engine's stores
    /// raised the fault, rewrites the registers so that returning to them ends
    /// the Wasm activation with [`crate::Trap::MemoryOutOfBounds`], and answers
    /// true. Otherwise the fault is not Kernref's: answers false, and the
    /// registers are as they were. All other registers and flags are to be
    /// returned to as they were.
    ///
    /// `address` is the address that was accessed: CR2; FAR.
    ///
    /// Takes no lock and allocates nothing; may be called on any processor at
    /// any time, whatever the others do and whatever it interrupts.
    ///
    /// # Safety
    /// The registers are those of code that was interrupted on this processor
    /// in the kernel's own mode, by a synchronous fault at `pc`; its stack is
    /// mapped and stands still until this returns.
    pub unsafe fn handle_fault(&self, registers: &mut FaultRegisters, address: usize) -> bool {
        let _ = (registers, address);
        false
    }
}
