//! [`FaultRegisters`]: what an exception handler and Kernref exchange.

/// The registers of the interrupted code that matter, as the exception handler
/// found them; the handler writes them back and returns to them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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
