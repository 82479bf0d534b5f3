//! `./x`: the chores of this repository. Each command is a module; what they
//! share is in `cargo`, `qemu`, `payload` and `paths`.
#![forbid(unsafe_code)]

mod bench;
mod bench_docs;
mod bench_kernel;
mod blame;
mod cargo;
mod demo;
mod demo_suite;
mod deny;
mod examples;
mod floors;
mod golden;
mod growth;
mod guest_args;
mod guests;
mod kernel_suite;
mod layers;
mod lints;
mod miri;
mod panic_check;
mod paths;
mod payload;
mod precompiled;
mod process;
mod public_api;
mod publish;
mod qemu;
mod security;
mod setup;
mod several;
mod size;
mod tally;
mod test;
mod wasi;
mod wasi_suite;
mod wast;
mod wheels;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Result whose error is a message for the user.
type Result<T, E = String> = std::result::Result<T, E>;

#[derive(Parser)]
#[command(name = "x", bin_name = "./x", about = "Kernref's chores", arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Boot the demonstration kernel in QEMU and run a WebAssembly module in it.
    ///
    /// A program for WASI (preview 1) gets the words after it as arguments; its
    /// output and its exit status are those of this command.
    ///
    /// Exit status otherwise: 0 success, 1 the guest trapped, 2 the guest or the
    /// request was refused, 3 the kernel failed, 4 the deadline passed.
    ///
    /// With --smp many guests run at once. Those that have not ended after their time are
    /// ended, wherever they are; the console tells who held what. Exit status then: 0 all
    /// that they held was released, 1 something was not, 2 and 3 as above.
    Run(demo::Args),
    /// Compare the speed with that of other runtimes; count instructions in the kernels.
    Bench(bench::Args),
    /// Weigh what Kernref adds to a minimal kernel, in bytes.
    ///
    /// Kernels with Kernref's heap alone and with more and more of the rest are
    /// compared with one that has nothing: the code and data that are loaded,
    /// without what is zeroed at the start. Exit status: 1 if one is larger than
    /// its ceiling.
    Size(size::Args),
    /// Everything that CI runs. The last line is `N passed, M failed`.
    Test(test::Args),
    /// The test suite inside a kernel.
    KernelTest(kernel_suite::Args),
    /// Run WebAssembly script files. The last line is `N passed, M failed`.
    ///
    /// Exit status: 0 all passed, 1 something failed, 2 nothing could be run.
    Wast(wast::Args),
    /// What `./x run` promises, checked in a kernel.
    DemoTest {
        /// The machine.
        #[arg(long, value_enum, default_value = "x86_64")]
        arch: qemu::Arch,
    },
    /// Boot the example kernel in `examples` and compare what it prints.
    ExampleTest(examples::Args),
    /// Build the example guests; `-- --help` tells the builder's options.
    Guests {
        /// Arguments of the builder.
        #[arg(allow_hyphen_values = true, trailing_var_arg = true)]
        args: Vec<String>,
    },
    /// Compare generated code with the listings in `tests/golden`.
    Golden(golden::Args),
    /// Compare what compiling takes, at one size and at twice that, with
    /// `docs/compile-growth.md`; count instructions.
    Growth(growth::Args),
    /// Compare the crate's public API with the listing in `docs/public-api.txt`.
    PublicApi(public_api::Args),
    /// Check that each layer of the crate uses only the layers below it.
    Layers,
    /// Draw the source as floors, from what its files import.
    Floors(floors::Args),
    /// Format, feature combinations, clippy, documentation and dependencies.
    ///
    /// The last line is `N passed, M failed`.
    Lint,
    /// Show that the collector's entry points reach no panic.
    PanicCheck,
    /// Collector, handles and walker under Miri, with both borrow models.
    Miri,
}

/// Prints a count; its failures decide the exit status.
fn counted((passed, failed): (u64, u64)) -> ExitCode {
    println!("{passed} passed, {failed} failed");
    ExitCode::from(u8::from(failed > 0))
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Run(args) => demo::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Size(args) => size::run(&args),
        Command::Test(args) => test::run(&args),
        Command::Wast(args) => wast::run(&args),
        Command::KernelTest(args) => kernel_suite::run(&args).map(counted),
        Command::DemoTest { arch } => demo_suite::run(arch).map(counted),
        Command::ExampleTest(args) => examples::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Guests { args } => guests::build(&args).map(|()| ExitCode::SUCCESS),
        Command::Golden(args) => golden::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Growth(args) => growth::run(&args).map(|()| ExitCode::SUCCESS),
        Command::PublicApi(args) => public_api::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Layers => layers::check().map(|()| {
            println!("layers: in order");
            ExitCode::SUCCESS
        }),
        Command::Floors(args) => floors::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Lint => Ok(lints::run()),
        Command::PanicCheck => panic_check::check().map(|()| {
            println!("panic-check: no panic path is reachable");
            ExitCode::SUCCESS
        }),
        Command::Miri => miri::available().and_then(|()| miri::check()).map(|()| {
            println!("miri: nothing found");
            ExitCode::SUCCESS
        }),
    };
    outcome.unwrap_or_else(|message| {
        eprintln!("error: {message}");
        ExitCode::from(2)
    })
}
