//! [`Cursor`]: the frames of one activation, from its exit to its entry.

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
    /// No call returns exactly there.
    NoStackMap,
    /// A stack map names a cell outside its frame.
    CellOutsideFrame,
    /// A cell names a slot that does not exist.
    BadReference,
}

/// One frame: where it will continue, its frame pointer, and the frame
/// pointer of the frame below it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    pub(super) return_address: usize,
    pub(super) fp: usize,
    pub(super) callee_fp: usize,
}

/// Walks from an exit stub's frame to the entry trampoline's.
pub(super) struct Cursor {
    fp: usize,
    return_address: usize,
    entry_fp: usize,
}

/// Reads a word.
///
/// # Safety
/// `address` is aligned and lies in a live frame (S2).
unsafe fn read_word(address: usize) -> usize {
    // SAFETY: by this function's contract; stacks are memory whose provenance
    // the entry path exposed.
    unsafe { core::ptr::with_exposed_provenance::<usize>(address).read() }
}

fn check_link(below: usize, fp: usize, entry_fp: usize) -> Result<(), WalkError> {
    if !fp.is_multiple_of(arch::FRAME_ALIGN) {
        return Err(WalkError::Misaligned);
    }
    if fp <= below || fp > entry_fp {
        return Err(WalkError::OutOfOrder);
    }
    Ok(())
}

impl Cursor {
    /// Starts at an exit record.
    pub(super) fn new(exit_fp: usize, exit_pc: usize, entry_fp: usize) -> Result<Self, WalkError> {
        if !exit_fp.is_multiple_of(arch::FRAME_ALIGN) || !entry_fp.is_multiple_of(arch::FRAME_ALIGN)
        {
            return Err(WalkError::Misaligned);
        }
        if exit_fp == 0 || exit_fp >= entry_fp {
            return Err(WalkError::OutOfOrder);
        }
        Ok(Self { fp: exit_fp, return_address: arch::strip_return_address(exit_pc), entry_fp })
    }

    /// The next frame towards the entry, or `None` at the entry.
    ///
    /// # Safety
    /// The activation is live: the memory between its exit and entry frames
    /// is its stack (S1, S2).
    pub(super) unsafe fn next(&mut self) -> Result<Option<Frame>, WalkError> {
        let callee_fp = self.fp;
        // SAFETY: `fp` is aligned and in `[exit_fp, entry_fp)`, checked when it was taken.
        let fp = unsafe { read_word(callee_fp) };
        check_link(callee_fp, fp, self.entry_fp)?;
        if fp == self.entry_fp {
            return Ok(None);
        }
        let frame = Frame { return_address: self.return_address, fp, callee_fp };
        // SAFETY: `fp` is aligned and below `entry_fp`.
        let next = unsafe { read_word(fp + arch::RETURN_ADDRESS_OFFSET) };
        self.return_address = arch::strip_return_address(next);
        self.fp = fp;
        Ok(Some(frame))
    }
}

impl Frame {
    /// Visits the cells of the frame that a stack map names.
    ///
    /// # Safety
    /// As for [`Cursor::next`].
    pub(super) unsafe fn visit(
        &self,
        distances: &[u32],
        visit: &mut impl FnMut(u32) -> Result<(), WalkError>,
    ) -> Result<(), WalkError> {
        let lowest = self.callee_fp + 2 * size_of::<usize>();
        // In cells: a cell's distance is a multiple of 4 from 4 up.
        let most = self.fp.saturating_sub(lowest).saturating_sub(4) / 4;
        let has_cells = self.fp >= lowest + 4;
        for distance in distances {
            // What is no multiple of 4, or 0, becomes large.
            let index = distance.wrapping_sub(4).rotate_right(2) as usize;
            if index > most || !has_cells {
                return Err(WalkError::CellOutsideFrame);
            }
            let cell = self.fp - *distance as usize;
            // SAFETY: aligned, and between the two frame pointers (S2).
            visit(unsafe { core::ptr::with_exposed_provenance::<u32>(cell).read() })?;
        }
        Ok(())
    }
}
