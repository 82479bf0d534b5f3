//! The rows, by what they are about.

mod calls;
mod collection;
mod references;

use crate::measure::Rows;
use kernref::{DeferralPolicy, Result};

/// Runs all rows under one policy.
///
/// # Errors
/// Whatever goes wrong.
pub fn run(policy: DeferralPolicy) -> Result<()> {
    let rows = Rows(policy);
    calls::run(rows)?;
    references::run(rows)?;
    collection::run(rows)
}
