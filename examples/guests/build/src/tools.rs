//! The tools that build guests: which are available, and what to say about
//! those that are not. It only looks, and never installs anything.

use crate::{Result, root};
use std::env;
use std::fmt;
use std::path::PathBuf;
use std::process::Command;

/// The target of the Rust guests.
pub const TARGET: &str = "wasm32-unknown-unknown";
/// The target of programs for WASI.
pub const WASI_TARGET: &str = "wasm32-wasip1";
/// The first Clang with all the builtins for reference tables used here.
const CLANG_MAJOR: u32 = 19;
const CLANGS: &[&str] = &["clang-19", "clang", "clang-20", "clang-21", "clang-22"];

/// A tool, or why it is missing.
pub type Found<T> = std::result::Result<T, String>;

/// A C compiler that can link WebAssembly.
pub struct Clang {
    pub path: String,
    pub version: String,
}

/// All tools.
pub struct Tools {
    pub cargo: PathBuf,
    /// The version of rustc, if it has the target's library.
    pub rust: Found<String>,
    /// The same for programs for WASI.
    pub wasi: Found<String>,
    pub clang: Found<Clang>,
}

/// A command's standard output, trimmed, if the command runs and succeeds.
fn output(program: &str, args: &[&str]) -> Option<String> {
    let output = Command::new(program).args(args).current_dir(root()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn rust(target: &str) -> Found<String> {
    let rustc = env::var("RUSTC").unwrap_or_else(|_| "rustc".into());
    let version =
        output(&rustc, &["--version"]).ok_or("rustc is missing: see https://rustup.rs")?;
    let library = output(&rustc, &["--print", "target-libdir", "--target", target]);
    match library.map(PathBuf::from) {
        Some(path) if path.is_dir() => Ok(version),
        _ => Err(format!("rustc has no library for {target}: rustup target add {target}")),
    }
}

/// `19` of `Debian clang version 19.1.7 (…)`.
fn major(version: &str) -> Option<u32> {
    version.split_once("version ")?.1.split('.').next()?.parse().ok()
}

fn clang() -> Found<Clang> {
    let named = env::var("CLANG").ok();
    let names: Vec<&str> = match &named {
        Some(name) => vec![name],
        None => CLANGS.to_vec(),
    };
    let mut near = None;
    for name in names {
        let Some(text) = output(name, &["--version"]) else { continue };
        let version = text.lines().next().unwrap_or_default().to_owned();
        if major(&version).is_none_or(|major| major < CLANG_MAJOR) {
            near = Some(format!("{name} is too old ({version})"));
            continue;
        }
        // If there is no such program, the bare name is returned.
        let linker = output(name, &["-print-prog-name=wasm-ld"]).unwrap_or_default();
        if PathBuf::from(&linker).is_absolute() || output(&linker, &["--version"]).is_some() {
            return Ok(Clang { path: name.to_owned(), version });
        }
        near = Some(format!("{name} finds no wasm-ld"));
    }
    let near = near.unwrap_or_else(|| "clang is missing".into());
    Err(format!("{near}: needs Clang {CLANG_MAJOR} with LLD (Debian: clang-19 lld-19)"))
}

impl Tools {
    /// Looks for all tools.
    pub fn find() -> Self {
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        Self { cargo: cargo.into(), rust: rust(TARGET), wasi: rust(WASI_TARGET), clang: clang() }
    }

    /// Where Cargo puts what the builder has it build.
    pub fn target_dir(&self) -> PathBuf {
        match env::var_os("CARGO_TARGET_DIR") {
            // Relative to the caller's directory, as Cargo interprets it.
            Some(dir) => std::path::absolute(&dir).unwrap_or_else(|_| dir.into()),
            None => root().join("target"),
        }
    }

    /// A Cargo command in the workspace.
    pub fn cargo(&self) -> Command {
        let mut command = Command::new(&self.cargo);
        command.current_dir(root()).arg("--locked").arg("--quiet");
        command
    }
}

/// Runs a command that reports its own errors; names it if it fails.
pub fn succeed(command: &mut Command) -> Result<()> {
    let status = command.status().map_err(|error| format!("{command:?}: {error}"))?;
    match status.success() {
        true => Ok(()),
        false => Err(format!("{command:?} failed ({status})")),
    }
}

impl fmt::Display for Tools {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rust = self.rust.as_deref();
        let clang = self.clang.as_ref().map(|clang| clang.version.as_str());
        let wasi = self.wasi.as_deref();
        for (name, found) in [("rust", rust), ("rust for WASI", wasi), ("clang", clang)] {
            match found {
                Ok(version) => writeln!(f, "{name}: {version}")?,
                Err(why) => writeln!(f, "{name}: not usable: {why}")?,
            }
        }
        Ok(())
    }
}
