//! The system's clocks, its randomness, and waiting.

use crate::host::{Clock, Random, Wait};
use crate::types::{Errno, Result};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The time of day.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_ns(&self) -> Result<u64> {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).map_err(|_| Errno::Overflow)?;
        u64::try_from(since.as_nanos()).map_err(|_| Errno::Overflow)
    }
}

/// A clock that never goes back. It counts from when it was made; clones count from
/// then as well.
#[derive(Clone, Copy, Debug)]
pub struct MonotonicClock(Instant);

impl MonotonicClock {
    /// A clock that begins now.
    pub fn new() -> Self {
        Self(Instant::now())
    }
}

impl Default for MonotonicClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for MonotonicClock {
    fn now_ns(&self) -> Result<u64> {
        u64::try_from(self.0.elapsed().as_nanos()).map_err(|_| Errno::Overflow)
    }
}

/// Waits by letting the thread sleep, for up to ten milliseconds at a time: then the
/// guest's streams and its deadline are looked at.
#[derive(Clone, Copy, Debug)]
pub struct ThreadSleep(pub MonotonicClock);

impl Wait for ThreadSleep {
    fn wait(&mut self, until_ns: Option<u64>) -> Result<()> {
        const PIECE: Duration = Duration::from_millis(10);
        let now = self.0.now_ns()?;
        let left = until_ns.map_or(PIECE, |until| Duration::from_nanos(until.saturating_sub(now)));
        thread::sleep(left.min(PIECE));
        Ok(())
    }

    fn yield_now(&mut self) {
        thread::yield_now();
    }
}

/// The system's source of random bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    fn fill(&mut self, buffer: &mut [u8]) -> Result<()> {
        getrandom::fill(buffer).map_err(|_| Errno::Io)
    }
}
