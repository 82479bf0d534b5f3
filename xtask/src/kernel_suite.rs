//! The test suite in a kernel. A case that fails ends the kernel; it is then
//! booted again for the cases after it.

use crate::qemu::{self, Arch, Boot, End, SOFT_FLOAT};
use crate::several::{self, Flight, Processors};
use crate::{Result, cargo, paths};
use std::collections::BTreeSet;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// For one boot; a case that does not end within one fails.
const DEADLINE: Duration = Duration::from_secs(300);
/// Asks the kernel to end guests at every instruction of theirs.
const EVERY_INSTRUCTION: &str = "every-instruction";
/// After this many failures, the rest is not run.
const MOST_FAILURES: u64 = 20;
/// Cases that run with protected branches as well: those that make and end frames.
const PROTECTED: [&str; 9] = [
    "calls::",
    "traps::",
    "frames::",
    "stack::",
    "nesting::",
    "tables::",
    "faults::",
    "interrupt::",
    "collecting::",
];
/// A processor of QEMU that has what they need; its signatures need no slow cipher.
const PROTECTING: [&str; 2] = ["-cpu", "max,pauth-impdef=on"];
/// How the names of boots begin that must end badly.
const BOOTS: &str = "boots::";
/// The kernel's verdict when it panics.
const PANIC: u8 = 3;
/// Setups of guests with wrong barriers: one for each policy.
const WRONG: [&str; 2] = ["zero-count", "clone-on-read"];
/// The kernel's verdict on an exception that nobody expected.
const EXCEPTION: u8 = 4;

/// Arguments of `./x kernel-test`.
#[derive(clap::Args)]
pub struct Args {
    /// The machine.
    #[arg(long, value_enum, default_value = "x86_64")]
    arch: Arch,
    /// Build the aarch64 kernel for the target whose Rust code computes floating
    /// point with integers.
    #[arg(long)]
    soft_float: bool,
    #[command(flatten)]
    processors: Processors,
    /// With --smp: every setup rather than two.
    #[arg(long, requires = "smp")]
    every_setup: bool,
    /// On a processor that asks for landing instructions and checks signed return
    /// addresses, with guests that have both (aarch64). Needs a filter.
    #[arg(long, requires = "filter")]
    protected_branches: bool,
    /// End guests at every instruction of theirs rather than at some.
    #[arg(long)]
    every_instruction: bool,
    /// Only the cases whose name contains this.
    filter: Option<String>,
}

/// Runs the command; passed and failed.
pub fn run(args: &Args) -> Result<(u64, u64)> {
    if args.processors.smp.is_some() {
        let target = if args.soft_float { SOFT_FLOAT } else { args.arch.target() };
        let kernel = kernel(args.arch, target)?;
        let filter = args.filter.as_deref().unwrap_or("");
        return on_several(args.arch, &kernel, filter, args.processors, args.every_setup);
    }
    match (&args.filter, args.soft_float, args.arch) {
        (filter, true, Arch::Aarch64) => {
            soft_float(filter.as_deref().unwrap_or(""), args.every_instruction)
        }
        (_, true, Arch::X86_64) => Err("--soft-float is for --arch aarch64".into()),
        (None, false, arch) => check(arch, args.every_instruction),
        (Some(filter), false, arch) => {
            let (kernel, every) = (kernel(arch, arch.target())?, args.every_instruction);
            match filter.contains(BOOTS) {
                true => Ok(boots(arch, &kernel, filter, every)),
                false => cases(arch, &kernel, filter, args.protected_branches, every),
            }
        }
    }
}

/// The cases in the aarch64 kernel without vector registers in Rust code.
pub fn soft_float(filter: &str, every_instruction: bool) -> Result<(u64, u64)> {
    cases(Arch::Aarch64, &kernel(Arch::Aarch64, SOFT_FLOAT)?, filter, false, every_instruction)
}

/// All cases, guests being ended at some instructions or at all; passed and failed.
pub fn check(arch: Arch, every_instruction: bool) -> Result<(u64, u64)> {
    let kernel = kernel(arch, arch.target())?;
    let (mut passed, mut failed) = cases(arch, &kernel, "", false, every_instruction)?;
    if matches!(arch, Arch::Aarch64) {
        println!("with protected branches:");
        for filter in PROTECTED {
            let (more_passed, more_failed) = cases(arch, &kernel, filter, true, every_instruction)?;
            (passed, failed) = (passed + more_passed, failed + more_failed);
        }
    }
    let (more_passed, more_failed) = boots(arch, &kernel, "", every_instruction);
    Ok((passed + more_passed, failed + more_failed))
}

/// Boots that must end badly; passed and failed.
fn boots(arch: Arch, kernel: &Kernel, filter: &str, every_instruction: bool) -> (u64, u64) {
    let (mut passed, mut failed) = (0, 0);
    let mut check = |name: &str, outcome: &dyn Fn() -> Result<()>| {
        let name = format!("{BOOTS}{name}");
        if !name.contains(filter) {
            return;
        }
        match outcome() {
            Ok(()) => passed += 1,
            Err(why) => {
                println!("{name} in the {} kernel: {why}", arch.name());
                failed += 1;
            }
        }
    };
    check("a_fault_of_its_own", &|| fault_is_reported(arch, kernel));
    for setup in WRONG {
        let name = format!("wrong_barriers [{setup}]");
        check(&name, &|| wrong_barriers_are_found(arch, kernel, setup, every_instruction));
    }
    (passed, failed)
}

/// The cases as threads on several processors; passed and failed.
pub fn check_on_several(
    arch: Arch,
    processors: Processors,
    every_setup: bool,
) -> Result<(u64, u64)> {
    on_several(arch, &kernel(arch, arch.target())?, "", processors, every_setup)
}

fn kernel(arch: Arch, target: &str) -> Result<Kernel> {
    let files = vec![("texts".to_string(), texts(arch)?)];
    Ok(Kernel { path: cargo::kernel_for(target, "suite")?, files })
}

/// The suite's kernel and what is passed to it.
struct Kernel {
    path: PathBuf,
    files: Vec<(String, Vec<u8>)>,
}

impl Kernel {
    fn boot(
        &self,
        arch: Arch,
        args: &[String],
        extra: &[&str],
        line: impl FnMut(&str),
    ) -> Result<End> {
        let (kernel, files) = (&*self.path, &*self.files);
        Boot { arch, kernel, args, files, deadline: DEADLINE, accel: "tcg", extra }.run(line)
    }
}

/// Ends guests whose barriers write in the wrong order: one of them must leave
/// something wrong, on which the kernel panics.
fn wrong_barriers_are_found(
    arch: Arch,
    kernel: &Kernel,
    setup: &str,
    every_instruction: bool,
) -> Result<()> {
    let mut args = vec![format!("wrong-barriers={setup}")];
    args.extend(every_instruction.then(|| EVERY_INSTRUCTION.to_string()));
    let mut lines = Vec::new();
    let end = kernel.boot(arch, &args, &[], |line| lines.push(line.into()))?;
    let shows = |text| lines.iter().any(|line: &String| line.contains(text));
    match end == End::Verdict(PANIC)
        && shows("ending guests with wrong barriers")
        && shows("testsuite/src/ending.rs")
    {
        true => Ok(()),
        false => Err(format!("ended with {end:?}:\n{}", lines.join("\n"))),
    }
}

/// The kernel touches the guard of a memory while the memory's guest runs:
/// that ends the kernel as any fault does.
fn fault_is_reported(arch: Arch, kernel: &Kernel) -> Result<()> {
    let mut lines = Vec::new();
    let end =
        kernel.boot(arch, &["touch-a-guard".to_string()], &[], |line| lines.push(line.into()))?;
    let shows = |text| lines.iter().any(|line: &String| line.starts_with(text));
    match end == End::Verdict(EXCEPTION)
        && shows("touching a guard")
        && shows("unexpected exception: ")
    {
        true => Ok(()),
        false => Err(format!("ended with {end:?}:\n{}", lines.join("\n"))),
    }
}

fn cases(
    arch: Arch,
    kernel: &Kernel,
    filter: &str,
    protected: bool,
    every_instruction: bool,
) -> Result<(u64, u64)> {
    let extra: &[&str] = if protected { &PROTECTING } else { &[] };
    let (mut passed, mut failed, mut from) = (0, 0, 0);
    loop {
        let mut args = vec![format!("from={from}"), format!("filter={filter}")];
        args.extend(protected.then(|| "protected-branches".to_string()));
        args.extend(every_instruction.then(|| EVERY_INSTRUCTION.to_string()));
        let (mut last, mut completed) = (None, 0);
        let end = kernel.boot(arch, &args, extra, |line| {
            let number = line.strip_prefix("case ").and_then(|rest| rest.split(' ').next());
            let done = line.ends_with("... ok");
            if let Some(number) = number.and_then(|number| number.parse::<u64>().ok()) {
                last = (!done).then_some(number);
                completed += u64::from(done);
            }
            if !done || every_instruction {
                qemu::show(line);
            }
        })?;
        passed += completed;
        match (end, last) {
            (End::Verdict(0), None) if completed > 0 => return Ok((passed, failed)),
            // A slow machine: the next boot goes on with the case that was cut off.
            (End::Deadline, Some(number)) if completed > 0 => from = number,
            (end, Some(number)) => {
                println!("case {number} failed in the {} kernel: {end:?}", arch.name());
                failed += 1;
                if failed >= MOST_FAILURES {
                    println!("too many failures, the rest is not run");
                    return Ok((passed, failed));
                }
                from = number + 1;
            }
            (end, None) => return Err(format!("the kernel ended outside of a case: {end:?}")),
        }
    }
}

fn on_several(
    arch: Arch,
    kernel: &Kernel,
    filter: &str,
    processors: Processors,
    every_setup: bool,
) -> Result<(u64, u64)> {
    let (mut skip, mut passed, mut failed) = (BTreeSet::new(), 0, 0);
    loop {
        let mut args = vec![format!("filter={filter}"), format!("skip={}", several::ranges(&skip))];
        args.extend(processors.arguments());
        args.extend(every_setup.then(|| "every-setup".to_string()));
        let mut flight = Flight::new("case");
        let options = processors.options();
        let boot = Boot {
            arch,
            kernel: &kernel.path,
            args: &args,
            files: &kernel.files,
            deadline: several::DEADLINE,
            accel: processors.accel(),
            extra: &options.iter().map(String::as_str).collect::<Vec<_>>(),
        };
        let end = boot.run(|line| {
            if !flight.line(line) {
                qemu::show(line);
            }
        })?;
        passed += flight.done.len() as u64;
        skip.extend(&flight.done);
        match (end, flight.done.is_empty()) {
            (End::Verdict(0), false) if flight.open.is_empty() => return Ok((passed, failed)),
            // A slow machine: the next boot goes on with what was cut off.
            (End::Deadline, false) => continue,
            _ => {}
        }
        let blamed = flight.to_blame();
        if blamed.is_empty() {
            return Err(format!("the kernel ended outside of a case: {end:?}"));
        }
        for (number, name) in blamed {
            println!("case {number} {name} failed in the {} kernel: {end:?}", arch.name());
            skip.insert(number);
            failed += 1;
        }
        if failed >= MOST_FAILURES {
            println!("too many failures, the rest is not run");
            return Ok((passed, failed));
        }
    }
}

/// The assembled module texts of all cases: those of `testsuite`, noted by
/// running them on the host, and those of the kernel's own cases.
fn texts(arch: Arch) -> Result<Vec<u8>> {
    let path = paths::scratch("suite")?.join(format!("{}.texts", arch.name()));
    let tool = cargo::tool("assemble")?;
    let status = Command::new(&tool).arg(&path).stdin(Stdio::null()).status();
    if !status.map_err(|error| format!("{}: {error}", tool.display()))?.success() {
        return Err("the texts of the suite's modules could not be assembled".into());
    }
    let mut bytes = std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    for (text, module) in kernel_texts(&paths::root().join("tests-qemu/src/bin/suite/guests"))? {
        for part in [text.as_bytes(), &module] {
            bytes.extend((part.len() as u32).to_le_bytes());
            bytes.extend(part);
        }
    }
    Ok(bytes)
}

/// The files that the kernel's own cases include, and the modules they are.
fn kernel_texts(folder: &Path) -> Result<Vec<(String, Vec<u8>)>> {
    let problem = |path: &Path, error: &dyn Display| format!("{}: {error}", path.display());
    let mut texts = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|error| problem(folder, &error))? {
        let path = entry.map_err(|error| problem(folder, &error))?.path();
        let text = std::fs::read_to_string(&path).map_err(|error| problem(&path, &error))?;
        let module = wat::parse_str(&text).map_err(|error| problem(&path, &error))?;
        texts.push((text, module));
    }
    Ok(texts)
}
