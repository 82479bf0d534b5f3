//! Real modules: parts of packages of the npm registry, by exact version. They
//! are not in the tree; npm fetches them once, into the target folder.
//!
//! Invariant: a module that is handed out has the stated SHA-256.

use flate2::read::GzDecoder;
use sha2::{Digest, Sha256};
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A module in a package.
#[derive(Clone, Copy)]
pub struct RealModule {
    /// What it is called in reports.
    pub name: &'static str,
    /// The package, as npm takes it.
    package: &'static str,
    /// Where in it the module lies.
    path: &'static str,
    sha256: &'static str,
}

/// All of them: an SQLite, a physics engine and a JavaScript interpreter.
pub const REAL_MODULES: [RealModule; 3] = [
    RealModule {
        name: "SQLite, 1.1 MB",
        package: "wa-sqlite@1.0.0",
        path: "package/dist/wa-sqlite-async.wasm",
        sha256: "91376096fe56ddd9594db83074704f08fc2566edea2cb121aa624f72a67a86b5",
    },
    RealModule {
        name: "Rapier, 3.1 MB",
        package: "@dimforge/rapier3d@0.21.0",
        path: "package/rapier_wasm3d_bg.wasm",
        sha256: "17cfa80eebd8de0291b948496dbffba724b98b489687f8272ca236a7bbf1dd4b",
    },
    RealModule {
        name: "QuickJS, 1.0 MB",
        package: "@jitl/quickjs-wasmfile-release-asyncify@0.32.0",
        path: "package/dist/emscripten-module.wasm",
        sha256: "b790f3842eef48d154984cea48d35303b5c3c3696fedab4dc79f314bde005dba",
    },
];

impl RealModule {
    /// The module's bytes, fetched if they are not here.
    ///
    /// # Errors
    /// Why they cannot be had.
    pub fn bytes(&self) -> Result<Vec<u8>, String> {
        self.bytes_in(&crate::report::folder().join("packages"))
    }

    fn bytes_in(&self, folder: &Path) -> Result<Vec<u8>, String> {
        let kept = folder.join(self.sha256).with_extension("wasm");
        if let Ok(bytes) = fs::read(&kept)
            && self.is_right(&bytes)
        {
            return Ok(bytes);
        }
        fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let archive = fetch(self.package, folder)?;
        let bytes = extract(&archive, self.path);
        // Some are ten times as large as the module.
        let _ = fs::remove_file(&archive);
        let bytes = bytes.map_err(|why| format!("{}: {why}", self.package))?;
        if !self.is_right(&bytes) {
            return Err(format!("{}: {} has another SHA-256", self.package, self.path));
        }
        fs::write(&kept, &bytes).map_err(|error| format!("{}: {error}", kept.display()))?;
        Ok(bytes)
    }

    fn is_right(&self, bytes: &[u8]) -> bool {
        let digits: String = Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect();
        digits == self.sha256
    }
}

/// Lets npm fetch a package into `folder`; runs nothing of it.
fn fetch(package: &str, folder: &Path) -> Result<PathBuf, String> {
    let output = Command::new("npm")
        .args(["pack", "--silent", "--ignore-scripts", "--fetch-retries=1", "--pack-destination"])
        .arg(folder)
        .arg(package)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .map_err(|error| format!("{package}: npm cannot be started: {error}"))?;
    if !output.status.success() {
        return Err(format!("{package}: npm cannot fetch it"));
    }
    let printed = String::from_utf8_lossy(&output.stdout);
    let name = printed.lines().next_back().unwrap_or_default().trim();
    Ok(folder.join(name))
}

/// A file in a package.
fn extract(archive: &Path, path: &str) -> Result<Vec<u8>, String> {
    let file = fs::File::open(archive).map_err(|error| error.to_string())?;
    find(GzDecoder::new(file), path)
        .map_err(|error| error.to_string())?
        .ok_or_else(|| format!("it has no {path}"))
}

fn find(archive: impl Read, path: &str) -> std::io::Result<Option<Vec<u8>>> {
    for entry in tar::Archive::new(archive).entries()? {
        let mut entry = entry?;
        if entry.path()?.as_ref() == Path::new(path) {
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes)?;
            return Ok(Some(bytes));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The SHA-256 of "abc" (FIPS 180-4, examples).
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn module(package: &'static str) -> RealModule {
        RealModule { name: "abc", package, path: "package/a.wasm", sha256: ABC }
    }

    fn folder(name: &str) -> PathBuf {
        let folder = crate::report::folder().join("packages-test").join(name);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn what_is_here_is_not_fetched_again() {
        let folder = folder("kept");
        fs::write(folder.join(format!("{ABC}.wasm")), "abc").unwrap();
        assert_eq!(module("no such package").bytes_in(&folder).unwrap(), b"abc");
    }

    #[test]
    fn other_bytes_are_not_handed_out() {
        let folder = folder("changed");
        fs::write(folder.join(format!("{ABC}.wasm")), "abd").unwrap();
        // A folder without a package: npm fails without asking anyone.
        let why = module("./nothing").bytes_in(&folder).unwrap_err();
        assert!(why.contains("nothing"), "{why}");
    }

    #[test]
    fn a_file_is_found_in_an_archive() {
        let mut archive = tar::Builder::new(Vec::new());
        for (path, text) in [("package/b.wasm", "no"), ("package/a.wasm", "yes")] {
            let mut header = tar::Header::new_gnu();
            header.set_size(text.len() as u64);
            archive.append_data(&mut header, path, text.as_bytes()).unwrap();
        }
        let archive = archive.into_inner().unwrap();
        assert_eq!(find(&archive[..], "package/a.wasm").unwrap().unwrap(), b"yes");
        assert!(find(&archive[..], "package/c.wasm").unwrap().is_none());
        assert!(find(&archive[..700], "package/a.wasm").is_err());
    }

    #[test]
    fn modules_are_named_by_exact_version_and_hash() {
        for module in REAL_MODULES {
            let (name, version) = module.package.rsplit_once('@').unwrap();
            assert!(!name.is_empty() && version.split('.').count() == 3);
            assert!(version.bytes().all(|b| b.is_ascii_digit() || b == b'.'));
            assert!(module.sha256.len() == 64);
        }
    }
}
