//! Packages of the Python registry, pinned by their hashes: pip fetches and unpacks
//! them, and runs nothing of them.

use crate::{Result, paths};
use std::path::Path;
use std::process::{Command, Stdio};

/// Unpacks a wheel below `folder`.
pub fn install(folder: &Path, package: &str, version: &str, sha256: &str) -> Result<()> {
    let list = paths::scratch(package)?.join("requirements.txt");
    let line = format!("{package}=={version} --hash=sha256:{sha256}\n");
    std::fs::write(&list, line).map_err(|error| format!("{}: {error}", list.display()))?;
    let status = Command::new("python3")
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"])
        .args(["--root-user-action", "ignore", "--require-hashes", "--only-binary", ":all:"])
        .args(["--no-compile", "--ignore-requires-python", "--target"])
        .arg(folder)
        .arg("--requirement")
        .arg(&list)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .map_err(|error| format!("python3 cannot be started: {error}"))?;
    match status.success() {
        true => Ok(()),
        false => Err(format!("pip cannot fetch {package} {version}")),
    }
}
