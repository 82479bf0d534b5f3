//! `./x test`: everything that CI runs.

use crate::qemu::Arch;
use crate::tally::{Outcome, Tally, count};
use crate::wast::{On, Scripts};
use crate::{
    Result, bench_kernel, cargo, demo_suite, floors, guests, kernel_suite, layers, miri,
    panic_check, paths, size,
};
use std::path::Path;
use std::process::ExitCode;

/// Arguments of `./x test`.
#[derive(clap::Args)]
pub struct Args {
    /// Leave out what is slow.
    #[arg(long)]
    quick: bool,
}

/// Workspaces of this repository, for checks that go through all of them.
const WORKSPACES: [&str; 5] = [".", "tests-qemu", "examples/guests", "benches", "fuzzing/fuzz"];

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
    tally.one("drawing of the floors", floors::check);
    for arch in Arch::ALL {
        for features in ["", "compile", "kernel-heap"] {
            tally.one(&format!("build for {} with features [{features}]", arch.target()), || {
                let features = ["--no-default-features", "--features", features];
                let build = ["build", "--locked", "--release", "--package", "kernref"];
                let target = ["--lib", "--target", arch.target()];
                cargo::run(root, &[&build[..], &target[..], &features[..]].concat())
            });
        }
    }
    tally.one("panic paths of the collector", panic_check::check);
    for arch in Arch::ALL {
        tally.one(&format!("footprint on {}", arch.name()), || size::check(arch));
    }
    tally.check("host tests", || {
        let (output, success) = cargo::capture(
            root,
            &[
                "test",
                "--locked",
                "--workspace",
                "--features",
                cargo::HOST_FEATURES,
                "--no-fail-fast",
            ],
        )?;
        match (count(&output), success) {
            ((passed, 0), false) => Ok((passed, 1)),
            (counts, _) => Ok(counts),
        }
    });
    let (any, accesses) = if args.quick { ("50", "100") } else { ("400", "1000") };
    for (name, options) in [
        ("random modules against wasmi", &["--count", any][..]),
        ("accesses close to a memory's end against wasmi", &["--accesses", "--count", accesses]),
    ] {
        tally.check(name, || random_modules(root, options));
    }
    let scripts = encode_scripts(&mut tally);
    if let Some(scripts) = &scripts {
        on_the_host(&mut tally, scripts);
    }
    // QEMU uses one processor: both machines at once. A thread is one machine.
    std::thread::scope(|scope| {
        let scripts = scripts.as_ref().filter(|_| !args.quick);
        let machines = Arch::ALL.map(|arch| scope.spawn(move || in_kernel(arch, scripts)));
        for (machine, arch) in machines.into_iter().zip(Arch::ALL) {
            match machine.join() {
                Ok(outcomes) => outcomes.into_iter().for_each(|outcome| tally.add(outcome)),
                Err(_) => tally.one(arch.name(), || Err("the checks panicked".into())),
            }
        }
    });
    if args.quick {
        tally.skip("scripts and instruction counts in the kernels", "--quick");
    }
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

fn random_modules(root: &Path, options: &[&str]) -> Result<(u64, u64)> {
    let run = ["run", "--locked", "--package", "kernref-fuzzing", "--"];
    let (output, success) = cargo::capture(root, &[&run[..], options].concat())?;
    match (count(&output), success) {
        ((passed, 0), false) => Ok((passed, 1)),
        (counts, _) => Ok(counts),
    }
}

fn encode_scripts(tally: &mut Tally) -> Option<Scripts> {
    let mut scripts = None;
    tally.one("encoding the official scripts", || {
        scripts = Some(Scripts::encode(&[])?);
        Ok(())
    });
    scripts
}

/// Part of a check's name.
const BY_HARDWARE: &str = ", bounds left to the hardware,";

fn scripts_name(on: &str, policy: &str, zeal: bool) -> String {
    format!("scripts {on} with {policy}{}", if zeal { " and zeal" } else { "" })
}

/// The official scripts on the host.
fn on_the_host(tally: &mut Tally, scripts: &Scripts) {
    for policy in ["zero-count", "clone-on-read"] {
        for zeal in [false, true] {
            let name = scripts_name("on the host", policy, zeal);
            tally.check(&name, || scripts.check(On::Host, policy, zeal, false));
        }
    }
    let name = scripts_name(&format!("on the host{BY_HARDWARE}"), "zero-count", false);
    tally.check(&name, || scripts.check(On::Host, "zero-count", false, true));
}

/// All that runs in the kernels of one architecture: two setups of the
/// scripts, which differ in all there is, since everything is slower there, and
/// the faster one with the hardware's bounds checks.
/// Without scripts, what is slow is left out.
fn in_kernel(arch: Arch, scripts: Option<&Scripts>) -> Vec<Outcome> {
    let suite = format!("suite in the {} kernel", arch.name());
    let demo = format!("./x run on {}", arch.name());
    let mut outcomes = vec![
        Outcome::of(&suite, || kernel_suite::check(arch)),
        Outcome::of(&demo, || demo_suite::run(arch)),
    ];
    if let Some(scripts) = scripts {
        let counts = format!("instruction counts in the {} kernel", arch.name());
        outcomes.push(Outcome::of(&counts, || bench_kernel::check(arch)));
        for (policy, zeal, hardware_traps) in [
            ("zero-count", false, false),
            ("clone-on-read", true, false),
            ("zero-count", false, true),
        ] {
            let bounds = if hardware_traps { BY_HARDWARE } else { "" };
            let on = format!("in the {} kernel{bounds}", arch.name());
            outcomes.push(Outcome::of(&scripts_name(&on, policy, zeal), || {
                scripts.check(arch.into(), policy, zeal, hardware_traps)
            }));
        }
    }
    outcomes
}

fn lints(tally: &mut Tally) {
    let root = paths::root();
    tally.one("clippy", || {
        let args = ["clippy", "--locked", "--workspace", "--all-targets"];
        let features = ["--features", cargo::HOST_FEATURES, "--", "-D", "warnings"];
        cargo::run(root, &[&args[..], &features[..]].concat())
    });
    for arch in Arch::ALL {
        tally.one(&format!("clippy of the {} kernels", arch.name()), || {
            let args = ["clippy", "--locked", "--release", "--target", arch.target()];
            cargo::run(&root.join("tests-qemu"), &[&args[..], &["--", "-D", "warnings"]].concat())
        });
    }
}
