//! The guests: what each is made from and how.

use crate::module::Interface;
use crate::tools::{TARGET, Tools, WASI_TARGET, succeed};
use crate::{Result, read, root};
use externref::processor::Processor;
use std::env;
use std::path::PathBuf;
use std::process::Command;

/// The source of a guest.
pub enum Source {
    /// WebAssembly text, relative to the workspace.
    Text(&'static str),
    /// A single C file, relative to the workspace.
    C(&'static str),
    /// A package that only computes and imports nothing.
    Program(&'static str),
    /// A package that uses the `externref` crate.
    Objects(&'static str),
    /// A package that is a program for WASI.
    Wasi(&'static str),
}

/// A guest.
pub struct Guest {
    /// The module's name in `prebuilt/`.
    pub file: &'static str,
    pub source: Source,
}

/// All guests.
pub const GUESTS: &[Guest] = &[
    Guest { file: "demo.wasm", source: Source::Text("demo/demo.wat") },
    Guest { file: "c-objects.wasm", source: Source::C("c/objects.c") },
    Guest { file: "rust-objects.wasm", source: Source::Objects("guest-rust-objects") },
    Guest { file: "regex.wasm", source: Source::Program("guest-regex") },
    Guest { file: "json.wasm", source: Source::Program("guest-json") },
    Guest { file: "compress.wasm", source: Source::Program("guest-compress") },
    Guest { file: "sha256.wasm", source: Source::Program("guest-sha256") },
    Guest { file: "large.wasm", source: Source::Program("guest-large") },
    Guest { file: "wasi-tool.wasm", source: Source::Wasi("guest-wasi-tool") },
];

/// Why a guest was not built.
pub enum Failure {
    /// A tool is missing.
    Missing(String),
    /// The tools are available, but building failed.
    Broken(String),
}

impl From<String> for Failure {
    fn from(why: String) -> Self {
        Self::Broken(why)
    }
}

/// Kernels provide little memory: the usual stack of a megabyte will not do.
const RUST_STACK_BYTES: u32 = 256 << 10;
const C_STACK_BYTES: u32 = 16 << 10;

impl Guest {
    /// Checks that the module exports and imports what its kind requires.
    pub fn accepts(&self, interface: &Interface) -> Result<()> {
        let run = match self.source {
            Source::Program(_) => "(i32) -> i64",
            _ => "() -> i32",
        };
        interface.must_export("memory", "memory")?;
        if let Source::Wasi(_) = self.source {
            interface.must_export("_start", "()")?;
            return interface.must_import_from_wasi();
        }
        interface.must_export("run", run)?;
        match self.source {
            Source::Program(_) => interface.must_import_nothing(),
            _ => interface.must_import_from_kernel(),
        }
    }
}

fn assemble(path: &str) -> Result<Vec<u8>> {
    let path = root().join(path);
    let text = read(&path)?;
    let parser = wat::Parser::new();
    let bytes = parser.parse_bytes(Some(&path), &text).map_err(|error| error.to_string())?;
    Ok(bytes.into_owned())
}

fn compile_c(path: &str, compiler: &str, tools: &Tools) -> Result<Vec<u8>> {
    let out = tools.target_dir().join("c-guest.wasm");
    let mut command = Command::new(compiler);
    command
        .current_dir(root())
        .args(["--target=wasm32", "-mreference-types", "-mbulk-memory"])
        .args(["-std=c11", "-O2", "-nostdlib", "-Wall", "-Wextra", "-Werror"])
        .arg("-Wl,--no-entry")
        .arg(format!("-Wl,-z,stack-size={C_STACK_BYTES}"))
        .arg(path)
        .arg("-o")
        .arg(&out);
    succeed(&mut command)?;
    read(&out)
}

/// Flags that keep stacks small and local paths out of the modules.
fn rustflags() -> String {
    let home = env::var_os("CARGO_HOME").map(PathBuf::from).or_else(|| {
        let home = env::var_os("HOME").or_else(|| env::var_os("USERPROFILE"))?;
        Some(PathBuf::from(home).join(".cargo"))
    });
    let mut flags = vec![
        format!("-Clink-arg=-zstack-size={RUST_STACK_BYTES}"),
        format!("--remap-path-prefix={}=guests", root().display()),
    ];
    if let Some(home) = home {
        let sources = home.join("registry").join("src");
        flags.push(format!("--remap-path-prefix={}=registry", sources.display()));
        // One directory per registry, whose name depends on the registry's address.
        for registry in sources.read_dir().into_iter().flatten().flatten() {
            flags.push(format!("--remap-path-prefix={}=registry", registry.path().display()));
        }
    }
    flags.join("\u{1f}")
}

fn compile_rust(package: &str, target: &str, tools: &Tools) -> Result<Vec<u8>> {
    let target_dir = tools.target_dir();
    let mut command = tools.cargo();
    command
        .args(["build", "--profile", "guest", "--target", target, "--package", package])
        .arg("--target-dir")
        .arg(&target_dir)
        .env("CARGO_ENCODED_RUSTFLAGS", rustflags());
    succeed(&mut command)?;
    let file = format!("{}.wasm", package.replace('-', "_"));
    read(&target_dir.join(target).join("guest").join(file))
}

/// Gives imports and exports their true signatures.
fn process(bytes: &[u8]) -> Result<Vec<u8>> {
    // The table of references is private to the guest.
    Processor::default()
        .set_ref_table(None)
        .process_bytes(bytes)
        .map_err(|error| format!("the processor of externrefs: {error}"))
}

/// Builds a guest with the available tools.
pub fn build(guest: &Guest, tools: &Tools) -> std::result::Result<Vec<u8>, Failure> {
    let rust = || tools.rust.as_ref().map_err(|why| Failure::Missing(why.clone()));
    Ok(match guest.source {
        Source::Text(path) => assemble(path)?,
        Source::C(path) => {
            let clang = tools.clang.as_ref().map_err(|why| Failure::Missing(why.clone()))?;
            compile_c(path, &clang.path, tools)?
        }
        Source::Program(package) => {
            rust()?;
            compile_rust(package, TARGET, tools)?
        }
        Source::Wasi(package) => {
            tools.wasi.as_ref().map_err(|why| Failure::Missing(why.clone()))?;
            compile_rust(package, WASI_TARGET, tools)?
        }
        Source::Objects(package) => {
            rust()?;
            process(&compile_rust(package, TARGET, tools)?)?
        }
    })
}
