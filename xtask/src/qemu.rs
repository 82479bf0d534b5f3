//! Booting a kernel in QEMU, with a deadline on this side.

use crate::{Result, paths, payload, process};
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// A machine for which there are kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Arch {
    /// QEMU's q35.
    #[value(name = "x86_64")]
    X86_64,
    /// QEMU's virt.
    #[value(name = "aarch64")]
    Aarch64,
}

/// The target without vector registers in Rust code. On x86_64 every bare target
/// is like that.
pub const SOFT_FLOAT: &str = "aarch64-unknown-none-softfloat";

impl Arch {
    /// Both.
    pub const ALL: [Arch; 2] = [Arch::X86_64, Arch::Aarch64];

    /// Rust's name for the bare target.
    pub fn target(self) -> &'static str {
        match self {
            Arch::X86_64 => "x86_64-unknown-none",
            Arch::Aarch64 => "aarch64-unknown-none",
        }
    }

    /// As the user spells it.
    pub fn name(self) -> &'static str {
        match self {
            Arch::X86_64 => "x86_64",
            Arch::Aarch64 => "aarch64",
        }
    }

    fn payload_address(self) -> u64 {
        match self {
            Arch::X86_64 => 0x3800_0000,
            Arch::Aarch64 => 0x7800_0000,
        }
    }

    fn command(self) -> Command {
        let (program, machine): (_, &[&str]) = match self {
            Arch::X86_64 => (
                "qemu-system-x86_64",
                &["-M", "q35", "-device", "isa-debug-exit,iobase=0xf4,iosize=4"],
            ),
            Arch::Aarch64 => ("qemu-system-aarch64", &["-M", "virt", "-semihosting"]),
        };
        let mut command = Command::new(program);
        command.args(machine).args(["-m", "1024M", "-display", "none", "-serial", "stdio"]);
        command.args(["-monitor", "none", "-no-reboot"]);
        command
    }

    /// The kernel's verdict behind QEMU's exit status, if it gave one.
    fn verdict(self, status: i32) -> Option<u8> {
        let code = match self {
            Arch::X86_64 => (status >> 1).checked_sub(16).filter(|_| status & 1 == 1)?,
            Arch::Aarch64 => status - 64,
        };
        u8::try_from(code).ok()
    }
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The kernel's own verdict: see `Verdict` in `tests-qemu/src/lib.rs`.
    Verdict(u8),
    /// QEMU ended without one: a triple fault, or QEMU itself failed.
    Lost(Option<i32>),
    /// The deadline passed, and QEMU was killed.
    Deadline,
}

/// What to boot and how.
pub struct Boot<'a> {
    /// The machine.
    pub arch: Arch,
    /// The kernel's ELF file.
    pub kernel: &'a Path,
    /// Arguments for it.
    pub args: &'a [String],
    /// Files for it.
    pub files: &'a [(String, Vec<u8>)],
    /// When to give up.
    pub deadline: Duration,
    /// QEMU's accelerator.
    pub accel: &'a str,
    /// Further options for QEMU.
    pub extra: &'a [&'a str],
}

impl Boot<'_> {
    /// Boots, hands each line of the console to `line`, and waits for the end.
    pub fn run(&self, line: impl FnMut(&str)) -> Result<End> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}-{number}.payload", std::process::id());
        let file = paths::scratch("payload")?.join(name);
        payload::write(&file, self.args, self.files)?;
        let loader = format!(
            "loader,file={},addr={:#x},force-raw=on",
            file.display().to_string().replace(',', ",,"),
            self.arch.payload_address()
        );
        let cpu = match (self.arch, self.accel) {
            (_, "kvm") => "host",
            (Arch::X86_64, _) => "max",
            (Arch::Aarch64, _) => "cortex-a72",
        };
        let mut command = self.arch.command();
        command.args(["-accel", self.accel, "-cpu", cpu, "-device", &loader]);
        command.arg("-kernel").arg(self.kernel).args(self.extra);
        let end = process::watch(command, self.deadline, line);
        let _ = std::fs::remove_file(&file);
        Ok(match end? {
            Some(status) => match status.code().and_then(|code| self.arch.verdict(code)) {
                Some(verdict) => End::Verdict(verdict),
                None => End::Lost(status.code()),
            },
            None => End::Deadline,
        })
    }
}

/// Shows a line of the console at once.
pub fn show(line: &str) {
    println!("{line}");
    let _ = std::io::stdout().flush();
}
