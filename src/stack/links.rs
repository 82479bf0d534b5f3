//! [`Links`]: the chain of frame pointers, and the only place that reads it.
//!
//! Keeps S3: each frame pointer is checked before it is followed.

use crate::arch;

/// Why a walk was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WalkError {
    /// A frame pointer is not aligned as the architecture demands.
    Misaligned,
    /// A frame pointer is not above the one before, or beyond the entry.
    OutOfOrder,
    /// Activation records are not in order.
    BrokenActivation,
    /// No call has exactly this return address.
    NoStackMap,
    /// A stack map names a cell outside its frame.
    CellOutsideFrame,
    /// A cell names a slot that does not exist.
    BadReference,
}

/// A place in the chain: the frame that its frame pointer names.
pub(crate) struct Links {
    fp: usize,
    /// The chain leads no higher than this.
    highest: usize,
}

impl Links {
    /// The chain from `fp` up to `highest`, which must lie above `fp`.
    ///
    /// # Errors
    /// [`WalkError::Misaligned`], [`WalkError::OutOfOrder`].
    pub(super) fn up_to(fp: usize, highest: usize) -> Result<Self, WalkError> {
        if !fp.is_multiple_of(arch::FRAME_ALIGN) || !highest.is_multiple_of(arch::FRAME_ALIGN) {
            return Err(WalkError::Misaligned);
        }
        if fp == 0 || fp >= highest {
            return Err(WalkError::OutOfOrder);
        }
        Ok(Self { fp, highest })
    }

    /// The chain from `fp`; the caller recognises its end.
    ///
    /// # Errors
    /// As for [`Self::up_to`].
    pub(crate) fn from_fp(fp: usize) -> Result<Self, WalkError> {
        Self::up_to(fp, usize::MAX - (arch::FRAME_ALIGN - 1))
    }

    /// The frame pointer of the current frame.
    #[inline]
    pub(super) fn fp(&self) -> usize {
        self.fp
    }

    /// Whether the current frame is the highest one allowed.
    #[inline]
    pub(super) fn is_at_end(&self) -> bool {
        self.fp == self.highest
    }

    /// Where the current frame returns to.
    ///
    /// # Safety
    /// The current frame is live, on a stack that does not change (S1).
    #[inline]
    pub(crate) unsafe fn return_address(&self) -> usize {
        // SAFETY: `fp` was checked (S3); the frame is live, by this function's
        // contract, and does not change (S1, S2).
        arch::strip_return_address(unsafe { read_word(self.fp + arch::RETURN_ADDRESS_OFFSET) })
    }

    /// Moves on to the frame above, and returns its frame pointer.
    ///
    /// # Errors
    /// [`WalkError::Misaligned`], [`WalkError::OutOfOrder`].
    ///
    /// # Safety
    /// As for [`Self::return_address`].
    #[inline]
    pub(crate) unsafe fn next(&mut self) -> Result<usize, WalkError> {
        // SAFETY: as in `return_address` (S1, S2, S3).
        let above = unsafe { read_word(self.fp) };
        if !above.is_multiple_of(arch::FRAME_ALIGN) {
            return Err(WalkError::Misaligned);
        }
        if above <= self.fp || above > self.highest {
            return Err(WalkError::OutOfOrder);
        }
        self.fp = above;
        Ok(above)
    }
}

/// Reads a word.
///
/// # Safety
/// `address` is aligned and lies in a live frame (S2).
#[inline]
unsafe fn read_word(address: usize) -> usize {
    // SAFETY: by this function's contract; stacks are memory whose provenance
    // the entry path exposed.
    unsafe { core::ptr::with_exposed_provenance::<usize>(address).read() }
}
