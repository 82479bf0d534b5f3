//! [`Wait`]: time that passes while a guest waits.

use crate::types::Result;

/// How a guest waits. A guest that was not handed this cannot wait: calls that
/// would have to end with `ENOTSUP`.
///
/// After each call the guest's streams are asked again whether they are ready, and
/// its epoch deadline is checked. So an implementation may return at any time, and
/// should do so from time to time if there is a deadline.
pub trait Wait: Send {
    /// Waits until something may have become ready, or the monotonic clock has
    /// reached `until_ns`. A kernel halts the processor until the next interrupt, or
    /// lets other threads run.
    ///
    /// # Errors
    /// Whatever the guest is to be told, e.g. `EINTR`; `EDEADLK` where nothing that
    /// it waits for can ever happen.
    fn wait(&mut self, until_ns: Option<u64>) -> Result<()>;

    /// Lets others run.
    fn yield_now(&mut self) {}
}
