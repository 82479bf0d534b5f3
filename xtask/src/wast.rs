//! `./x wast`: WebAssembly script files, on the host or in a kernel. The tool
//! `kernref-wast` encodes them; what runs them prints the lines that
//! `wast-script/src/report.rs` describes. A file that ends the run, by a crash
//! or by taking too long, has failed; the files after it are run in a new one.

use crate::blame::{self, Blame, Progress};
use crate::qemu::{self, Arch, Boot, End};
use crate::setup::Setup;
use crate::several::{self, Flight, Processors};
use crate::{Result, cargo, paths, process};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

/// Files for one boot of a kernel.
const BATCH_FILES: usize = 32;
/// For one boot, or one run on the host, unless told otherwise.
const DEADLINE: Duration = Duration::from_secs(300);
/// After this many runs that end badly, the rest is not run.
const MOST_CRASHES: u64 = 20;

/// Arguments of `./x wast`.
#[derive(clap::Args)]
pub struct Args {
    /// Where: host, x86_64 or aarch64 (kernels in QEMU).
    #[arg(long, value_enum, default_value = "host")]
    on: On,
    #[command(flatten)]
    setup: Setup,
    #[command(flatten)]
    processors: Processors,
    /// Give a run up after this many seconds: a boot of a kernel with up to 32
    /// files, or the whole on the host.
    #[arg(long, value_name = "SECONDS", default_value_t = DEADLINE.as_secs())]
    timeout: u64,
    /// Script files or folders; without any, the official test suite.
    paths: Vec<PathBuf>,
}

/// Where scripts run.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum On {
    /// In a process here.
    Host,
    /// In a kernel on QEMU's q35.
    #[value(name = "x86_64")]
    X86_64,
    /// In a kernel on QEMU's virt.
    #[value(name = "aarch64")]
    Aarch64,
}

impl From<Arch> for On {
    fn from(arch: Arch) -> Self {
        match arch {
            Arch::X86_64 => On::X86_64,
            Arch::Aarch64 => On::Aarch64,
        }
    }
}

/// How scripts run.
struct How {
    /// Where.
    on: On,
    /// Under which setup.
    setup: Setup,
    /// In a kernel, on how many processors.
    processors: Processors,
    /// For one boot, or one run on the host.
    deadline: Duration,
    /// Files that pass are not shown.
    terse: bool,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<ExitCode> {
    let scripts = Scripts::encode(&args.paths)?;
    let deadline = Duration::from_secs(args.timeout);
    if args.on == On::Host && args.processors.smp.is_some() {
        return Err("--smp is for kernels".into());
    }
    let (on, setup, processors) = (args.on, args.setup, args.processors);
    let how = How { on, setup, processors, deadline, terse: false };
    let (passed, failed) = scripts.run(&how)?;
    println!("{passed} passed, {failed} failed");
    Ok(ExitCode::from(u8::from(failed > 0)))
}

/// Encoded scripts.
pub struct Scripts {
    pack: PathBuf,
    tool: PathBuf,
    files: Vec<(String, Vec<u8>)>,
}

impl Scripts {
    /// Encodes the scripts below `paths`; the official ones if there are none.
    pub fn encode(paths: &[PathBuf]) -> Result<Self> {
        let tool = cargo::tool("kernref-wast")?;
        let name = format!("{}.pack", std::process::id());
        let pack = paths::scratch("wast")?.join(name);
        let status = Command::new(&tool).arg("encode").arg(&pack).args(paths).status();
        let status = status.map_err(|error| format!("{}: {error}", tool.display()))?;
        if !status.success() {
            return Err("the scripts could not be encoded".into());
        }
        let files = read(&pack)?;
        Ok(Self { pack, tool, files })
    }

    /// Runs them as `./x test` does.
    pub fn check(&self, on: On, setup: Setup) -> Result<(u64, u64)> {
        let processors = Processors::default();
        self.run(&How { on, setup, processors, deadline: DEADLINE, terse: true })
    }

    /// The same as threads on several processors of a kernel.
    pub fn check_on_several(
        &self,
        arch: Arch,
        setup: Setup,
        processors: Processors,
    ) -> Result<(u64, u64)> {
        let deadline = several::DEADLINE;
        self.run(&How { on: arch.into(), setup, processors, deadline, terse: true })
    }

    /// Runs them; returns passed and failed.
    fn run(&self, how: &How) -> Result<(u64, u64)> {
        let kernel = match how.on {
            On::Host => None,
            On::X86_64 => Some((Arch::X86_64, cargo::kernel(Arch::X86_64, "wast")?)),
            On::Aarch64 => Some((Arch::Aarch64, cargo::kernel(Arch::Aarch64, "wast")?)),
        };
        let started = Instant::now();
        if let (Some((arch, kernel)), Some(_)) = (&kernel, how.processors.smp) {
            return self.on_several(*arch, kernel, how);
        }
        let (mut passed, mut failed, mut from, mut crashes) = (0, 0, 0, 0);
        while from < self.files.len() {
            let mut progress = Progress::default();
            let line = |text: &str| {
                progress.line(text, from);
                if !(how.terse && text.ends_with(" passed, 0 failed") && text.starts_with("file "))
                {
                    qemu::show(text);
                }
            };
            let (end, to) = match &kernel {
                Some((arch, kernel)) => self.boot(*arch, kernel, how, from, line)?,
                None => self.spawn(how, from, line)?,
            };
            passed += progress.passed;
            failed += progress.failed;
            from += progress.done;
            let Some(blame) = progress.blame(end, from, to) else { continue };
            let name = |at: usize| self.files.get(at).map_or("?", |(name, _)| name);
            match blame {
                Blame::Within(at) => {
                    println!("file {at} {} failed: it ended the run: {end:?}", name(at));
                    from += 1;
                }
                Blame::Before(at) => {
                    println!("file {at} {} failed: the run ended before it: {end:?}", name(at));
                    from += 1;
                }
                Blame::After(at) => {
                    println!("file {at} {} failed: the run ended after it: {end:?}", name(at));
                }
            }
            failed += 1;
            crashes += 1;
            if crashes == MOST_CRASHES {
                println!(
                    "too many runs ended badly, {} files count as failed",
                    self.files.len() - from
                );
                failed += (self.files.len() - from) as u64;
                break;
            }
        }
        println!("{} files in {:.1} s", self.files.len(), started.elapsed().as_secs_f32());
        Ok((passed, failed))
    }

    /// Runs all in a kernel, by threads: what ends badly counts against the file
    /// whose thread the kernel names, or else against all that were running.
    fn on_several(&self, arch: Arch, kernel: &Path, how: &How) -> Result<(u64, u64)> {
        let (mut passed, mut failed, mut crashes) = (0, 0, 0);
        let mut left: BTreeSet<usize> = (0..self.files.len()).collect();
        while !left.is_empty() {
            // The kernel counts the files that it gets.
            let batch: Vec<usize> = left.iter().copied().take(BATCH_FILES).collect();
            let files: Vec<_> = batch.iter().map(|at| self.files[*at].clone()).collect();
            let mut args = vec!["first=0".to_string()];
            args.extend(how.setup.arguments());
            args.extend(how.processors.arguments());
            let options = how.processors.options();
            let boot = Boot {
                arch,
                kernel,
                args: &args,
                files: &files,
                deadline: how.deadline,
                accel: how.processors.accel(),
                extra: &options.iter().map(String::as_str).collect::<Vec<_>>(),
            };
            let mut flight = Flight::new("file");
            let end = boot.run(|line| {
                let usual = flight.line(line);
                if let Some((p, f)) = blame::outcome(line) {
                    passed += p;
                    failed += f;
                }
                if !(usual && how.terse) {
                    qemu::show(line);
                }
            })?;
            let number = |at: &u64| batch.get(*at as usize).copied();
            flight.done.iter().filter_map(number).for_each(|at| _ = left.remove(&at));
            if end == End::Verdict(0) && flight.open.is_empty() && !flight.done.is_empty()
                || end == End::Deadline && !flight.done.is_empty()
            {
                continue;
            }
            let blamed = flight.to_blame();
            if blamed.is_empty() {
                return Err(format!("the kernel ended outside of a file: {end:?}"));
            }
            for (at, name) in blamed {
                println!("file {name} failed: it ended the run: {end:?}");
                number(&at).into_iter().for_each(|at| _ = left.remove(&at));
                failed += 1;
            }
            crashes += 1;
            if crashes == MOST_CRASHES {
                println!("too many runs ended badly, {} files count as failed", left.len());
                return Ok((passed, failed + left.len() as u64));
            }
        }
        Ok((passed, failed))
    }

    /// Runs a batch in a kernel; also returns where the batch ends.
    fn boot(
        &self,
        arch: Arch,
        kernel: &Path,
        how: &How,
        from: usize,
        line: impl FnMut(&str),
    ) -> Result<(End, usize)> {
        let to = self.files.len().min(from + BATCH_FILES);
        let mut args = vec![format!("first={from}")];
        args.extend(how.setup.arguments());
        let boot = Boot {
            arch,
            kernel,
            args: &args,
            files: &self.files[from..to],
            deadline: how.deadline,
            accel: "tcg",
            extra: &[],
        };
        Ok((boot.run(line)?, to))
    }

    /// Runs the rest in a process.
    fn spawn(&self, how: &How, from: usize, line: impl FnMut(&str)) -> Result<(End, usize)> {
        let Setup { policy, zeal, hardware_traps, as_if_large, artifacts, guards_off } = how.setup;
        let mut command = Command::new(&self.tool);
        command.arg("run").arg(&self.pack).arg(from.to_string()).arg(policy.name());
        command.args(zeal.then_some("zeal"));
        command.args(hardware_traps.then_some("hardware-traps"));
        command.args(as_if_large.then_some("as-if-large"));
        command.args(artifacts.then_some("artifacts"));
        command.args(guards_off.then_some("guards-off"));
        let end = match process::watch(command, how.deadline, line)? {
            None => End::Deadline,
            Some(status) => match status.code().and_then(|code| u8::try_from(code).ok()) {
                Some(code) => End::Verdict(code),
                None => End::Lost(None),
            },
        };
        Ok((end, self.files.len()))
    }
}

impl Drop for Scripts {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.pack);
    }
}

/// Reads a pack: see `pack.rs` of `kernref-wast`.
fn read(path: &Path) -> Result<Vec<(String, Vec<u8>)>> {
    let bytes = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let cut = || format!("{} is not a pack", path.display());
    let mut rest = bytes.strip_prefix(b"KREFPACK").ok_or_else(cut)?;
    let mut files = Vec::new();
    while !rest.is_empty() {
        let mut part = || {
            let (len, tail) = rest.split_first_chunk::<4>()?;
            let (part, tail) = tail.split_at_checked(u32::from_le_bytes(*len) as usize)?;
            rest = tail;
            Some(part.to_vec())
        };
        let (Some(name), Some(script)) = (part(), part()) else { return Err(cut()) };
        files.push((String::from_utf8(name).map_err(|_| cut())?, script));
    }
    Ok(files)
}
