//! The test suite in a kernel. A case that fails ends the kernel; it is then
//! booted again for the cases after it.

use crate::qemu::{self, Arch, Boot, End, SOFT_FLOAT};
use crate::{Result, cargo, paths};
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// For one boot; a case that does not end within one fails.
const DEADLINE: Duration = Duration::from_secs(300);
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
    /// On a processor that asks for landing instructions and checks signed return
    /// addresses, with guests that have both (aarch64). Needs a filter.
    #[arg(long, requires = "filter")]
    protected_branches: bool,
    /// Only the cases whose name contains this.
    filter: Option<String>,
}

/// Runs the command; passed and failed.
pub fn run(args: &Args) -> Result<(u64, u64)> {
    match (&args.filter, args.soft_float, args.arch) {
        (filter, true, Arch::Aarch64) => soft_float(filter.as_deref().unwrap_or("")),
        (_, true, Arch::X86_64) => Err("--soft-float is for --arch aarch64".into()),
        (None, false, arch) => check(arch),
        (Some(filter), false, arch) => {
            cases(arch, &kernel(arch, arch.target())?, filter, args.protected_branches)
        }
    }
}

/// The cases in the aarch64 kernel without vector registers in Rust code.
pub fn soft_float(filter: &str) -> Result<(u64, u64)> {
    cases(Arch::Aarch64, &kernel(Arch::Aarch64, SOFT_FLOAT)?, filter, false)
}

/// All cases; passed and failed.
pub fn check(arch: Arch) -> Result<(u64, u64)> {
    let kernel = kernel(arch, arch.target())?;
    let (mut passed, mut failed) = cases(arch, &kernel, "", false)?;
    if matches!(arch, Arch::Aarch64) {
        println!("with protected branches:");
        for filter in PROTECTED {
            let (more_passed, more_failed) = cases(arch, &kernel, filter, true)?;
            (passed, failed) = (passed + more_passed, failed + more_failed);
        }
    }
    Ok(match fault_is_reported(arch, &kernel) {
        Ok(()) => (passed + 1, failed),
        Err(why) => {
            println!("a fault of the {} kernel's own: {why}", arch.name());
            (passed, failed + 1)
        }
    })
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

fn cases(arch: Arch, kernel: &Kernel, filter: &str, protected: bool) -> Result<(u64, u64)> {
    let extra: &[&str] = if protected { &PROTECTING } else { &[] };
    let (mut passed, mut failed, mut from) = (0, 0, 0);
    loop {
        let mut args = vec![format!("from={from}"), format!("filter={filter}")];
        args.extend(protected.then(|| "protected-branches".to_string()));
        let (mut last, mut completed) = (None, 0);
        let end = kernel.boot(arch, &args, extra, |line| {
            let number = line.strip_prefix("case ").and_then(|rest| rest.split(' ').next());
            let done = line.ends_with("... ok");
            if let Some(number) = number.and_then(|number| number.parse::<u64>().ok()) {
                last = (!done).then_some(number);
                completed += u64::from(done);
            }
            if !done {
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
