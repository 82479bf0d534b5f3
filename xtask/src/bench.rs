//! `./x bench`: Kernref beside its peers, in a package of its own.

use crate::{Result, bench_docs, bench_kernel, cargo, paths};
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
    /// Measure everything and publish it: benches/results.json and
    /// docs/performance-results.md. Meant for an idle machine.
    #[arg(long, conflicts_with_all = ["quick", "list", "filters", "in_kernel", "render_docs"])]
    write_docs: bool,
    /// Measure nothing; write docs/performance-results.md from committed results.
    #[arg(long, conflicts_with_all = ["quick", "list", "filters", "in_kernel"])]
    render_docs: bool,
    /// Parts of row names: only rows that have one of them are measured.
    filters: Vec<String>,
    #[command(flatten)]
    kernel: bench_kernel::InKernel,
}

/// Runs the command. What fails reports it itself.
pub fn run(args: &Args) -> Result<ExitCode> {
    if args.kernel.in_kernel {
        return bench_kernel::run(&args.kernel);
    }
    if args.render_docs {
        return bench_docs::render().map(|()| ExitCode::SUCCESS);
    }
    let mut call = vec!["run", "--locked", "--release", "--"];
    call.extend(args.quick.then_some("--quick"));
    call.extend(args.list.then_some("--list"));
    call.push("--");
    call.extend(args.filters.iter().map(String::as_str));
    let status = cargo::command(&paths::root().join("benches"), &call)
        .status()
        .map_err(|error| format!("cargo cannot be started: {error}"))?;
    if !status.success() {
        return Ok(ExitCode::FAILURE);
    }
    if args.write_docs {
        bench_docs::publish()?;
    }
    Ok(ExitCode::SUCCESS)
}
