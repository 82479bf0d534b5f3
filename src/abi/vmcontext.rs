//! Layouts that generated code reads and writes: the store context, the fixed
//! head of an instance context, and the entities an instance context holds.
//! What follows the head is laid out by [`super::VmOffsets`].

use super::{ActivationRecord, HostFrame, Slot, ValRaw, VmBuiltins};

/// [`VmContext::magic`] of an instance's context.
pub const INSTANCE_CONTEXT_MAGIC: u32 = u32::from_le_bytes(*b"kins");
/// [`VmHostContext::magic`] of a host function's context.
pub const HOST_CONTEXT_MAGIC: u32 = u32::from_le_bytes(*b"khst");

/// The part of a store that generated code and assembly touch. Pinned in
/// memory for the life of the store.
#[derive(Debug)]
#[repr(C)]
pub struct VmStoreContext {
    /// Lowest stack pointer at which a compiled function may start.
    pub stack_limit: usize,
    /// Frame pointer of the stub through which Wasm last left for the host.
    pub exit_fp: usize,
    /// Return address of that stub, into the Wasm caller.
    pub exit_pc: usize,
    /// Newest activation, or null when no Wasm runs.
    pub activation: *mut ActivationRecord,
    /// Slot 0 of the reference arena.
    pub slots: *mut Slot,
    /// Where the next activations-table entry goes.
    pub table_next: *mut u32,
    /// A read barrier that makes `table_next` reach this calls its slow path.
    pub table_threshold: *mut u32,
    /// Newest host frame with roots, or null.
    pub host_frames: *mut HostFrame,
    /// Functions that generated code may call.
    pub builtins: *const VmBuiltins,
    /// Ends the newest activation with a non-zero status; never returns.
    pub unwind: unsafe extern "C" fn(*mut VmStoreContext, u64) -> !,
    /// Records that generated code was stopped from outside, for the reason in
    /// [`Self::stopped_by`], and returns the status for [`Self::unwind`].
    pub stopped: unsafe extern "C" fn(*mut VmStoreContext) -> u64,
    /// Records the trap of the check that failed at [`Self::exit_pc`], and
    /// returns the status for [`Self::unwind`].
    pub check_failed: unsafe extern "C" fn(*mut VmStoreContext) -> u64,
    /// Takes the non-zero status with which a host function has returned, while its
    /// exit is recorded, and returns the status for [`Self::unwind`].
    pub host_failed: unsafe extern "C" fn(*mut VmStoreContext, u64) -> u64,
    /// Current epoch of the engine; a plain atomic counter.
    pub epoch_counter: *const core::sync::atomic::AtomicU64,
    /// Epoch at which generated code calls [`super::Builtin::EpochReached`].
    pub epoch_deadline: u64,
    /// Fuel left; below zero, generated code calls [`super::Builtin::FuelExhausted`].
    pub fuel: i64,
    /// Whether this address lies in the guard of one of the store's memories.
    /// For the fault handler, while the store's thread is stopped.
    pub guards: unsafe extern "C" fn(*mut VmStoreContext, usize) -> bool,
    /// Why a handler of faults or interrupts has stopped generated code: a
    /// [`super::Trap`]'s code.
    pub stopped_by: u64,
    /// Not 0 if generated code is to end. Anyone may set [`super::STATUS_REQUESTED`] or
    /// [`super::STATUS_OVERDUE`] at any time.
    pub interrupt: core::sync::atomic::AtomicU64,
}

/// Fixed head of an instance's context. Also the type behind a callee's
/// context pointer; `magic` tells whether it is an instance or a host function.
#[derive(Debug)]
#[repr(C, align(16))]
pub struct VmContext {
    /// `INSTANCE_CONTEXT_MAGIC`.
    pub magic: u32,
    /// Index of the instance in its store.
    pub instance: u32,
    /// The store. Same offset as in `VmHostContext`.
    pub store: *mut VmStoreContext,
    /// Engine-wide type numbers, indexed by the module's type index.
    pub type_ids: *const u32,
    /// Keeps the head a multiple of 16 bytes.
    pub reserved: u64,
}

/// Context of a host function as one importer sees it.
#[derive(Debug)]
#[repr(C, align(16))]
pub struct VmHostContext {
    /// [`HOST_CONTEXT_MAGIC`].
    pub magic: u32,
    /// Index of the host function in its store.
    pub host_func: u32,
    /// The store. Same offset as in [`VmContext`].
    pub store: *mut VmStoreContext,
    /// Runs the host function: reads arguments from, and writes results to,
    /// the array. Returns 0, or a [`super::Trap`] code with the error recorded
    /// in the store.
    pub call: unsafe extern "C" fn(*mut VmHostContext, *mut ValRaw) -> u64,
    /// Instance on whose behalf the function is imported, or null.
    pub caller: *mut VmContext,
}

/// A function that may be called from anywhere in the store.
#[derive(Debug)]
#[repr(C)]
pub struct VmFuncRef {
    /// Entry with the internal (tail) calling convention: context first, then
    /// the arguments. For a host function: the exit stub of its type.
    pub code: *const u8,
    /// The callee's context.
    pub context: *mut VmContext,
    /// `extern "C" fn(code, context, args)` of the function's type, or null
    /// for a host function.
    pub entry_shim: *const u8,
    /// Engine-wide type number.
    pub type_id: u32,
    /// Function index within its instance, or the host function's index.
    pub index: u32,
}

/// An imported function, called with the internal convention.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct VmFunctionImport {
    /// As [`VmFuncRef::code`].
    pub code: *const u8,
    /// As [`VmFuncRef::context`].
    pub context: *mut VmContext,
}

/// A linear memory. `base` never changes while the memory lives.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct VmMemory {
    /// First byte.
    pub base: *mut u8,
    /// Current length in bytes.
    pub len: usize,
}

impl VmMemory {
    /// No memory yet.
    pub const EMPTY: Self = Self { base: core::ptr::null_mut(), len: 0 };
}

/// A table: `u32` slot numbers for externref, `*mut VmFuncRef` for funcref.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct VmTable {
    /// First element. Changes when the table grows.
    pub base: *mut u8,
    /// Current number of elements.
    pub len: usize,
}

impl VmTable {
    /// No table yet.
    pub const EMPTY: Self = Self { base: core::ptr::null_mut(), len: 0 };
}

/// A global's value.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(16))]
pub struct VmGlobal(pub ValRaw);

const _: () = {
    use core::mem::{offset_of, size_of};
    assert!(offset_of!(VmContext, store) == offset_of!(VmHostContext, store));
    assert!(size_of::<VmContext>() == 32);
    assert!(size_of::<VmFuncRef>() == 32);
    assert!(size_of::<VmGlobal>() == 16);
    assert!(size_of::<usize>() == 8, "Kernref supports 64-bit targets only");
};
