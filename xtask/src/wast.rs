//! `./x wast`: WebAssembly script files, on the host or in a kernel. The tool
//! `kernref-wast` encodes them; what runs them prints the lines that
//! `wast-script/src/report.rs` describes. A file that ends the run, by a
//! crash or by taking too long, has failed; the files after it are run anew.

use crate::qemu::{self, Arch, Boot, End};
use crate::{Result, cargo, paths, process};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

/// Files for one boot of a kernel.
const BATCH_FILES: usize = 32;
/// For one boot, or one run on the host, unless told otherwise.
const DEADLINE: Duration = Duration::from_secs(300);
/// Runs that end badly, after which the rest is given up.
const MOST_CRASHES: u64 = 20;

/// Arguments of `./x wast`.
#[derive(clap::Args)]
pub struct Args {
    /// Where: host, x86_64 or aarch64 (kernels in QEMU).
    #[arg(long, value_enum, default_value = "host")]
    on: On,
    /// When the runtime counts references: see docs/gc.md.
    #[arg(long, value_parser = ["zero-count", "clone-on-read"], default_value = "zero-count")]
    policy: String,
    /// Collect at every safepoint and check the collector's invariants.
    #[arg(long)]
    zeal: bool,
    /// Leave the bounds of linear memories to the hardware.
    #[arg(long)]
    hardware_traps: bool,
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
pub struct Setup<'a> {
    /// Where.
    pub on: On,
    /// The deferral policy.
    pub policy: &'a str,
    /// Collecting at every safepoint.
    pub zeal: bool,
    /// Bounds are left to the hardware.
    pub hardware_traps: bool,
    /// For one boot, or one run on the host.
    pub deadline: Duration,
    /// Files that pass are not shown.
    pub terse: bool,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<ExitCode> {
    let scripts = Scripts::encode(&args.paths)?;
    let deadline = Duration::from_secs(args.timeout);
    let Args { on, ref policy, zeal, hardware_traps, .. } = *args;
    let setup = Setup { on, policy, zeal, hardware_traps, deadline, terse: false };
    let (passed, failed) = scripts.run(&setup)?;
    println!("{passed} passed, {failed} failed");
    Ok(ExitCode::from(u8::from(failed > 0)))
}

/// Encoded scripts.
pub struct Scripts {
    pack: PathBuf,
    tool: PathBuf,
    files: Vec<(String, Vec<u8>)>,
}

/// What one run, from some file on, came to.
#[derive(Default)]
struct Progress {
    passed: u64,
    failed: u64,
    /// Files that are done.
    done: usize,
    /// Whether another file was begun.
    begun: bool,
}

impl Progress {
    /// Takes note of a line. Only the file that is due counts.
    fn line(&mut self, text: &str, from: usize) {
        let due = format!("file {} ", from + self.done);
        let Some((_, outcome)) = text.strip_prefix(&due).and_then(|rest| rest.split_once(" ... "))
        else {
            return;
        };
        match counts(outcome) {
            Some((passed, failed)) => {
                self.passed += passed;
                self.failed += failed;
                self.done += 1;
            }
            None => self.begun = true,
        }
    }

    /// Which file the `end` of a run of `from..to` counts against, where
    /// `from` is past the files that are done. `None`: none, go on.
    fn blame(&self, end: End, from: usize, to: usize) -> Option<Blame> {
        match (end, self.done) {
            (End::Verdict(0), _) if from == to => None,
            // It may have been slow only for what came before.
            (End::Deadline, 1..) if from < to => None,
            _ if from < to && self.begun => Some(Blame::Within(from)),
            (_, 0) => Some(Blame::Before(from)),
            _ => Some(Blame::After(from - 1)),
        }
    }
}

/// The file that a run's bad end counts against.
#[derive(Debug, PartialEq, Eq)]
enum Blame {
    /// It was running.
    Within(usize),
    /// It was to come first, and nothing got done.
    Before(usize),
    /// It was done, and what it left behind ended the run.
    After(usize),
}

/// `P passed, F failed`.
fn counts(text: &str) -> Option<(u64, u64)> {
    let (passed, failed) = text.strip_suffix(" failed")?.split_once(" passed, ")?;
    Some((passed.parse().ok()?, failed.parse().ok()?))
}

impl Scripts {
    /// Encodes the scripts below `paths`; the official ones if there are none.
    pub fn encode(paths: &[PathBuf]) -> Result<Self> {
        let root = paths::root();
        let package = ["--locked", "--package", "kernref-wast-script", "--features", "host"];
        let build = ["build", "--quiet", "--bin", "kernref-wast"];
        cargo::run(root, &[&build[..], &package[..]].concat())?;
        let tool = paths::target().join("debug").join("kernref-wast");
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
    pub fn check(
        &self,
        on: On,
        policy: &str,
        zeal: bool,
        hardware_traps: bool,
    ) -> Result<(u64, u64)> {
        self.run(&Setup { on, policy, zeal, hardware_traps, deadline: DEADLINE, terse: true })
    }

    /// Runs them; gives passed and failed.
    pub fn run(&self, setup: &Setup<'_>) -> Result<(u64, u64)> {
        let kernel = match setup.on {
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
                if !(setup.terse
                    && text.ends_with(" passed, 0 failed")
                    && text.starts_with("file "))
                {
                    qemu::show(text);
                }
            };
            let (end, to) = match &kernel {
                Some((arch, kernel)) => self.boot(*arch, kernel, setup, from, line)?,
                None => self.spawn(setup, from, line)?,
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

    /// Runs a batch in a kernel; gives also where the batch ends.
    fn boot(
        &self,
        arch: Arch,
        kernel: &Path,
        setup: &Setup<'_>,
        from: usize,
        line: impl FnMut(&str),
    ) -> Result<(End, usize)> {
        let to = self.files.len().min(from + BATCH_FILES);
        let mut args = vec![format!("first={from}"), format!("policy={}", setup.policy)];
        args.extend(setup.zeal.then(|| "zeal=1".to_string()));
        args.extend(setup.hardware_traps.then(|| "hardware-traps=1".to_string()));
        let boot = Boot {
            arch,
            kernel,
            args: &args,
            files: &self.files[from..to],
            deadline: setup.deadline,
            accel: "tcg",
            extra: &[],
        };
        Ok((boot.run(line)?, to))
    }

    /// Runs the rest in a process.
    fn spawn(
        &self,
        setup: &Setup<'_>,
        from: usize,
        line: impl FnMut(&str),
    ) -> Result<(End, usize)> {
        let mut command = Command::new(&self.tool);
        command.arg("run").arg(&self.pack).arg(from.to_string()).arg(setup.policy);
        command.args(setup.zeal.then_some("zeal"));
        command.args(setup.hardware_traps.then_some("hardware-traps"));
        let end = match process::watch(command, setup.deadline, line)? {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_file_that_is_due_counts() {
        let mut progress = Progress::default();
        progress.line("file 4 a.wast ... 9 passed, 9 failed", 5);
        progress.line("file 5 a.wast ... 3 passed, 1 failed", 5);
        progress.line("  a.wast:3: file 6 x ... 1 passed, 0 failed", 5);
        assert_eq!((progress.passed, progress.failed, progress.done), (3, 1, 1));
        assert!(!progress.begun);
        progress.line("file 6 b.wast ... kernel panic: no", 5);
        assert!(progress.begun && progress.done == 1);
    }

    #[test]
    fn a_bad_end_counts_against_the_file_that_caused_it() {
        let blame = |end, done, begun, to| {
            Progress { done, begun, ..Progress::default() }.blame(end, 5 + done, to)
        };
        let crash = End::Verdict(3);
        assert_eq!(blame(End::Verdict(0), 3, false, 8), None);
        assert_eq!(blame(crash, 2, true, 8), Some(Blame::Within(7)));
        assert_eq!(blame(crash, 0, false, 8), Some(Blame::Before(5)));
        // Not file 8, which is in the next batch, and not file 7.
        assert_eq!(blame(crash, 3, false, 8), Some(Blame::After(7)));
        assert_eq!(blame(crash, 2, false, 8), Some(Blame::After(6)));
        assert_eq!(blame(End::Verdict(0), 2, false, 8), Some(Blame::After(6)));
        assert_eq!(blame(End::Deadline, 2, true, 8), None);
        assert_eq!(blame(End::Deadline, 0, false, 8), Some(Blame::Before(5)));
        assert_eq!(blame(End::Deadline, 3, false, 8), Some(Blame::After(7)));
    }
}
