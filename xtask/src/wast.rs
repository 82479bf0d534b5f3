//! `./x wast`: WebAssembly script files, on the host or in a kernel. The tool
//! `kernref-wast` encodes them; what runs them prints the lines that
//! `wast-script/src/report.rs` describes. A file that ends the run, by a crash
//! or by taking too long, has failed; the files after it are run in a new one.

use crate::blame::{Blame, Progress};
use crate::qemu::{self, Arch, Boot, End};
use crate::setup::Setup;
use crate::{Result, cargo, paths, process};
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
    /// For one boot, or one run on the host.
    deadline: Duration,
    /// Files that pass are not shown.
    terse: bool,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<ExitCode> {
    let scripts = Scripts::encode(&args.paths)?;
    let deadline = Duration::from_secs(args.timeout);
    let how = How { on: args.on, setup: args.setup, deadline, terse: false };
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
        self.run(&How { on, setup, deadline: DEADLINE, terse: true })
    }

    /// Runs them; returns passed and failed.
    fn run(&self, how: &How) -> Result<(u64, u64)> {
        let kernel = match how.on {
            On::Host => None,
            On::X86_64 => Some((Arch::X86_64, cargo::kernel(Arch::X86_64, "wast")?)),
            On::Aarch64 => Some((Arch::Aarch64, cargo::kernel(Arch::Aarch64, "wast")?)),
        };
        let started = Instant::now();
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
