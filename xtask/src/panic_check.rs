//! `./x panic-check`: links the collector's entry points with a panic handler
//! that cannot be linked (`tests-qemu/panic-check`), for each architecture. A
//! control with a reachable panic must fail, or the check proves nothing.
//! Zeal's assertions are left out by `--cfg kernref_panic_check`: they are
//! intended, and run under zeal only.

use crate::qemu::Arch;
use crate::{Result, cargo, paths};
use std::process::{Command, Stdio};

const SYMBOL: &str = "kernref_a_panic_is_reachable";

fn build(arch: Arch, features: &str) -> Command {
    let package = ["build", "--locked", "--package", "kernref-panic-check"];
    let how = ["--profile", "panic-check", "--target", arch.target(), "--features", features];
    let mut command =
        cargo::command(&paths::root().join("tests-qemu"), &[&package[..], &how[..]].concat());
    command
        .env("CARGO_TARGET_DIR", paths::target().join("panic-check"))
        .env("RUSTFLAGS", "--cfg kernref_panic_check")
        .stdin(Stdio::null());
    command
}

/// Runs it.
pub fn check() -> Result<()> {
    for arch in Arch::ALL {
        let link = |features| {
            let output = build(arch, features)
                .output()
                .map_err(|error| format!("cargo cannot be started: {error}"))?;
            Ok::<_, String>((
                output.status.success(),
                String::from_utf8_lossy(&output.stderr).into_owned(),
            ))
        };
        let (linked, messages) = link("")?;
        if !linked {
            return Err(format!(
                "{}: a panic path is reachable, or more:\n{messages}",
                arch.name()
            ));
        }
        let (linked, messages) = link("control")?;
        if linked || !messages.contains(SYMBOL) {
            return Err(format!("{}: the control does not fail:\n{messages}", arch.name()));
        }
    }
    Ok(())
}
