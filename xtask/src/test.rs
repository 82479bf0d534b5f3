//! `./x test`: everything that CI runs.

use crate::qemu::Arch;
use crate::tally::{Tally, count};
use crate::wast::{On, Scripts};
use crate::{Result, cargo, demo_suite, guests, kernel_suite, layers, miri, panic_check, paths};
use std::process::ExitCode;

/// Arguments of `./x test`.
#[derive(clap::Args)]
pub struct Args {
    /// Leave out what is slow.
    #[arg(long)]
    quick: bool,
}

/// Workspaces of this repository, for checks that go through all of them.
const WORKSPACES: [&str; 6] =
    [".", "tests-qemu", "examples/guests", "tools/panic-check", "fuzz", "benches"];

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
                let build = ["build", "--locked", "--release", "--package", "kernref"];
                let target = ["--lib", "--target", arch.target()];
                cargo::run(root, &[&build[..], &target[..], &features[..]].concat())
            });
        }
    }
    tally.one("panic paths of the collector", panic_check::check);
    tally.check("host tests", || {
        let (output, success) = cargo::capture(
            root,
            &[
                "test",
                "--locked",
                "--workspace",
                "--features",
                "kernref/std,kernref/compile,kernref-wast-script/host",
                "--no-fail-fast",
            ],
        )?;
        match (count(&output), success) {
            ((passed, 0), false) => Ok((passed, 1)),
            (counts, _) => Ok(counts),
        }
    });
    tally.check("random modules against wasmi", || {
        let count = if args.quick { "50" } else { "400" };
        let run = ["run", "--locked", "--package", "kernref-differential", "--"];
        let (output, success) = cargo::capture(root, &[&run[..], &["--count", count]].concat())?;
        match (crate::tally::count(&output), success) {
            ((passed, 0), false) => Ok((passed, 1)),
            (counts, _) => Ok(counts),
        }
    });
    for arch in Arch::ALL {
        tally.check(&format!("suite in the {} kernel", arch.name()), || kernel_suite::run(arch));
        tally.check(&format!("./x run on {}", arch.name()), || demo_suite::run(arch));
    }
    scripts(&mut tally, args.quick);
    match args.quick {
        true => tally.skip("guests and lints", "--quick"),
        false => {
            tally.one("guests build as they stand in the tree", || {
                guests::build(&["--check".to_string()])
            });
            lints(&mut tally);
        }
    }
    match (args.quick, miri::available()) {
        (true, _) => tally.skip("miri", "--quick"),
        (false, Err(why)) => tally.skip("miri", &why),
        (false, Ok(())) => tally.one("miri", miri::check),
    }
    Ok(match tally.finish() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// The official scripts. The kernels, where everything is slower, run two
/// setups that differ in all there is.
fn scripts(tally: &mut Tally, quick: bool) {
    let mut scripts = None;
    tally.one("encoding the official scripts", || {
        scripts = Some(Scripts::encode(&[])?);
        Ok(())
    });
    let Some(scripts) = scripts else { return };
    let name = |on: &str, policy: &str, zeal| {
        format!("scripts {on} with {policy}{}", if zeal { " and zeal" } else { "" })
    };
    for (policy, zeal) in [
        ("zero-count", false),
        ("clone-on-read", false),
        ("zero-count", true),
        ("clone-on-read", true),
    ] {
        tally.check(&name("on the host", policy, zeal), || scripts.check(On::Host, policy, zeal));
    }
    for arch in Arch::ALL {
        for (policy, zeal) in [("zero-count", false), ("clone-on-read", true)] {
            let name = name(&format!("in the {} kernel", arch.name()), policy, zeal);
            match quick {
                true => tally.skip(&name, "--quick"),
                false => tally.check(&name, || scripts.check(arch.into(), policy, zeal)),
            }
        }
    }
}

fn lints(tally: &mut Tally) {
    let root = paths::root();
    tally.one("clippy", || {
        let args = ["clippy", "--locked", "--workspace", "--all-targets"];
        let features = [
            "--features",
            "kernref/std,kernref/compile,kernref-wast-script/host",
            "--",
            "-D",
            "warnings",
        ];
        cargo::run(root, &[&args[..], &features[..]].concat())
    });
    for arch in Arch::ALL {
        tally.one(&format!("clippy of the {} kernels", arch.name()), || {
            let args = ["clippy", "--locked", "--release", "--target", arch.target()];
            cargo::run(&root.join("tests-qemu"), &[&args[..], &["--", "-D", "warnings"]].concat())
        });
    }
}
