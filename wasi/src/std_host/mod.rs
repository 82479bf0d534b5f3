//! What hosts with `std` have: the system's clocks, randomness and standard streams,
//! and on Linux its directories.

#[cfg(target_os = "linux")]
mod directory;
#[cfg(target_os = "linux")]
mod errors;
#[cfg(target_os = "linux")]
mod file;
mod stdio;
mod time;

#[cfg(target_os = "linux")]
pub use directory::HostDir;
pub use stdio::{HostStderr, HostStdin, HostStdout};
pub use time::{MonotonicClock, SystemClock, SystemRandom, ThreadSleep};
