//! `./x growth`: what compiling takes at twice the size, as
//! `docs/compile-growth.md` explains. Runs the test `compile_growth`, or counts
//! instructions while it compiles every shape.

use crate::{Result, cargo, paths};
use std::path::Path;
use std::process::{Command, Stdio};

/// Arguments of `./x growth`.
#[derive(clap::Args)]
pub struct Args {
    /// Keep the table as it is now.
    #[arg(long)]
    bless: bool,
    /// Count instructions under callgrind, of an optimized build.
    #[arg(long, conflicts_with = "bless")]
    instructions: bool,
    /// Try other sizes than the table's.
    #[arg(long, conflicts_with_all = ["bless", "instructions"])]
    sweep: bool,
}

/// Twice the size may take this many times the instructions.
const MOST: f64 = 2.3;
/// The function of the test that is counted.
const COUNTED: &str = "compile_growth::counted_by_callgrind";
/// Where cargo is told how to run what it builds.
const RUNNERS: [&str; 2] = [
    "CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER",
    "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER",
];

/// Runs the command.
pub fn run(args: &Args) -> Result<()> {
    if args.instructions {
        return instructions();
    }
    if args.sweep {
        return sweep();
    }
    let mut command = test(&[], &[]);
    if args.bless {
        command.env("KERNREF_BLESS", "1");
    }
    let status = command.status().map_err(|error| format!("cargo cannot be started: {error}"))?;
    match status.success() {
        true => Ok(()),
        false => Err("compiling takes more than it should, or the table is old".into()),
    }
}

/// Compiles every shape at sizes from small ones on.
pub fn sweep() -> Result<()> {
    let tests = ["other_sizes", "each_byte_takes_as_much_as_is_listed"];
    let arguments = [&["--ignored", "--exact", "--nocapture"][..], &tests].concat();
    let mut command = test(&["--release"], &arguments);
    let status = command.status().map_err(|error| format!("cargo cannot be started: {error}"))?;
    match status.success() {
        true => Ok(()),
        false => Err("compiling takes more than it should at some size".into()),
    }
}

fn test(options: &[&str], arguments: &[&str]) -> Command {
    let test = ["test", "--locked", "--workspace", "--test", "compile_growth"];
    let features = ["--features", cargo::HOST_FEATURES];
    let args = [&test[..], &features, options, &["--"], arguments].concat();
    cargo::command(paths::root(), &args)
}

/// Whether callgrind is there; if not, says so.
pub fn available() -> Result<()> {
    let version = Command::new("valgrind").arg("--version").stdout(Stdio::null()).status();
    match version {
        Ok(status) if status.success() => Ok(()),
        _ => Err("valgrind is not installed".into()),
    }
}

/// Counts what compiling each shape takes, once and at twice the size.
pub fn instructions() -> Result<()> {
    available()?;
    let folder = paths::scratch("growth")?;
    let dumps = folder.join(format!("{}.callgrind", std::process::id()));
    let collect = format!("--toggle-collect={COUNTED} --dump-after={COUNTED}");
    let file = format!("--callgrind-out-file={}", dumps.display());
    let runner = format!("valgrind --quiet --tool=callgrind {collect} {file}");
    let mut command = test(
        &["--release"],
        &["--ignored", "--exact", "every_shape", "--nocapture", "--test-threads=1"],
    );
    command.envs(RUNNERS.map(|variable| (variable, &runner)));
    let (output, success) = cargo::capture(&mut command)?;
    if !success {
        return Err("not every shape could be compiled under callgrind".into());
    }
    // The first one follows the test's name on the same line.
    let named = |line| str::split_once(line, "shape: ").map(|(_, shape)| shape);
    let shapes: Vec<_> = output.lines().filter_map(named).collect();
    let mut fastest = Vec::new();
    for (at, shape) in shapes.iter().enumerate() {
        let count = |nth: usize| collected(&dumps, 2 * at + nth);
        let (once, twice) = (count(1)?, count(2)?);
        let growth = twice as f64 / once as f64;
        println!("{shape}: {once} instructions, then {twice}: {growth:.2} times");
        if growth > MOST {
            fastest.push(*shape);
        }
    }
    match (shapes.is_empty(), fastest.is_empty()) {
        (true, _) => Err("no shape was compiled".into()),
        (_, true) => Ok(()),
        (_, false) => Err(format!("more than {MOST} times: {}", fastest.join("; "))),
    }
}

/// The instructions that callgrind's dump of this number counts.
fn collected(dumps: &Path, number: usize) -> Result<u64> {
    let path = format!("{}.{number}", dumps.display());
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
    let _ = std::fs::remove_file(&path);
    let total = |line: &str| line.strip_prefix("summary: ")?.trim().parse().ok();
    text.lines().find_map(total).ok_or_else(|| format!("{path} has no summary"))
}
