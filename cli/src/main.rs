//! `kernref`: compiles modules where there is a compiler, for kernels that have
//! none, and shows what came out. Each command is a module.
//!
//! Exit status: 0 success, 1 the guest trapped or a script failed, 2 the request
//! or the file was refused.

mod code;
mod compile;
mod disassemble;
mod files;
mod flavor;
mod inspect;
mod keys;
mod run;
mod values;
mod wast;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Result whose error is a message for the user.
type Result<T, E = String> = std::result::Result<T, E>;

const EXAMPLES: &str = "\
Examples:
  kernref keygen key.pem
  kernref compile app.wasm -o app.kna --baseline --sign key.pem
  kernref inspect app.kna
  kernref disassemble app.kna --function run
  kernref run app.kna --key key.pub.pem --invoke add 1 2

Exit status:
  0  success
  1  the guest trapped, or a script failed
  2  the request or the file was refused";

#[derive(Parser)]
#[command(
    name = "kernref",
    version,
    about = "Compiles WebAssembly for kernels, and shows and runs the result",
    arg_required_else_help = true,
    after_help = EXAMPLES
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Compile a module to an artifact, which kernels load without a compiler.
    Compile(compile::Args),
    /// Show what is in an artifact: sections, imports, exports, functions, stack maps.
    Inspect(inspect::Args),
    /// List the machine code of an artifact, with its stack maps and checks.
    Disassemble(disassemble::Args),
    /// Call an export of a module or an artifact on this machine.
    Run(run::Args),
    /// Make a key with which artifacts are signed.
    Keygen(keys::Args),
    /// Run WebAssembly script files. The last line is `N passed, M failed`.
    Wast(wast::Args),
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Compile(args) => compile::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Inspect(args) => inspect::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Disassemble(args) => disassemble::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Run(args) => run::run(&args),
        Command::Keygen(args) => keys::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Wast(args) => wast::run(&args),
    };
    outcome.unwrap_or_else(|message| {
        // Parts of it may be a guest's.
        eprintln!("error: {}", files::shown(&message));
        ExitCode::from(2)
    })
}
