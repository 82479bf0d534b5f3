//! `./x bench`: Kernref beside its peers, in a package of its own.

use crate::{Result, bench_kernel, cargo, paths};
use std::process::ExitCode;

/// Arguments of `./x bench`.
#[derive(clap::Args)]
pub struct Args {
    /// Fewer and shorter samples.
    #[arg(long)]
    quick: bool,
    #[command(flatten)]
    kernel: bench_kernel::InKernel,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<ExitCode> {
    if args.kernel.in_kernel {
        return bench_kernel::run(&args.kernel);
    }
    let mut call = vec!["run", "--locked", "--release", "--"];
    call.extend(args.quick.then_some("--quick"));
    cargo::run(&paths::root().join("benches"), &call)?;
    Ok(ExitCode::SUCCESS)
}
