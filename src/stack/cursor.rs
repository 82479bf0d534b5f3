//! [`Cursor`]: the frames of one activation, from its exit to its entry.

use super::links::{Links, WalkError};
use crate::arch;

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
    /// Up to the entry trampoline's frame.
    links: Links,
    /// Where the frame above continues.
    return_address: usize,
}

impl Cursor {
    /// Starts at an exit record.
    pub(super) fn new(exit_fp: usize, exit_pc: usize, entry_fp: usize) -> Result<Self, WalkError> {
        let links = Links::up_to(exit_fp, entry_fp)?;
        Ok(Self { links, return_address: arch::strip_return_address(exit_pc) })
    }

    /// The next frame towards the entry, or `None` at the entry.
    ///
    /// # Safety
    /// The activation is live: the memory between its exit and entry frames
    /// is its stack (S1, S2).
    pub(super) unsafe fn next(&mut self) -> Result<Option<Frame>, WalkError> {
        let callee_fp = self.links.fp();
        // SAFETY: the activation is live, by this function's contract (S1). The
        // frame lies below the entry's, because the links lead no higher (S2, S3).
        let fp = unsafe { self.links.next()? };
        if self.links.is_at_end() {
            return Ok(None);
        }
        let frame = Frame { return_address: self.return_address, fp, callee_fp };
        // SAFETY: as above; this frame is not the entry's yet.
        self.return_address = unsafe { self.links.return_address() };
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
            // Anything but a positive multiple of 4 becomes large.
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
