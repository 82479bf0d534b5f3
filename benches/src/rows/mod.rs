//! The rows of the report, a file per concern.

mod floors;
mod guest_calls;
mod host_calls;
mod net;
mod references;

use crate::measure::Row;

/// All rows, in the order of the report.
pub fn all() -> Vec<Row> {
    let concerns = [guest_calls::rows(), host_calls::rows(), references::rows()];
    concerns.into_iter().flatten().collect()
}
