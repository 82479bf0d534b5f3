//! The test suite in a kernel. A case that fails ends the kernel; it is then
//! booted again for the cases after it.

use crate::qemu::{self, Arch, Boot, End};
use crate::{Result, cargo, paths};
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

/// For one boot; a case that does not end within one fails.
const DEADLINE: Duration = Duration::from_secs(300);
/// After that many failures the rest is given up.
const MOST_FAILURES: u64 = 20;

/// Passed and failed.
pub fn run(arch: Arch) -> Result<(u64, u64)> {
    let kernel = cargo::kernel(arch, "suite")?;
    let files = vec![("texts".to_string(), texts(arch)?)];
    let (mut passed, mut failed, mut from) = (0, 0, 0);
    loop {
        let args = [format!("from={from}")];
        let boot = Boot {
            arch,
            kernel: &kernel,
            args: &args,
            files: &files,
            deadline: DEADLINE,
            accel: "tcg",
            extra: &[],
        };
        let (mut last, mut completed) = (None, 0);
        let end = boot.run(|line| {
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
    let text_path = path.to_string_lossy().into_owned();
    let build = ["run", "--quiet", "--locked", "--package", "kernref-testsuite"];
    let run = ["--features", "host", "--bin", "assemble", "--", &text_path];
    cargo::run(paths::root(), &[&build[..], &run[..]].concat())?;
    let mut bytes = std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    for text in kernel_texts(&paths::root().join("tests-qemu/src/bin/suite"))? {
        let module = wat::parse_str(&text).map_err(|error| error.to_string())?;
        for part in [text.as_bytes(), &module] {
            bytes.extend((part.len() as u32).to_le_bytes());
            bytes.extend(part);
        }
    }
    Ok(bytes)
}

/// Raw string literals that hold a module.
fn kernel_texts(folder: &Path) -> Result<BTreeSet<String>> {
    let mut texts = BTreeSet::new();
    let entries =
        std::fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    for entry in entries.flatten() {
        let source = std::fs::read_to_string(entry.path()).unwrap_or_default();
        let modules = source.split("r#\"").skip(1).filter_map(|rest| rest.split("\"#").next());
        texts.extend(modules.filter(|text| text.starts_with("(module")).map(str::to_string));
    }
    Ok(texts)
}
