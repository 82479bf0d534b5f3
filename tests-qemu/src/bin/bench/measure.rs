//! Counts the instructions of an operation as the difference between many and
//! few turns, which cancels the surrounding code.

use kernref::{DeferralPolicy, Result};
use kernref_qemu::{arch, println};

/// Turns of the shorter and of the longer run.
const FEW: u32 = 100;
const MANY: u32 = 1100;

/// Reports rows, naming the policy they ran under.
#[derive(Clone, Copy)]
pub struct Rows(pub DeferralPolicy);

impl Rows {
    /// Reports one row: `operations` operations took `instructions` in total.
    pub fn put(self, name: &str, instructions: i64, operations: u32) {
        let policy = match self.0 {
            DeferralPolicy::ZeroCount => "zero-count",
            DeferralPolicy::CloneOnRead => "clone-on-read",
        };
        println!("row {instructions} {operations} {name} [{policy}]");
    }
}

/// Whether the counter really counts instructions: a loop of two must count as two.
pub fn counts_instructions() -> bool {
    let counts = |turns| of(|| arch::counted_loop(turns));
    arch::init_instructions()
        && [(1000, 2000), (2000, 5000)]
            .iter()
            .all(|(few, many)| counts(*many) - counts(*few) == (many - few) as i64 * 2)
}

/// Instructions that `body` takes, plus a few for the counting itself.
#[inline(always)]
pub fn of<R>(body: impl FnOnce() -> R) -> i64 {
    let start = arch::instructions();
    core::hint::black_box(body());
    i64::from(arch::instructions().wrapping_sub(start))
}

/// Instructions of [`MANY`] − [`FEW`] turns of `body`, and that number of turns.
///
/// # Errors
/// Those of `body`.
pub fn turns(mut body: impl FnMut(u32) -> Result<()>) -> Result<(i64, u32)> {
    // What is set up on first use is not counted.
    body(FEW)?;
    let mut count = |turns| {
        let mut outcome = Ok(());
        let count = of(|| outcome = body(turns));
        outcome.map(|()| count)
    };
    Ok((-count(FEW)? + count(MANY)?, MANY - FEW))
}
