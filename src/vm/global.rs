//! Writing to the globals of a store; the cells of those that the host makes.
//!
//! Invariant: a global of a counted type counts the slot it holds.

use super::raw_box::RawBox;
use crate::abi::{ValRaw, VmGlobal};
use crate::artifact::ValType;
use crate::gc::RefHeap;
use core::ptr::NonNull;

/// Where a global lies that the host made.
pub(crate) struct GlobalCell {
    pub(crate) cell: RawBox<VmGlobal>,
    /// Whether its type is a counted one.
    pub(crate) is_counted: bool,
}

/// Writes a cell of type `ty` to a global, counting references.
///
/// # Safety
/// `place` is a global of this type in the heap's store, and alive; generated
/// code is not running.
pub(crate) unsafe fn write(
    heap: &mut RefHeap,
    place: NonNull<VmGlobal>,
    ty: ValType,
    cell: ValRaw,
) {
    // SAFETY: by this function's contract. A slot number lies in the low bytes
    // of its cell, the others of which stay zero.
    unsafe {
        match ty.is_counted() {
            true => heap.replace(place.cast().as_mut(), cell.u32()),
            false => place.write(VmGlobal(cell)),
        }
    }
}
