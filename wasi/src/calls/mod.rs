//! The functions of WASI preview 1. Each takes the context, the guest's memory and
//! the guest's arguments, which are not to be trusted.
//!
//! Invariants: the places for results are checked before anything is done; what a
//! call costs is bounded by [`crate::Limits`], or it is done in pieces ([`Stop::Pause`]).
//!
//! | file | functions |
//! |---|---|
//! | `process` | `args_*`, `environ_*`, `clock_*`, `proc_*`, `random_get`, `sched_yield` |
//! | `fd` | what concerns descriptors and attributes |
//! | `io` | reading, writing, seeking |
//! | `readdir` | `fd_readdir` |
//! | `path` | `path_*` |
//! | `poll` | `poll_oneoff` |
//! | `sock` | `sock_*` |

pub(crate) mod fd;
pub(crate) mod io;
pub(crate) mod path;
pub(crate) mod poll;
pub(crate) mod process;
pub(crate) mod readdir;
pub(crate) mod sock;

use crate::types::Errno;

/// Why a call is not done, or not done yet.
#[derive(Debug)]
pub(crate) enum Stop {
    /// It failed.
    Errno(Errno),
    /// It is to be tried again when something may have become ready, or the
    /// monotonic clock has reached this.
    Wait(Option<u64>),
    /// It has done a piece of its work, and is to be called again.
    Pause,
    /// The program ends.
    End(kernref::Error),
}

impl From<Errno> for Stop {
    fn from(errno: Errno) -> Self {
        Stop::Errno(errno)
    }
}

/// Outcome of a call, or of a piece of it.
pub(crate) type Step<T = ()> = Result<T, Stop>;

/// Flags that must all be known.
///
/// # Errors
/// [`Errno::Inval`].
macro_rules! flags {
    ($ty:ty, $raw:expr) => {
        <_ as TryFrom<u32>>::try_from($raw)
            .ok()
            .and_then(<$ty>::from_bits)
            .ok_or(crate::types::Errno::Inval)
    };
}

pub(crate) use flags;
