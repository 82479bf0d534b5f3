//! Checks of the source as it stands: its format, that each combination of
//! features compiles, lints, documentation without warnings.

use crate::qemu::{Arch, SOFT_FLOAT};
use crate::tally::Tally;
use crate::{Result, cargo, deny, paths, publish};
use std::process::ExitCode;

/// The workspaces of this repository, each with a lock file of its own.
pub const WORKSPACES: [&str; 5] = [".", "tests-qemu", "examples/guests", "benches", "fuzzing/fuzz"];

/// Runs all of them.
pub fn run() -> ExitCode {
    let mut tally = Tally::start();
    formats(&mut tally);
    features(&mut tally);
    soft_float(&mut tally);
    clippy(&mut tally);
    documentation(&mut tally);
    publish::check(&mut tally);
    deny::check(&mut tally);
    tally.finish()
}

/// Runs clippy in a workspace.
fn clippy_in(folder: &str, args: &[&str]) -> Result<()> {
    let (clippy, deny) = (["clippy", "--quiet", "--locked"], ["--", "-D", "warnings"]);
    cargo::run(&paths::root().join(folder), &[&clippy[..], args, &deny].concat())
}

/// All code is as rustfmt leaves it.
pub fn formats(tally: &mut Tally) {
    for folder in WORKSPACES {
        tally.one(&format!("format of {folder}"), || {
            cargo::run(&paths::root().join(folder), &["fmt", "--all", "--check"])
        });
    }
}

/// The crate alone compiles without warnings under each combination of its
/// features, on the host and on the bare targets, where there is no `std`.
/// (Hardware traps are a setting, not a feature: tests run with and without.)
pub fn features(tally: &mut Tally) {
    for (on, names, options) in [
        ("the host", &["compile", "std", "log"][..], &[][..]),
        (Arch::X86_64.target(), &["compile", "kernel-heap", "log"], &bare(Arch::X86_64)),
        (Arch::Aarch64.target(), &["compile", "kernel-heap", "log"], &bare(Arch::Aarch64)),
    ] {
        // What these add depends on no other feature.
        let alone = ["signed-artifacts", "fixed-region", "page-tables", "x86_64-paging"];
        let alone = alone.into_iter().chain(["aarch64-paging"]).map(String::from);
        let all = "signed-artifacts,fixed-region,x86_64-paging,aarch64-paging";
        let all = [format!("{},{all}", names.join(","))];
        for chosen in subsets(names).into_iter().chain(alone).chain(all) {
            tally.one(&format!("features [{chosen}] on {on}"), || {
                let features = ["--no-default-features", "--features", &chosen];
                let package = ["--package", "kernref", "--lib"];
                clippy_in(".", &[&package[..], &features, options].concat())
            });
        }
    }
    features_of_wasi(tally);
}

/// The same of the package for WASI, which has one feature.
fn features_of_wasi(tally: &mut Tally) {
    for (on, features, options) in [
        ("the host", "", &[][..]),
        ("the host", "std", &[]),
        (Arch::X86_64.target(), "", &bare(Arch::X86_64)),
        (Arch::Aarch64.target(), "", &bare(Arch::Aarch64)),
    ] {
        tally.one(&format!("features [{features}] of kernref-wasi on {on}"), || {
            let package = ["--package", "kernref-wasi", "--lib"];
            let features = ["--no-default-features", "--features", features];
            clippy_in(".", &[&package[..], &features, options].concat())
        });
    }
}

/// As the workspace of the kernels builds, so that the dependencies are shared.
fn bare(arch: Arch) -> [&'static str; 5] {
    on_target(arch.target())
}

fn on_target(target: &'static str) -> [&'static str; 5] {
    ["--release", "--config", "profile.release.panic=\"abort\"", "--target", target]
}

/// The crate builds for aarch64 without vector registers in Rust code. A lint does
/// not assemble, and the assembler has its own view of such a target.
pub fn soft_float(tally: &mut Tally) {
    for chosen in ["", "compile,kernel-heap,log"] {
        tally.one(&format!("build with [{chosen}] for {SOFT_FLOAT}"), || {
            let build = ["build", "--quiet", "--locked", "--package", "kernref", "--lib"];
            let features = ["--no-default-features", "--features", chosen];
            cargo::run(paths::root(), &[&build[..], &features, &on_target(SOFT_FLOAT)].concat())
        });
    }
}

/// Every subset of these, comma-separated.
fn subsets(names: &[&str]) -> Vec<String> {
    let chosen = |bits: usize| {
        let chosen = names.iter().enumerate().filter(move |(at, _)| bits >> at & 1 == 1);
        chosen.map(|(_, name)| *name).collect::<Vec<_>>().join(",")
    };
    (0..1 << names.len()).map(chosen).collect()
}

/// Lints of the main workspace and of the kernels.
pub fn clippy(tally: &mut Tally) {
    tally.one("clippy", || {
        let features = ["--features", cargo::HOST_FEATURES];
        clippy_in(".", &[&["--workspace", "--all-targets"][..], &features].concat())
    });
    for arch in Arch::ALL {
        tally.one(&format!("clippy of the {} kernels", arch.name()), || {
            // Without the panic check, which needs a flag of its own.
            let example = format!("example-kernel-{}", arch.name());
            let packages = [
                "--package",
                "kernref-qemu",
                "--package",
                "kernref-footprint",
                "--package",
                &example,
            ];
            let target = ["--release", "--target", arch.target()];
            clippy_in("tests-qemu", &[&packages[..], &target].concat())
        });
    }
}

/// Lints of the workspaces that take a long time to build.
pub fn clippy_of_the_rest(tally: &mut Tally) {
    for (folder, options) in [
        ("examples/guests", &["--workspace", "--exclude", "guest-rust-objects"][..]),
        ("benches", &["--all-targets"]),
        ("fuzzing/fuzz", &["--all-targets", "--features", "wasmtime"]),
    ] {
        tally.one(&format!("clippy of {folder}"), || clippy_in(folder, options));
    }
}

/// Documentation has no warnings, with few features and with many, and what
/// is private is documented as well.
pub fn documentation(tally: &mut Tally) {
    for (what, options) in [
        ("without features", &["--package", "kernref", "--no-default-features"][..]),
        ("with features", &["--package", "kernref", "--all-features"]),
        (
            "of private items",
            &["--package", "kernref", "--all-features", "--document-private-items"],
        ),
        ("of kernref-wasi", &["--package", "kernref-wasi", "--features", "std"]),
    ] {
        tally.one(&format!("documentation {what}"), || {
            let doc = ["doc", "--locked", "--no-deps"];
            let variables = [("RUSTDOCFLAGS", "-D warnings")];
            cargo::run_with(paths::root(), &[&doc[..], options].concat(), &variables)
        });
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn subsets_are_all_and_once() {
        assert_eq!(super::subsets(&["a", "b"]), ["", "a", "b", "a,b"]);
    }
}
