//! The rows of the report, one file per topic.

mod collection;
mod compiling;
mod compute;
mod ending;
mod floors;
pub mod footprint;
mod guest_calls;
mod host_calls;
mod instantiate;
mod net;
mod references;
mod scaling;
mod traps;

use crate::measure::Row;

/// All rows, in the order of the report.
pub fn all() -> Vec<Row> {
    let concerns = [
        guest_calls::rows(),
        host_calls::rows(),
        references::rows(),
        collection::rows(),
        traps::rows(),
        ending::rows(),
        instantiate::rows(),
        scaling::rows(),
        footprint::rows(),
        compute::rows(),
        compiling::rows(),
    ];
    concerns.into_iter().flatten().collect()
}
