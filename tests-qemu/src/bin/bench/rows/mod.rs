//! The rows, by topic.

mod calls;
mod collection;
mod ending;
mod references;

use crate::measure::Rows;
use kernref::{DeferralPolicy, Result};

/// Runs all rows under one policy.
///
/// # Errors
/// Any error of the runtime.
pub fn run(policy: DeferralPolicy) -> Result<()> {
    let rows = Rows(policy);
    calls::run(rows)?;
    references::run(rows)?;
    collection::run(rows)?;
    ending::run(rows)
}
