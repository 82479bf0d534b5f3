//! `./x miri`: the collector, its handles, the walker, the pool and the kernel
//! heap, interpreted, under stacked and under tree borrows. Property tests run
//! a few cases only.

use crate::{Result, paths};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// `cargo +nightly …`, by rustup's cargo rather than the toolchain's own.
fn nightly(args: &[&str]) -> Command {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| std::env::home_dir().map(|home| home.join(".cargo")));
    let mut command = match home.map(|home| home.join("bin/cargo")) {
        Some(cargo) if cargo.exists() => Command::new(cargo),
        _ => Command::new("cargo"),
    };
    for name in ["CARGO", "RUSTC", "RUSTDOC", "RUSTUP_TOOLCHAIN"] {
        command.env_remove(name);
    }
    command.current_dir(paths::root()).arg("+nightly").args(args).stdin(Stdio::null());
    command
}

/// Whether there is a nightly with Miri; the error says what is missing.
pub fn available() -> Result<()> {
    let found = nightly(&["miri", "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    match found {
        true => Ok(()),
        false => Err("no nightly with Miri: rustup toolchain install nightly \
             --component miri --component rust-src"
            .into()),
    }
}

/// Runs it under both models.
pub fn check() -> Result<()> {
    for flags in
        ["-Zmiri-permissive-provenance", "-Zmiri-permissive-provenance -Zmiri-tree-borrows"]
    {
        let test = ["miri", "test", "--locked", "-p", "kernref", "--lib"];
        let features = ["--features", "std,kernel-heap", "--"];
        let parts = ["gc::", "stack::", "alloc::pool::", "alloc::kernel_heap::"];
        let status = nightly(&[&test[..], &features, &parts].concat())
            .env("CARGO_TARGET_DIR", paths::target().join("miri"))
            .env("MIRIFLAGS", flags)
            .status()
            .map_err(|error| format!("cargo cannot be started: {error}"))?;
        if !status.success() {
            return Err(format!("Miri objects with MIRIFLAGS=\"{flags}\""));
        }
    }
    Ok(())
}
