//! `./x guests`: rebuilds the modules under `examples/guests/prebuilt`, or
//! checks that a rebuild yields what is there.

use crate::{Result, cargo, paths};

/// Runs the builder with these arguments. Guests whose compiler is missing
/// are not built; it says which.
pub fn build(args: &[String]) -> Result<()> {
    let run = ["run", "--locked", "--quiet", "--package", "guest-builder", "--"];
    let args: Vec<&str> = run.into_iter().chain(args.iter().map(String::as_str)).collect();
    cargo::run(&paths::root().join("examples/guests"), &args)
}
