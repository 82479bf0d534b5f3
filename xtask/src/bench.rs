//! `./x bench`: Kernref beside its peers, in a package of its own.

use crate::{Result, cargo, paths};
use std::process::ExitCode;

/// Arguments of `./x bench`.
#[derive(clap::Args)]
pub struct Args {
    /// Fewer and shorter samples.
    #[arg(long)]
    quick: bool,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<ExitCode> {
    let mut call = vec!["run", "--locked", "--release", "--"];
    call.extend(args.quick.then_some("--quick"));
    cargo::run(&paths::root().join("benches"), &call)?;
    Ok(ExitCode::SUCCESS)
}
