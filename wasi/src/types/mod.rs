//! The types of WASI preview 1, as the host sees them.
//!
//! | file | owns |
//! |---|---|
//! | `errno` | error codes |
//! | `flags` | rights and the sets of flags |
//! | `kinds` | enumerations: kinds of files, clocks, advice, signals |
//! | `stat` | attributes of files and descriptors, with their layouts |

mod errno;
mod flags;
mod kinds;
mod stat;

pub use errno::Errno;
pub use flags::{
    EventRwFlags, FdFlags, FstFlags, LookupFlags, OFlags, RiFlags, Rights, RoFlags, SdFlags,
    SubclockFlags,
};
pub use kinds::{Advice, ClockId, Filetype, Signal, Whence};
pub(crate) use stat::{DIRENT_BYTES, EVENT_BYTES, Event, SUBSCRIPTION_BYTES, dirent};
pub use stat::{Fdstat, Filestat, SetTime, SetTimes};

/// What hosts answer: a value, or the standard's error code.
pub type Result<T, E = Errno> = core::result::Result<T, E>;
