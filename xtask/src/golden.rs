//! `./x golden`: compares what the compiler makes of small modules with the
//! listings kept in `tests/golden`, or replaces these.

use crate::{Result, cargo, paths};

/// Arguments of `./x golden`.
#[derive(clap::Args)]
pub struct Args {
    /// Keep what is made now.
    #[arg(long)]
    bless: bool,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<()> {
    let test = ["test", "--locked", "--workspace", "--test", "golden"];
    let features = ["--features", cargo::HOST_FEATURES];
    let mut command = cargo::command(paths::root(), &[&test[..], &features].concat());
    if args.bless {
        command.env("KERNREF_BLESS", "1");
    }
    let status = command.status().map_err(|error| format!("cargo cannot be started: {error}"))?;
    match status.success() {
        true => Ok(()),
        false => Err("generated code is not as it is kept".into()),
    }
}
