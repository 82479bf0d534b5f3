//! [`KnownCode`]: published code, known to the fault handler for as long as
//! this lives.
//!
//! Invariant: it keeps its engine alive, and so the list of ranges that it is
//! in.

use super::code_ranges::CodeRange;
use super::handle::Engine;
use crate::error::Result;
use core::ops::Range;

/// Published code, known to the fault handler while this lives.
pub(crate) struct KnownCode {
    engine: Engine,
    range: CodeRange,
}

impl Engine {
    /// Makes published code known to the fault handler, if it may fault.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`].
    pub(crate) fn make_known(&self, code: Range<usize>) -> Result<Option<KnownCode>> {
        if !self.config().hardware_traps {
            return Ok(None);
        }
        let range = CodeRange { code, owner: self.id() };
        self.code_ranges().insert(range.clone())?;
        Ok(Some(KnownCode { engine: self.clone(), range }))
    }
}

impl Drop for KnownCode {
    fn drop(&mut self) {
        self.engine.code_ranges().remove(&self.range);
    }
}
