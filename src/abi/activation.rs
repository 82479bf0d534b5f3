//! Records on the native stack: one [`ActivationRecord`] per crossing from
//! host to Wasm, one [`HostFrame`] per host call whose arguments are roots.

use super::ValRaw;

/// What the entry trampoline leaves on its own frame. Fields from the lowest
/// address up; the callee-saved registers follow (per architecture).
///
/// Invariants: records of one store form a list from the newest to the
/// oldest, each at a higher address than the one before; `entry_fp` is the
/// frame pointer that the trampoline itself runs with, and thus the value
/// that ends the walk of this activation.
#[derive(Debug)]
#[repr(C)]
pub struct ActivationRecord {
    /// The store whose activation this is.
    pub store: *mut super::VmStoreContext,
    /// The activation that was the newest before, or null.
    pub previous: *mut ActivationRecord,
    /// [`super::VmStoreContext::exit_fp`] as it was at entry.
    pub saved_exit_fp: usize,
    /// [`super::VmStoreContext::exit_pc`] as it was at entry.
    pub saved_exit_pc: usize,
    /// The trampoline's frame pointer.
    pub entry_fp: usize,
    /// Keeps the record a multiple of 16 bytes.
    pub reserved: usize,
}

const _: () = assert!(core::mem::size_of::<ActivationRecord>().is_multiple_of(16));

/// Values of a host call, or of values on their way into Wasm, that a
/// collection must treat as roots. Lives on a Rust frame; linked into
/// [`super::VmStoreContext::host_frames`] while it does.
#[derive(Debug)]
#[repr(C)]
pub struct HostFrame {
    /// The host frame linked before, or null.
    pub previous: *mut HostFrame,
    /// The values.
    pub values: *const ValRaw,
    /// How many values there are.
    pub len: usize,
    /// One entry per value: true where it is an externref slot number.
    pub is_rooted: *const bool,
    /// Distinguishes this frame from every earlier one of the store.
    pub serial: u64,
}

/// Finds the stack map for a return address.
///
/// # Safety
/// An implementation must answer `Some` only for an address that is exactly
/// the return address of a call in published code, with the map that the
/// compiler emitted for that call. The collector releases whatever such a map
/// does not name.
pub unsafe trait StackMapLookup {
    /// The map for the call that returns to `return_address`: how many bytes
    /// the frame extends below its frame pointer, and for each live externref
    /// the distance in bytes from the frame pointer *down* to its 4-byte cell.
    /// `None` when no such call exists.
    fn stack_map(&self, return_address: usize) -> Option<(u32, &[u32])>;
}
