//! [`PageTables`]: what is asked of a kernel's page tables.

use crate::error::Result;
use core::ops::Range;

/// Bytes of a page, and of a frame.
pub const PAGE_BYTES: usize = 4096;

/// A kernel's page tables, as far as [`super::PagedMemory`] needs them. Ranges are whole pages
/// of 4 KiB, within what the `PagedMemory` was given.
///
/// # Safety
/// An implementation does what its methods say, on every processor, by the time that
/// they return. Frames are used for nothing else while they are mapped.
pub unsafe trait PageTables: Send + Sync {
    /// Backs each page of the range, none of which is mapped, with a zeroed frame that the
    /// kernel can read and write, and not execute.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`]; nothing of the range is mapped then.
    fn map(&self, pages: Range<usize>) -> Result<()>;

    /// Makes mapped pages readable and executable, and, where the kernel can, their
    /// frames writable at no address.
    ///
    /// # Errors
    /// [`crate::Error::CodeMemory`]; the pages can still be unmapped.
    ///
    /// # Safety
    /// Nobody writes to the pages any more.
    unsafe fn make_executable(&self, pages: Range<usize>) -> Result<()>;

    /// Unmaps what is mapped of the range, whatever it was used for, and takes the frames
    /// back once no processor reaches them any more.
    ///
    /// # Safety
    /// Nobody uses the range any more.
    unsafe fn unmap(&self, pages: Range<usize>);
}
