//! `./x test`: everything that CI runs, and with `--full` what takes too long
//! for it. The parts in order; what each does is in a module of its own.

use crate::qemu::Arch;
use crate::setup::{Policy, Setup};
use crate::several::Processors;
use crate::tally::{Outcome, Tally, count};
use crate::wast::{On, Scripts};
use crate::{
    Result, bench_kernel, cargo, demo_suite, deny, examples, floors, growth, guests, kernel_suite,
    layers, lints, miri, panic_check, paths, public_api, publish, size,
};
use std::process::{Command, ExitCode};

/// Arguments of `./x test`.
#[derive(clap::Args)]
pub struct Args {
    /// Leave out what is slow.
    #[arg(long)]
    quick: bool,
    /// Everything, however long it takes: docs/testing.md says what is added.
    #[arg(long, conflicts_with = "quick")]
    full: bool,
}

/// How much is run.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Extent {
    /// Before a commit.
    Quick,
    /// Before a merge.
    Usual,
    /// However long it takes.
    Full,
}

impl Args {
    fn extent(&self) -> Extent {
        match (self.quick, self.full) {
            (true, _) => Extent::Quick,
            (_, true) => Extent::Full,
            _ => Extent::Usual,
        }
    }
}

/// Setups of the official scripts in each kernel: two that differ in every
/// option, because everything is slower there, and the faster one with the
/// hardware's bounds checks, through artifacts. With `--full` all of them.
const IN_KERNELS: [Setup; 3] = [
    Setup::plain(Policy::ZeroCount),
    Setup::plain(Policy::CloneOnRead).with_zeal(),
    Setup::plain(Policy::ZeroCount).with_hardware_traps().with_artifacts(),
];

/// Setups of the official scripts as threads on four processors: both policies,
/// checked by code and by the hardware.
const ON_FOUR: [Setup; 2] =
    [Setup::plain(Policy::ZeroCount).with_hardware_traps(), Setup::plain(Policy::CloneOnRead)];

/// Runs the command.
pub fn run(args: &Args) -> Result<ExitCode> {
    let extent = args.extent();
    let mut tally = Tally::start();
    lints::formats(&mut tally);
    tally.one("layers", layers::check);
    tally.one("drawing of the floors", floors::check);
    lints::features(&mut tally);
    lints::soft_float(&mut tally);
    tally.one("panic paths of the collector", panic_check::check);
    for arch in Arch::ALL {
        tally.one(&format!("footprint on {}", arch.name()), || size::check(arch));
    }
    tally.check("host tests", || host_tests(&[], extent));
    random_modules(&mut tally, extent);
    let scripts = encode_scripts(&mut tally);
    if let Some(scripts) = &scripts {
        on_the_host(&mut tally, scripts, extent);
    }
    in_the_kernels(&mut tally, scripts.as_ref(), extent);
    if extent == Extent::Quick {
        for part in [
            "scripts and instruction counts in the kernels",
            "suite in the soft-float kernel",
            "guests build as they stand in the tree",
            "clippy",
            "documentation",
            "packages",
            "public API",
            "dependencies",
            "miri",
        ] {
            tally.skip(part, "--quick");
        }
    }
    if extent >= Extent::Usual {
        tally.one("guests build as they stand in the tree", || {
            guests::build(&["--check".to_string()])
        });
        lints::clippy(&mut tally);
        lints::documentation(&mut tally);
        publish::check(&mut tally);
        tally.one("public API", public_api::check);
        deny::check(&mut tally);
        match miri::available() {
            Err(why) => tally.skip("miri", &why),
            Ok(()) => tally.one("miri", miri::check),
        }
    }
    if extent == Extent::Full {
        tally.check("host tests, optimized", || host_tests(&["--release"], extent));
        match growth::available() {
            Err(why) => tally.skip("instructions of compiling", &why),
            Ok(()) => tally.one("instructions of compiling", growth::instructions),
        }
        tally.one("compiling at other sizes", growth::sweep);
        lints::clippy_of_the_rest(&mut tally);
        tally.check("tests of the benchmarks", || {
            let test = ["test", "--locked", "--release"];
            counted(&mut cargo::command(&paths::root().join("benches"), &test))
        });
        tally.one("benchmarks run", || {
            let run = ["run", "--locked", "--release", "--", "--quick"];
            cargo::run(&paths::root().join("benches"), &run)
        });
    }
    Ok(tally.finish())
}

/// Passed and failed of a command that counts; if it counts no failure and
/// fails all the same, that is one.
fn counted(command: &mut Command) -> Result<(u64, u64)> {
    let (output, success) = cargo::capture(command)?;
    Ok(match (count(&output), success) {
        ((passed, 0), false) => (passed, 1),
        (counts, _) => counts,
    })
}

/// Variables that make the crates' tests look at more cases.
const FULL: [(&str, &str); 4] = [
    ("PROPTEST_CASES", "4000"),
    ("LOOM_MAX_PREEMPTIONS", "4"),
    ("KERNREF_EVERY_BYTE", "1"),
    ("KERNREF_END_EVERYWHERE", "1"),
];

fn host_tests(options: &[&str], extent: Extent) -> Result<(u64, u64)> {
    let test = ["test", "--locked", "--workspace", "--no-fail-fast"];
    let variables = if extent == Extent::Full { &FULL[..] } else { &[] };
    let features = ["--features", cargo::HOST_FEATURES];
    let args = [&test[..], &features, options].concat();
    counted(cargo::command(paths::root(), &args).envs(variables.iter().copied()))
}

fn random_modules(tally: &mut Tally, extent: Extent) {
    let (any, accesses, seconds) = match extent {
        Extent::Quick => ("50", "100", "60"),
        Extent::Usual => ("400", "1000", "60"),
        Extent::Full => ("5000", "20000", "600"),
    };
    for (name, options) in [
        ("random modules against wasmi", &["--count", any][..]),
        ("accesses close to a memory's end against wasmi", &["--accesses", "--count", accesses]),
    ] {
        tally.check(name, || {
            let tool = cargo::tool("kernref-fuzzing")?;
            let command = &mut Command::new(tool);
            counted(command.current_dir(paths::root()).args(["--seconds", seconds]).args(options))
        });
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

/// The official scripts on the host. The effect of guard pages shows under any
/// setup: unless everything is run, one setup with them is enough.
fn on_the_host(tally: &mut Tally, scripts: &Scripts, extent: Extent) {
    let usual = Setup::plain(Policy::ZeroCount).with_hardware_traps();
    let setups = Setup::ALL
        .into_iter()
        .filter(|setup| !setup.hardware_traps || *setup == usual || extent == Extent::Full);
    let through_artifacts = Setup::plain(Policy::CloneOnRead).with_artifacts();
    let guards_off = Setup::plain(Policy::ZeroCount).with_guards_off();
    let more = [through_artifacts, guards_off];
    for setup in setups.chain(Setup::LARGE).chain(more) {
        let name = format!("scripts on the host [{setup}]");
        tally.check(&name, || scripts.check(On::Host, setup));
    }
}

/// QEMU mostly uses one processor: both machines at once, a thread for each.
fn in_the_kernels(tally: &mut Tally, scripts: Option<&Scripts>, extent: Extent) {
    std::thread::scope(|scope| {
        let machines = Arch::ALL.map(|arch| scope.spawn(move || in_kernel(arch, scripts, extent)));
        for (machine, arch) in machines.into_iter().zip(Arch::ALL) {
            match machine.join() {
                Ok(outcomes) => outcomes.into_iter().for_each(|outcome| tally.add(outcome)),
                Err(_) => tally.one(arch.name(), || Err("the checks panicked".into())),
            }
        }
    });
}

/// What threads run on four processors of a kernel. The suite's threads are
/// switched at random times, those of the scripts every millisecond.
fn on_four(arch: Arch, scripts: Option<&Scripts>, extent: Extent) -> Vec<Outcome> {
    let every_setup = extent == Extent::Full;
    let suite = format!("suite on four processors of the {} kernel", arch.name());
    let processors = Processors::FOUR.at_random(1);
    let mut outcomes =
        vec![Outcome::of(&suite, || kernel_suite::check_on_several(arch, processors, every_setup))];
    let setups = if every_setup { &Setup::ALL[..] } else { &ON_FOUR };
    for (scripts, setup) in scripts.into_iter().flat_map(|s| setups.iter().map(move |x| (s, x))) {
        let name = format!("scripts on four processors of the {} kernel [{setup}]", arch.name());
        outcomes
            .push(Outcome::of(&name, || scripts.check_on_several(arch, *setup, Processors::FOUR)));
    }
    outcomes
}

/// All that runs in the kernels of one architecture.
fn in_kernel(arch: Arch, scripts: Option<&Scripts>, extent: Extent) -> Vec<Outcome> {
    let suite = format!("suite in the {} kernel", arch.name());
    let demo = format!("./x run on {}", arch.name());
    let example = format!("example kernel for {}", arch.name());
    let mut outcomes = vec![
        Outcome::of(&suite, || kernel_suite::check(arch, extent == Extent::Full)),
        Outcome::of(&demo, || demo_suite::run(arch)),
        Outcome::of(&example, || examples::check(arch).map(|()| (1, 0))),
    ];
    if arch == Arch::Aarch64 && extent >= Extent::Usual {
        let name = "suite in the aarch64 kernel, soft float";
        outcomes.push(Outcome::of(name, || kernel_suite::soft_float("", extent == Extent::Full)));
    }
    if extent >= Extent::Usual {
        outcomes.extend(on_four(arch, scripts, extent));
        let counts = format!("instruction counts in the {} kernel", arch.name());
        outcomes.push(Outcome::of(&counts, || bench_kernel::check(arch)));
        let setups = match extent {
            Extent::Full => [&Setup::ALL[..], &Setup::LARGE, &IN_KERNELS[2..]].concat(),
            _ => IN_KERNELS.to_vec(),
        };
        for (scripts, setup) in scripts.into_iter().flat_map(|s| setups.iter().map(move |x| (s, x)))
        {
            let name = format!("scripts in the {} kernel [{setup}]", arch.name());
            outcomes.push(Outcome::of(&name, || scripts.check(arch.into(), *setup)));
        }
    }
    outcomes
}
