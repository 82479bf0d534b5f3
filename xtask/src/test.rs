//! `./x test`: everything that CI runs.

use crate::qemu::{self, Arch, Boot, End};
use crate::tally::{Tally, count};
use crate::{Result, cargo, layers, paths};
use std::process::ExitCode;
use std::time::Duration;

/// Arguments of `./x test`.
#[derive(clap::Args)]
pub struct Args {
    /// Leave out what is slow.
    #[arg(long)]
    quick: bool,
}

/// Workspaces of this repository, for checks that go through all of them.
const WORKSPACES: [&str; 2] = [".", "tests-qemu"];

/// Runs the command.
pub fn run(args: &Args) -> Result<ExitCode> {
    let mut tally = Tally::default();
    let root = paths::root();
    for folder in WORKSPACES {
        tally.one(&format!("format of {folder}"), || {
            cargo::run(&root.join(folder), &["fmt", "--all", "--check"])
        });
    }
    tally.one("layers", layers::check);
    for arch in Arch::ALL {
        for features in ["", "compile"] {
            tally.one(&format!("build for {} with features [{features}]", arch.target()), || {
                let features = ["--no-default-features", "--features", features];
                let build = ["build", "--locked", "--release", "--lib", "--target", arch.target()];
                cargo::run(root, &[&build[..], &features[..]].concat())
            });
        }
    }
    tally.check("host tests", || {
        let (output, success) = cargo::capture(
            root,
            &[
                "test",
                "--locked",
                "--workspace",
                "--features",
                "kernref/std,kernref/compile",
                "--no-fail-fast",
            ],
        )?;
        match (count(&output), success) {
            ((passed, 0), false) => Ok((passed, 1)),
            (counts, _) => Ok(counts),
        }
    });
    for arch in Arch::ALL {
        tally.check(&format!("suite in the {} kernel", arch.name()), || suite(arch));
    }
    match args.quick {
        true => tally.skip("lints", "--quick"),
        false => lints(&mut tally),
    }
    Ok(match tally.finish() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

fn lints(tally: &mut Tally) {
    let root = paths::root();
    tally.one("clippy", || {
        let args = ["clippy", "--locked", "--workspace", "--all-targets"];
        let features = ["--features", "kernref/std,kernref/compile", "--", "-D", "warnings"];
        cargo::run(root, &[&args[..], &features[..]].concat())
    });
    for arch in Arch::ALL {
        tally.one(&format!("clippy of the {} kernels", arch.name()), || {
            let args = ["clippy", "--locked", "--release", "--target", arch.target()];
            cargo::run(&root.join("tests-qemu"), &[&args[..], &["--", "-D", "warnings"]].concat())
        });
    }
}

/// Boots the suite's kernel and counts.
fn suite(arch: Arch) -> Result<(u64, u64)> {
    let kernel = cargo::kernel(arch, "suite")?;
    let boot = Boot {
        arch,
        kernel: &kernel,
        args: &[],
        files: &[],
        deadline: Duration::from_secs(600),
        accel: "tcg",
        extra: &[],
    };
    let mut output = String::new();
    let end = boot.run(|line| {
        qemu::show(line);
        output.push_str(line);
        output.push('\n');
    })?;
    match (end, count(&output)) {
        (End::Verdict(0), (passed, 0)) if passed > 0 => Ok((passed, 0)),
        (End::Verdict(1), (passed, failed)) if failed > 0 => Ok((passed, failed)),
        (end, (passed, failed)) => {
            println!("the kernel ended in another way: {end:?}");
            Ok((passed, failed + 1))
        }
    }
}
