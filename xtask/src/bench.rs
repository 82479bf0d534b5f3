//! `./x bench`: Kernref beside its peers, in a package of its own.

use crate::{Result, bench_kernel, cargo, paths};
use std::process::ExitCode;

/// Arguments of `./x bench`.
#[derive(clap::Args)]
pub struct Args {
    /// Fewer and shorter samples.
    #[arg(long)]
    quick: bool,
    /// Print the rows' names and measure nothing.
    #[arg(long)]
    list: bool,
    /// Parts of row names: only rows that have one of them are measured.
    filters: Vec<String>,
    #[command(flatten)]
    kernel: bench_kernel::InKernel,
}

/// Runs the command. What fails says so itself.
pub fn run(args: &Args) -> Result<ExitCode> {
    if args.kernel.in_kernel {
        return bench_kernel::run(&args.kernel);
    }
    let mut call = vec!["run", "--locked", "--release", "--"];
    call.extend(args.quick.then_some("--quick"));
    call.extend(args.list.then_some("--list"));
    call.push("--");
    call.extend(args.filters.iter().map(String::as_str));
    let status = cargo::command(&paths::root().join("benches"), &call)
        .status()
        .map_err(|error| format!("cargo cannot be started: {error}"))?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
