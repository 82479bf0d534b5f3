//! `./x run`: one module in the demonstration kernel.

use crate::precompiled::Precompiler;
use crate::qemu::{self, Arch, Boot, End};
use crate::setup::{Policy, Setup};
use crate::several::Processors;
use crate::{Result, cargo, guest_args, paths, wasi};
use clap::ValueEnum;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// Arguments of `./x run`.
#[derive(clap::Args)]
pub struct Args {
    /// The machine.
    #[arg(long, value_enum, default_value = "x86_64")]
    arch: Arch,
    /// Call this export instead of `run` or `_start`.
    #[arg(long, value_name = "NAME")]
    invoke: Option<String>,
    #[command(flatten)]
    setup: Setup,
    #[command(flatten)]
    processors: Processors,
    /// Run this many guests at once, with --smp: each a thread with a store of its own
    /// and one of three priorities. Twice as many as processors if not given.
    #[arg(long, value_name = "GUESTS", requires = "smp")]
    guests: Option<u32>,
    /// Interrupt the guest after this many seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    timeout: u32,
    /// QEMU's accelerator: tcg, or kvm where it works.
    #[arg(long, default_value = "tcg")]
    accel: String,
    #[command(flatten)]
    wasi: wasi::Handover,
    /// Compile and sign the module here, and run it in a kernel without the compiler.
    #[arg(long)]
    precompiled: bool,
    /// A .wasm or .wat file; without it, the bundled demonstration.
    file: Option<PathBuf>,
    /// Arguments of the function: numbers; for externrefs null, console,
    /// clock, block:BYTES or counter:NAME. Arguments of a program for WASI.
    #[arg(allow_hyphen_values = true, trailing_var_arg = true)]
    args: Vec<String>,
}

/// The demonstration that comes with the repository.
pub fn bundled() -> PathBuf {
    paths::root().join("examples/guests/demo/demo.wat")
}

/// A module's bytes; text is assembled.
pub fn load(path: &Path) -> Result<Vec<u8>> {
    let bytes = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    assembled(path, bytes)
}

fn assembled(path: &Path, bytes: Vec<u8>) -> Result<Vec<u8>> {
    let has_mark = bytes.starts_with(b"\xef\xbb\xbf");
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes).trim_ascii_start();
    let is_text = text.starts_with(b"(") || text.starts_with(b";;");
    let name = path.display();
    match path.extension().is_some_and(|extension| extension == "wat") {
        true if has_mark => Err(format!(
            "{name}: begins with a byte order mark, which is no part of the text format; save \
             the file as UTF-8 without one"
        )),
        true => wat::Parser::new()
            .parse_bytes(Some(path), &bytes)
            .map(|b| b.into_owned())
            .map_err(|error| format!("{error}")),
        false if is_text => Err(format!(
            "{name}: is text and not a binary module; rename it to .wat to have it assembled"
        )),
        false => Ok(bytes),
    }
}

/// Options of [`run`] may follow the file as well; anything else there is an
/// argument of the function.
fn hoist(args: &Args) -> Result<(Args, Vec<String>)> {
    let mut hoisted = Args {
        invoke: args.invoke.clone(),
        accel: args.accel.clone(),
        file: args.file.clone(),
        wasi: args.wasi.clone(),
        args: Vec::new(),
        ..*args
    };
    let mut rest = Vec::new();
    let mut words = args.args.iter();
    while let Some(word) = words.next() {
        let (flag, mut value) = match word.split_once('=') {
            Some((flag, value)) if flag.starts_with("--") => (flag, Some(value.to_string())),
            _ => (word.as_str(), None),
        };
        let mut operand = || {
            value.take().or_else(|| words.next().cloned()).ok_or(format!("{flag} wants a value"))
        };
        match flag {
            "--arch" => {
                let name = operand()?;
                hoisted.arch = Arch::from_str(&name, false)
                    .map_err(|_| format!("no machine is called `{name}`"))?;
            }
            "--invoke" => hoisted.invoke = Some(operand()?),
            "--policy" => {
                let name = operand()?;
                hoisted.setup.policy = Policy::from_str(&name, false)
                    .map_err(|_| format!("no policy is called `{name}`"))?;
            }
            "--accel" => hoisted.accel = operand()?,
            "--timeout" => {
                hoisted.timeout =
                    operand()?.parse().map_err(|_| "--timeout wants seconds".to_string())?;
            }
            "--smp" => hoisted.processors.smp = Some(count(flag, &operand()?, 1..=8)?),
            "--tick-us" => {
                hoisted.processors.tick_us = Some(count(flag, &operand()?, 0..=u32::MAX)?);
            }
            "--random" => hoisted.processors.random = Some(count(flag, &operand()?, 0..=u32::MAX)?),
            "--guests" => hoisted.guests = Some(count(flag, &operand()?, 1..=u32::MAX)?),
            "--precompiled" => hoisted.precompiled = true,
            "--zeal" => hoisted.setup.zeal = true,
            "--hardware-traps" => hoisted.setup.hardware_traps = true,
            "--" => rest.extend(words.by_ref().cloned()),
            _ if flag.starts_with("--") => return Err(format!("unknown option {flag}")),
            _ => rest.push(word.clone()),
        }
    }
    let Processors { smp, tick_us, random } = hoisted.processors;
    if smp.is_none() && (tick_us.is_some() || random.is_some() || hoisted.guests.is_some()) {
        return Err("--guests, --tick-us and --random want --smp".into());
    }
    Ok((hoisted, rest))
}

/// The number that an option is given.
fn count(flag: &str, text: &str, range: std::ops::RangeInclusive<u32>) -> Result<u32> {
    let wrong = || format!("{flag} wants a number from {} to {}", range.start(), range.end());
    text.parse().ok().filter(|number| range.contains(number)).ok_or_else(wrong)
}

/// The kernel's verdict on a guest that did not end in time.
pub const LATE: u8 = 5;

/// Runs the command.
pub fn run(args: &Args) -> Result<ExitCode> {
    let file = args.file.clone().unwrap_or_else(bundled);
    let bytes = load(&file)?;
    if wasi::is_for_wasi(&bytes) {
        return run_program(args, &file, bytes);
    }
    let (args, values) = hoist(args)?;
    if !args.wasi.is_empty() {
        return Err(format!("{}: only programs for WASI are handed that", file.display()));
    }
    if args.precompiled && args.processors.smp.is_some() {
        return Err("--precompiled: guests on several processors are compiled there".into());
    }
    let mut requests = args.setup.arguments();
    let (kernel, bytes) = match args.precompiled {
        false => (cargo::kernel(args.arch, "demo")?, bytes),
        true => {
            let artifact = Precompiler::new()?.compile(args.arch, args.setup, &file)?;
            requests.push(format!("key={}", artifact.key));
            (cargo::kernel_without_compiler(args.arch)?, artifact.bytes)
        }
    };
    requests.push(format!("timeout={}", args.timeout));
    requests.extend(args.invoke.iter().map(|name| format!("invoke={name}")));
    for value in &values {
        requests.push(guest_args::request(value)?);
    }
    requests.extend(args.processors.arguments());
    requests.extend(args.guests.map(|count| format!("guests={count}")));
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let several = args.processors.smp.is_some();
    let options = args.processors.options();
    let boot = Boot {
        arch: args.arch,
        kernel: &kernel,
        args: &requests,
        files: &[(name, bytes)],
        deadline: Duration::from_secs(2 * u64::from(args.timeout) + 60),
        accel: match (&*args.accel, several) {
            ("tcg", true) => args.processors.accel(),
            (accel, _) => accel,
        },
        extra: &options.iter().map(String::as_str).collect::<Vec<_>>(),
    };
    Ok(ExitCode::from(status(boot.run(qemu::show)?)))
}

/// The exit status for how a run ended.
fn status(end: End) -> u8 {
    match end {
        End::Verdict(code @ 0..=2) => code,
        End::Verdict(LATE) => 4,
        End::Verdict(_) => 3,
        End::Lost(status) => {
            eprintln!("error: the kernel ended without a verdict (QEMU's status {status:?})");
            3
        }
        End::Deadline => {
            eprintln!("error: the kernel did not end in time");
            4
        }
    }
}

/// Runs a program for WASI: all words after it are its arguments.
fn run_program(args: &Args, file: &Path, bytes: Vec<u8>) -> Result<ExitCode> {
    if args.precompiled {
        return Err("--precompiled: programs for WASI are compiled in the kernel".into());
    }
    if args.processors.smp.is_some() {
        return Err("--smp: programs for WASI run alone".into());
    }
    let kernel = cargo::kernel(args.arch, "demo")?;
    let mut requests = args.setup.arguments();
    requests.push(format!("timeout={}", args.timeout));
    requests.extend(args.invoke.iter().map(|name| format!("invoke={name}")));
    for value in &args.args {
        requests.push(match args.invoke {
            // Arguments of a function, which are numbers.
            Some(_) => guest_args::request(value)?,
            None => format!("arg={value}"),
        });
    }
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut files = vec![(name, bytes)];
    args.wasi.hand_over(&mut requests, &mut files)?;
    let boot = Boot {
        arch: args.arch,
        kernel: &kernel,
        args: &requests,
        files: &files,
        deadline: Duration::from_secs(2 * u64::from(args.timeout) + 60),
        accel: &args.accel,
        extra: &[],
    };
    let mut output = wasi::Output::new(wasi::pass_on);
    let end = boot.run(|line| output.line(line))?;
    let exit = output.finish()?;
    args.wasi.bring_back(&exit.archives)?;
    Ok(ExitCode::from(match (end, exit.status) {
        // As systems do: the lowest eight bits.
        (End::Verdict(0), Some(status)) => status as u8,
        (end, _) => status(end),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_are_not_what_their_names_say_get_a_hint() {
        let load = |name: &str, bytes: &[u8]| assembled(Path::new(name), bytes.to_vec());
        assert_eq!(load("a.wasm", b"\0asm\x01\0\0\0").unwrap().len(), 8);
        assert_eq!(load("a.wat", b" (module)").unwrap().len(), 8);
        let mark = load("a.wat", b"\xef\xbb\xbf(module)").unwrap_err();
        assert!(mark.contains("byte order mark"), "{mark}");
        for text in [&b"(module)"[..], b"\n ;; text\n(module)", b"\xef\xbb\xbf(module)"] {
            let hint = load("a.wasm", text).unwrap_err();
            assert!(hint.contains("rename it to .wat"), "{hint}");
        }
    }
}
