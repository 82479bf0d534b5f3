//! [`Random`]: random bytes.

use crate::types::Result;

/// A source of random bytes. Guests use them as keys: they must be unpredictable,
/// except in tests.
pub trait Random: Send {
    /// Fills the buffer, which has at most [`crate::Limits::piece_bytes`] bytes.
    ///
    /// # Errors
    /// Whatever the guest is to be told.
    fn fill(&mut self, buffer: &mut [u8]) -> Result<()>;
}
