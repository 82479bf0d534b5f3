//! Clocks and randomness that are the same in each run, for tests.

use crate::host::{Clock, Random, Wait};
use crate::types::{Errno, Result};
use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering};

/// A clock that stands still.
#[derive(Clone, Copy, Debug)]
pub struct FixedClock(pub u64);

impl Clock for FixedClock {
    fn now_ns(&self) -> Result<u64> {
        Ok(self.0)
    }
}

/// A clock that goes on by a step each time it is read, and when [`SteppingWait`]
/// waits. Clones are the same clock.
#[derive(Clone, Debug)]
pub struct VirtualClock {
    now: Arc<AtomicU64>,
    step_ns: u64,
}

impl VirtualClock {
    /// A clock that begins here.
    pub fn new(start_ns: u64, step_ns: u64) -> Self {
        Self { now: Arc::new(AtomicU64::new(start_ns)), step_ns }
    }
}

impl Clock for VirtualClock {
    fn now_ns(&self) -> Result<u64> {
        Ok(self.now.fetch_add(self.step_ns, Ordering::Relaxed))
    }

    fn resolution_ns(&self) -> u64 {
        self.step_ns.max(1)
    }
}

/// Waits by moving a clock on. Nothing but time ever happens, so that waiting for
/// anything else is `EDEADLK`.
#[derive(Clone, Debug)]
pub struct SteppingWait(pub VirtualClock);

impl Wait for SteppingWait {
    fn wait(&mut self, until_ns: Option<u64>) -> Result<()> {
        let until = until_ns.ok_or(Errno::Deadlk)?;
        self.0.now.fetch_max(until, Ordering::Relaxed);
        Ok(())
    }
}

/// Bytes that look random and are the same for each seed: SplitMix64 (Steele, Lea,
/// Flood, OOPSLA 2014). Not for keys.
#[derive(Clone, Debug)]
pub struct SeededRandom(u64);

impl SeededRandom {
    /// A source of bytes.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

impl Random for SeededRandom {
    fn fill(&mut self, buffer: &mut [u8]) -> Result<()> {
        for part in buffer.chunks_mut(8) {
            let bytes = self.next().to_le_bytes();
            part.copy_from_slice(bytes.get(..part.len()).unwrap_or_default());
        }
        Ok(())
    }
}
