//! Artifacts for the demonstration kernel: made and signed here by the tool
//! `kernref`, with a key that is made for the purpose.

use crate::qemu::Arch;
use crate::setup::Setup;
use crate::{Result, cargo, paths};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Makes artifacts.
pub struct Precompiler {
    tool: PathBuf,
    folder: PathBuf,
}

/// A signed artifact.
pub struct Artifact {
    /// With its signature.
    pub bytes: Vec<u8>,
    /// The public key, in hexadecimal digits.
    pub key: String,
}

impl Precompiler {
    /// Builds the tool.
    pub fn new() -> Result<Self> {
        let folder = paths::target().join("precompiled");
        std::fs::create_dir_all(&folder)
            .map_err(|error| format!("{}: {error}", folder.display()))?;
        Ok(Self { tool: cargo::tool("kernref")?, folder })
    }

    /// Whether the tool compiles for this machine.
    pub fn compiles_for(arch: Arch) -> bool {
        arch.name() == std::env::consts::ARCH
    }

    /// Compiles the module in `file` for kernels with this setup, and signs it.
    pub fn compile(&self, arch: Arch, setup: Setup, file: &Path) -> Result<Artifact> {
        let (key, output) = (self.folder.join("key.pem"), self.folder.join("guest.kna"));
        if !key.exists() {
            self.run(&["keygen", &key.to_string_lossy()])?;
        }
        let (from, to) = (file.to_string_lossy(), output.to_string_lossy());
        let paths = ["compile", &*from, "-o", &*to, "--sign", &key.to_string_lossy()];
        let mut args = paths.map(str::to_string).to_vec();
        args.extend(["--quiet", "--baseline", "--epochs", "--target", arch.name()].map(Into::into));
        args.extend(["--policy", setup.policy.name()].map(Into::into));
        args.extend(setup.zeal.then(|| "--zeal".into()));
        args.extend(setup.hardware_traps.then(|| "--hardware-traps".into()));
        self.run(&args)?;
        let report = self.run(&["inspect", "--json", &*to])?;
        let report: serde_json::Value =
            serde_json::from_str(&report).map_err(|error| error.to_string())?;
        let key = report["signer"].as_str().ok_or("the artifact is not signed")?.to_string();
        let bytes =
            std::fs::read(&output).map_err(|error| format!("{}: {error}", output.display()))?;
        Ok(Artifact { bytes, key })
    }

    /// What the tool prints.
    fn run<A: AsRef<std::ffi::OsStr>>(&self, args: &[A]) -> Result<String> {
        let output = Command::new(&self.tool)
            .args(args)
            .output()
            .map_err(|error| format!("{}: {error}", self.tool.display()))?;
        match output.status.success() {
            true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
            false => {
                let said = String::from_utf8_lossy(&output.stderr);
                Err(said.trim().trim_start_matches("error: ").to_string())
            }
        }
    }
}
