//! Loops in the guest, and the cost of one round over that of a loop without
//! the operation.

use crate::measure::{Sample, Who, timed};
use crate::rig::{self, Rig};
use std::hint::black_box;

/// Maximum rounds: enough for a sample, and within the range of the guests'
/// counters.
pub const MAX_ROUNDS: u64 = 1 << 22;

/// Names of exports `(i32) -> i64` that loop as many rounds as their argument says.
#[derive(Clone, Copy)]
pub struct Loops {
    /// The loop that is measured.
    pub with: &'static str,
    /// The loop whose time is subtracted.
    pub without: &'static str,
    /// The loop `Who::Base` runs instead of `with`; the same if there is no base.
    pub base: &'static str,
}

/// Samples of all contenders, after checking that they agree. A round is
/// `per_round` operations.
pub fn samples(who: &[Who], wasm: &str, loops: Loops, per_round: u64) -> Vec<(Who, Sample)> {
    let exports = [loops.with, loops.without, loops.base];
    let rigs = rig::load_all(who, wasm.as_bytes(), &exports, 3000);
    rigs.into_iter().map(|(who, rig)| (who, sample(who, rig, per_round))).collect()
}

fn sample(who: Who, mut rig: Box<dyn Rig>, per_round: u64) -> Sample {
    let with = if who == Who::Base { 2 } else { 0 };
    Box::new(move |ops| {
        let rounds = ops.div_ceil(per_round);
        let mut run = |func| {
            timed(rounds * per_round, || {
                black_box(rig.run(func, rounds as i32));
            })
        };
        run(with) - run(1)
    })
}
