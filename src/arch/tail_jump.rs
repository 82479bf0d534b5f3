//! [`TailJump`]: what the architectures say about tail calls through a pointer.

/// How a tail call through a pointer is rewritten for pages that ask for landings.
pub struct TailJump {
    /// What the code generator makes.
    pub made: [u8; 4],
    /// A direct jump of the same length, with a distance that is yet to be set.
    pub direct: [u8; 4],
    /// What that jumps to.
    pub thunk: [u8; 8],
}
