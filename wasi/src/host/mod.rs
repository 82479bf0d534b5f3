//! What a guest can be handed: small traits, each a capability. What was not
//! handed over does not exist for the guest.
//!
//! All errors are the standard's codes. Nothing here may panic because of what it
//! is given: it comes from a guest.

mod clock;
mod fs;
mod random;
mod stream;
mod wait;

pub use clock::Clock;
pub use fs::{DirEntry, Directory, File, OpenOptions, Opened};
pub use random::Random;
pub use stream::{Interest, Readiness, Socket, Stream};
pub use wait::Wait;
