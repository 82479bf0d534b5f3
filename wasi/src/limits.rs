//! [`Limits`]: what a guest can make the host spend, in one table.

/// Limits of one guest. What exceeds one gets the error in the last column, or is
/// done in part, as the standard allows.
///
/// | limit | default | beyond it |
/// |---|---|---|
/// | [`descriptors`](Self::descriptors) | 1024 | `EMFILE` |
/// | [`buffers`](Self::buffers) | 1024 per call | `EINVAL` |
/// | [`transfer_bytes`](Self::transfer_bytes) | 1 MiB per call | fewer bytes are read or written |
/// | [`path_bytes`](Self::path_bytes) | 4096 | `ENAMETOOLONG` |
/// | [`subscriptions`](Self::subscriptions) | 4096 per call | `EINVAL` |
/// | [`piece_bytes`](Self::piece_bytes) | 64 KiB | the epoch is checked and fuel is taken after each piece |
///
/// File systems have limits of their own: see [`crate::Quota`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Open descriptors.
    pub descriptors: u32,
    /// Buffers that a call names to read into or to write from.
    pub buffers: u32,
    /// Bytes that a call reads or writes.
    pub transfer_bytes: u32,
    /// Bytes of a path.
    pub path_bytes: u32,
    /// Subscriptions of a call.
    pub subscriptions: u32,
    /// Bytes that a call writes to the guest's memory between two checks of the
    /// epoch, where the standard has it write all of them: random bytes, and a
    /// directory's entries.
    pub piece_bytes: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            descriptors: 1024,
            buffers: 1024,
            transfer_bytes: 1 << 20,
            path_bytes: 4096,
            subscriptions: 4096,
            piece_bytes: 64 << 10,
        }
    }
}
