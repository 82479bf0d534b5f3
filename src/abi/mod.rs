//! Facts shared by Rust, assembly and generated code: layouts, calls out of
//! generated code, trap codes, names of proposals and entity indices. Nothing
//! here acts.
//!
//! This is the floor of the crate: it uses nothing above it. Every offset that
//! machine code relies on is taken from these definitions with `offset_of!`,
//! so the compiler and the runtime cannot drift apart.

mod activation;
mod architecture;
mod builtins;
mod fault;
mod fingerprint;
mod index;
mod offsets;
mod policy;
mod proposal;
mod raw;
mod reference;
mod trap_code;
mod vmcontext;

pub use activation::{ActivationRecord, HostFrame, StackMapLookup};
pub use architecture::Architecture;
#[cfg(feature = "compile")]
pub use builtins::BuiltinType;
pub use builtins::{Builtin, VmBuiltins};
pub use fault::FaultRegisters;
pub use fingerprint::FINGERPRINT;
pub use index::{DataIndex, ElemIndex, FuncIndex, GlobalIndex, MemoryIndex, TableIndex, TypeIndex};
pub use offsets::{ContextCounts, VmOffsets};
pub use policy::DeferralPolicy;
pub use proposal::{Proposal, Proposals};
pub use raw::ValRaw;
pub use reference::{NULL_SLOT, Slot, SlotFlags};
pub use trap_code::Trap;
pub use vmcontext::{
    HOST_CONTEXT_MAGIC, INSTANCE_CONTEXT_MAGIC, VmContext, VmFuncRef, VmFunctionImport, VmGlobal,
    VmHostContext, VmMemory, VmStoreContext, VmTable,
};

/// Bytes a compiled frame may use below the stack limit before its own check
/// has run. A function with a larger frame is entered through a wrapper that
/// checks for the whole frame first.
pub const STACK_MARGIN_BYTES: u32 = 4096;

/// Bulk work on bytes costs one unit of fuel for each full 2 to this power of them.
pub const BYTES_PER_FUEL_LOG2: u32 = 6;

/// The most bytes that bulk work writes between two looks at whether to go on.
pub const BULK_PIECE_BYTES: u64 = 64 << 10;

/// With hardware traps, an access whose offset and size add up to no more than
/// this is left to the guard of its memory; what reaches further is checked.
pub const GUARDED_REACH_BYTES: u64 = 2 << 30;

/// With hardware traps, the guarded bytes (`LinearMemory::guarded_bytes`) that a
/// memory with 32-bit addresses must have: 4 GiB that an index can name, the
/// 2 GiB that its offset reaches beyond it, and a Wasm page to spare.
pub const MEMORY32_GUARDED_BYTES: usize = (4 << 30) + GUARDED_REACH_BYTES as usize + (64 << 10);

/// A fault is recorded as if its instruction were a call that returns this many
/// bytes behind its start: no call returns there.
pub const FAULT_RETURN_OFFSET: u32 = 1;

/// Status that an activation returns when it ended normally.
pub const STATUS_OK: u64 = 0;

/// Bit of [`VmStoreContext::interrupt`]: someone has asked for the end. A host function
/// that has not failed itself returns that word as its status, of which
/// [`VmStoreContext::host_failed`] makes a trap's code: from this number on it is none.
pub const STATUS_REQUESTED: u64 = 1 << 8;

/// The same, asked by a watchdog.
pub const STATUS_OVERDUE: u64 = 1 << 9;
