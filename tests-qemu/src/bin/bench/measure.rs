//! Counting the instructions of an operation: the difference between many and
//! few turns, so that what surrounds them falls out.

use kernref::{DeferralPolicy, Result};
use kernref_qemu::{arch, println};

/// Turns of the shorter and of the longer run.
const FEW: u32 = 100;
const MANY: u32 = 1100;

/// A row's name with the policy it ran under.
#[derive(Clone, Copy)]
pub struct Rows(pub DeferralPolicy);

impl Rows {
    /// Reports one row: `operations` took so many instructions.
    pub fn put(self, name: &str, instructions: i64, operations: u32) {
        let policy = match self.0 {
            DeferralPolicy::ZeroCount => "zero-count",
            DeferralPolicy::CloneOnRead => "clone-on-read",
        };
        println!("row {instructions} {operations} {name} [{policy}]");
    }
}

/// Whether the counter counts instructions: a loop of two must count as two.
pub fn counts_instructions() -> bool {
    let counts = |turns| of(|| arch::counted_loop(turns));
    arch::init_instructions()
        && [(1000, 2000), (2000, 5000)]
            .iter()
            .all(|(few, many)| counts(*many) - counts(*few) == (many - few) as i64 * 2)
}

/// Instructions that `body` takes, and a few for counting them.
#[inline(always)]
pub fn of<R>(body: impl FnOnce() -> R) -> i64 {
    let start = arch::instructions();
    core::hint::black_box(body());
    i64::from(arch::instructions().wrapping_sub(start))
}

/// Instructions of [`MANY`] − [`FEW`] turns of `body`, and their number.
///
/// # Errors
/// The body's.
pub fn turns(mut body: impl FnMut(u32) -> Result<()>) -> Result<(i64, u32)> {
    // What is made at the first use is not counted.
    body(FEW)?;
    let mut count = |turns| {
        let mut outcome = Ok(());
        let count = of(|| outcome = body(turns));
        outcome.map(|()| count)
    };
    Ok((-count(FEW)? + count(MANY)?, MANY - FEW))
}
