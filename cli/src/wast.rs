//! `kernref wast`: script files, with the runner that Kernref's own tests use.

use crate::Result;
use crate::files::{at, shown};
use crate::flavor::Switches;
use kernref_wast_script::{Options, encode, run as run_script};
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `kernref wast`.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  kernref wast tests/*.wast
  kernref wast --zeal refs.wast

Exit status:
  0  all passed
  1  something failed
  2  nothing could be run")]
pub struct Args {
    #[command(flatten)]
    switches: Switches,
    /// Script files.
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<ExitCode> {
    let (mut passed, mut failed) = (0, 0);
    for path in &args.files {
        let text = std::fs::read_to_string(path).map_err(at(path))?;
        let name = path.to_string_lossy();
        let script = encode(&name, &text)?;
        let totals = run_script(&script, Options::new(args.switches.config()), |line, reason| {
            println!("{name}:{line}: {}", shown(reason));
        });
        passed += totals.passed;
        failed += totals.failed;
    }
    println!("{passed} passed, {failed} failed");
    Ok(ExitCode::from(u8::from(failed > 0)))
}
