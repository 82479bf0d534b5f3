//! Calls to cargo.

use crate::qemu::Arch;
use crate::{Result, paths};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Features with which the root workspace is built, tested and linted on the host.
pub const HOST_FEATURES: &str = "host,kernref/std,kernref/compile,kernref/kernel-heap";

/// `cargo ARGS` in `folder`, with the shared target directory.
pub fn command(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(folder).args(args).env("CARGO_TARGET_DIR", paths::target());
    command
}

/// Runs it; its messages go to the terminal.
pub fn run(folder: &Path, args: &[&str]) -> Result<()> {
    run_with(folder, args, &[])
}

/// The same with environment variables.
pub fn run_with(folder: &Path, args: &[&str], variables: &[(&str, &str)]) -> Result<()> {
    let status = command(folder, args)
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .status()
        .map_err(|error| format!("cargo cannot be started: {error}"))?;
    match status.success() {
        true => Ok(()),
        false => Err(format!("`cargo {}` failed", args.join(" "))),
    }
}

/// Runs a command and gives its standard output, which is also shown; the flag
/// says whether it succeeded.
pub fn capture(command: &mut Command) -> Result<(String, bool)> {
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("{}: {error}", command.get_program().display()))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    print!("{text}");
    Ok((text, output.status.success()))
}

/// Builds a program of the root workspace and gives its path. All packages are
/// selected, although only one is wanted: their dependencies then have the
/// same features in every build, and the compiler, which takes minutes, is
/// built once.
pub fn tool(name: &str) -> Result<PathBuf> {
    let build = ["build", "--quiet", "--locked", "--workspace"];
    let bin = ["--features", HOST_FEATURES, "--bin", name];
    run(paths::root(), &[&build[..], &bin].concat())?;
    Ok(paths::target().join("debug").join(name))
}

/// Builds a kernel of `tests-qemu` and gives its path.
pub fn kernel(arch: Arch, name: &str) -> Result<PathBuf> {
    kernel_for(arch.target(), name)
}

/// Builds the demonstration without the compiler and gives its path.
pub fn kernel_without_compiler(arch: Arch) -> Result<PathBuf> {
    let folder = paths::root().join("tests-qemu");
    let args = ["build", "--locked", "--release", "--target", arch.target(), "--bin", "demo"];
    run(&folder, &[&args[..], &["--no-default-features"]].concat())?;
    let built = paths::target().join(arch.target()).join("release/demo");
    // The next build of the demonstration takes that place.
    let kept = built.with_file_name("demo-without-compiler");
    std::fs::copy(&built, &kept).map_err(|error| format!("{}: {error}", kept.display()))?;
    Ok(kept)
}

/// Builds an example kernel, which is part of the same workspace, and gives its path.
pub fn example_kernel(arch: Arch, name: &str) -> Result<PathBuf> {
    let folder = paths::root().join("tests-qemu");
    let args = ["build", "--locked", "--release", "--target", arch.target(), "--package", name];
    run(&folder, &args)?;
    Ok(paths::target().join(arch.target()).join("release").join(name))
}

/// Builds a kernel of `tests-qemu` for a target and gives its path.
pub fn kernel_for(target: &str, name: &str) -> Result<PathBuf> {
    let folder = paths::root().join("tests-qemu");
    let args = ["build", "--locked", "--release", "--target", target, "--bin", name];
    run(&folder, &args)?;
    Ok(paths::target().join(target).join("release").join(name))
}
