//! [`KnownCode`]: published code, known to the fault handler for as long as
//! this lives.
//!
//! Invariant: it keeps its engine alive, and so the list of ranges that it is
//! in.

use super::code_ranges::{CodeRange, Place};
use super::handle::Engine;
use crate::error::Result;
use core::ops::Range;

/// Published code, known to the fault handler while this lives.
pub(crate) struct KnownCode {
    engine: Engine,
    place: Place,
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
        let place = self.code_ranges().insert(CodeRange { code, owner: self.id() })?;
        Ok(Some(KnownCode { engine: self.clone(), place }))
    }
}

impl Drop for KnownCode {
    fn drop(&mut self) {
        // SAFETY: put into the list of this engine by `make_known`; taken out
        // once, here.
        unsafe { self.engine.code_ranges().remove(self.place) };
    }
}
