//! The in-arena form of a reference: [`Slot`], named by a `u32`.
//!
//! Compiled barriers read and write `count` and `flags`; everything else about
//! slots belongs to `gc`.

use bitflags::bitflags;

/// The slot number that stands for a null reference. The arena keeps a slot
/// there, permanently [`SlotFlags::IN_TABLE`], so that barriers may count null
/// like any other slot, without a test.
pub const NULL_SLOT: u32 = 0;

bitflags! {
    /// Flag bits of a slot header.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct SlotFlags: u32 {
        /// The activations table has an entry for this slot.
        const IN_TABLE = 1 << 0;
        /// The running collection found this slot in the precise set.
        const MARK = 1 << 1;
        /// The slot waits in the release queue.
        const QUEUED = 1 << 2;
        /// The slot owns an `ExternRef`. Clear on free and null slots.
        const EXTERN = 1 << 3;
        /// While counts are made exact again: in how many counted places the slot was
        /// found. As many as this can tell are none that are believed.
        const FOUND = !0 << 4;
    }
}

/// A slot of the reference arena: 16 bytes. The header is laid out for reuse
/// by other kinds of objects.
#[derive(Debug)]
#[repr(C, align(16))]
pub struct Slot {
    /// Counted places (table elements, globals, segments, roots) that hold the slot.
    pub count: u32,
    /// [`SlotFlags`] bits.
    pub flags: u32,
    /// The raw `ExternRef` the slot owns while [`SlotFlags::EXTERN`] is set;
    /// otherwise the next slot number of the free list or release queue.
    pub payload: *mut (),
}

impl Slot {
    /// log2 of the size of a slot, for address arithmetic in compiled code.
    pub const SIZE_LOG2: u32 = 4;
}

const _: () = assert!(core::mem::size_of::<Slot>() == 1 << Slot::SIZE_LOG2);
