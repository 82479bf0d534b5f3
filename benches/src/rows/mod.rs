//! The rows of the report, a file per concern.

mod compiling;
mod compute;
mod host_calls;

use crate::measure::Row;

/// All rows, in the order of the report.
pub fn all() -> Vec<Row> {
    [host_calls::rows(), compute::rows(), compiling::rows()].into_iter().flatten().collect()
}
