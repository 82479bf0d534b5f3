//! [`KnownCode`]: published code, known to the handlers of faults and interrupts
//! for as long as this lives.
//!
//! Invariant: it keeps its engine alive, and so the list of ranges that it is
//! in.

use super::code_ranges::CodeRange;
use super::handle::Engine;
use crate::error::Result;
use core::ops::Range;

/// Published code, known to the handlers while this lives.
pub(crate) struct KnownCode {
    engine: Engine,
    range: CodeRange,
}

impl Engine {
    /// Makes published code known to the handlers.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`].
    pub(crate) fn make_known(&self, code: Range<usize>) -> Result<KnownCode> {
        let may_fault = self.config().hardware_traps;
        let range = CodeRange { code, owner: self.id(), may_fault };
        self.code_ranges().insert(range.clone())?;
        Ok(KnownCode { engine: self.clone(), range })
    }
}

impl Drop for KnownCode {
    fn drop(&mut self) {
        self.engine.code_ranges().remove(&self.range);
    }
}
