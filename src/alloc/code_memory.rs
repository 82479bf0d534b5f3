//! [`PublishedCode`]: machine code written, made executable, and given back
//! when dropped. Invariant: a `PublishedCode` is executable and immutable. Its
//! addresses are those where it runs, which need not be those where it was written.

use super::embedder::{CodeMemory, CodeRegion};
use crate::error::{Error, Result};
use std_alloc::sync::Arc;

const PAGE_BYTES: usize = 4096;

/// Code that is ready to run.
pub struct PublishedCode {
    source: Arc<dyn CodeMemory>,
    region: Option<CodeRegion>,
    base: usize,
    len_bytes: usize,
}

// SAFETY: published code is read-only, and its source is `Send + Sync`.
unsafe impl Send for PublishedCode {}
// SAFETY: as above.
unsafe impl Sync for PublishedCode {}

impl PublishedCode {
    /// Copies `code` into memory from `source` and makes it executable. `patch`
    /// is the offset at which other bytes take the place of the code's own.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], [`Error::CodeMemory`], or the source's own error;
    /// [`Error::Bug`] if the patch reaches beyond the code.
    pub fn new(
        source: Arc<dyn CodeMemory>,
        code: &[u8],
        patch: Option<(usize, &[u8])>,
    ) -> Result<Self> {
        let region = source.allocate(code.len().max(1))?;
        let (write, execute) = (region.write.as_ptr(), region.execute.as_ptr());
        let mut published =
            Self { source, base: execute.addr(), len_bytes: code.len(), region: Some(region) };
        let region = published.region.as_ref().ok_or(Error::Bug("code region vanished"))?;
        if region.len_bytes < code.len() {
            return Err(Error::OutOfMemory { bytes: code.len() });
        }
        if !(write.addr() | execute.addr()).is_multiple_of(PAGE_BYTES) {
            return Err(Error::CodeMemory("its addresses are not multiples of 4096"));
        }
        // SAFETY: the region is writable, long enough, and ours alone.
        unsafe { core::ptr::copy_nonoverlapping(code.as_ptr(), write, code.len()) };
        if let Some((at, patch)) = patch {
            if code.get(at..).is_none_or(|room| room.len() < patch.len()) {
                return Err(Error::Bug("a patch reaches beyond the code"));
            }
            // SAFETY: within the code that was just written.
            unsafe { core::ptr::copy_nonoverlapping(patch.as_ptr(), write.add(at), patch.len()) };
        }
        // SAFETY: the region came from this source, and its code is complete.
        unsafe { published.source.publish(region)? };
        // SAFETY: the code is in place and mapped.
        unsafe { crate::arch::synchronize_code(execute.cast_const(), code.len()) };
        published.source.published(region);
        published.base = execute.expose_provenance();
        match published.holds(code, patch.unwrap_or((0, &[]))) {
            true => Ok(published),
            false => Err(Error::CodeMemory("what is read where it runs is not what was written")),
        }
    }

    /// Address of the first byte, where it runs.
    pub const fn base(&self) -> usize {
        self.base
    }

    /// Bytes of code.
    pub const fn len(&self) -> usize {
        self.len_bytes
    }

    /// The code as it was published.
    pub fn bytes(&self) -> &[u8] {
        let base = core::ptr::with_exposed_provenance(self.base);
        // SAFETY: published code is readable and immutable until the region goes,
        // with this value (`CodeMemory`).
        unsafe { core::slice::from_raw_parts(base, self.len_bytes) }
    }

    /// Whether the first and the last page are what was written, with the patch: if not,
    /// the source gave addresses of different memory.
    fn holds(&self, code: &[u8], (at, patch): (usize, &[u8])) -> bool {
        let first = 0..code.len().min(PAGE_BYTES);
        let last = code.len().saturating_sub(PAGE_BYTES)..code.len();
        let bytes = self.bytes();
        let written = |index: usize| {
            let patched = index.checked_sub(at).and_then(|index| patch.get(index));
            patched.or(code.get(index))
        };
        first.chain(last).all(|index| bytes.get(index) == written(index))
    }

    /// Address of the code at `offset`.
    pub fn address(&self, offset: u32) -> *const u8 {
        core::ptr::with_exposed_provenance(self.base.wrapping_add(offset as usize))
    }
}

impl Drop for PublishedCode {
    fn drop(&mut self) {
        if let Some(region) = self.region.take() {
            // SAFETY: the region came from this source; whoever runs the code
            // keeps this value alive.
            unsafe { self.source.release(region) };
        }
    }
}

impl core::fmt::Debug for PublishedCode {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "PublishedCode({:#x}, {} bytes)", self.base, self.len_bytes)
    }
}
