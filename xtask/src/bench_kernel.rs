//! `./x bench --in-kernel`: instruction counts in the kernels, compared with
//! those of the committed baseline. QEMU counts every instruction
//! (`-icount shift=0`), so two runs give the same numbers.

use crate::qemu::{Arch, Boot, End};
use crate::{Result, bench_docs, cargo, paths};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

const DEADLINE: Duration = Duration::from_secs(300);
/// Differences below this, in instructions per operation, count as none.
const NOTHING: f64 = 0.005;

/// How the names of rows of the default policy end.
const DEFAULT_POLICY: &str = " [zero-count]";
const OTHER_POLICY: &str = " [clone-on-read]";

/// Arguments of `./x bench` for the kernels.
#[derive(clap::Args)]
pub struct InKernel {
    /// Count instructions in the kernels and compare them with
    /// tests-qemu/bench-baseline.json. Exit status: 1 if a row is worse by more
    /// than the tolerance that stands there.
    #[arg(long)]
    pub in_kernel: bool,
    /// One machine only.
    #[arg(long, value_enum, requires = "in_kernel")]
    arch: Option<Arch>,
    /// Make the numbers found the baseline.
    #[arg(long, requires = "in_kernel")]
    update: bool,
}

/// Instructions per operation by row.
type Rows = BTreeMap<String, f64>;

/// What the numbers are compared with.
#[derive(Serialize, Deserialize)]
pub struct Baseline {
    /// By how much a row may be worse.
    tolerance_percent: f64,
    /// Rows that have a tolerance of their own.
    #[serde(default)]
    row_tolerance_percent: Rows,
    /// By architecture.
    instructions: BTreeMap<String, Rows>,
}

/// Runs the command.
pub fn run(args: &InKernel) -> Result<ExitCode> {
    let mut baseline = Baseline::read()?;
    let mut worse = 0;
    for arch in Arch::ALL {
        if args.arch.is_none_or(|wanted| wanted == arch) {
            let found = measure(arch)?;
            worse += baseline.compare(arch, &found);
            if args.update {
                baseline.instructions.insert(arch.name().to_string(), found);
            }
        }
    }
    if args.update {
        write(&Baseline::path(), &baseline)?;
        bench_docs::render()?;
        return Ok(ExitCode::SUCCESS);
    }
    Ok(ExitCode::from(u8::from(worse > 0)))
}

/// Counts the rows that are no worse and the rows that are worse.
pub fn check(arch: Arch) -> Result<(u64, u64)> {
    let found = measure(arch)?;
    let worse = Baseline::read()?.compare(arch, &found);
    Ok(((found.len() as u64).saturating_sub(worse), worse))
}

/// Boots the kernel and writes `target/bench/in-kernel-ARCH.json`.
fn measure(arch: Arch) -> Result<Rows> {
    let kernel = cargo::kernel(arch, "bench")?;
    let boot = Boot {
        arch,
        kernel: &kernel,
        args: &[],
        files: &guests()?,
        deadline: DEADLINE,
        accel: "tcg",
        extra: &["-icount", "shift=0"],
    };
    let mut rows = Rows::new();
    let end = boot.run(|line| match row(line) {
        Some((name, instructions)) => _ = rows.insert(name, instructions),
        None => crate::qemu::show(line),
    })?;
    if end != End::Verdict(0) || rows.is_empty() {
        return Err(format!("the {} kernel failed: {end:?}", arch.name()));
    }
    let folder = paths::target().join("bench");
    std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    write(&folder.join(format!("in-kernel-{}.json", arch.name())), &rows)?;
    Ok(rows)
}

/// `row INSTRUCTIONS OPERATIONS NAME`.
fn row(line: &str) -> Option<(String, f64)> {
    let mut parts = line.strip_prefix("row ")?.splitn(3, ' ');
    let instructions: f64 = parts.next()?.parse().ok()?;
    let operations: f64 = parts.next()?.parse().ok()?;
    Some((parts.next()?.to_string(), instructions / operations))
}

/// The guests, assembled, named after their files.
fn guests() -> Result<Vec<(String, Vec<u8>)>> {
    let folder = paths::root().join("tests-qemu/src/bin/bench/guests");
    let problem = |error: &dyn std::fmt::Display| format!("{}: {error}", folder.display());
    let mut guests = Vec::new();
    for entry in std::fs::read_dir(&folder).map_err(|error| problem(&error))?.flatten() {
        let wasm = wat::parse_file(entry.path()).map_err(|error| problem(&error))?;
        let name = entry.path().file_stem().unwrap_or_default().to_string_lossy().into_owned();
        guests.push((name, wasm));
    }
    Ok(guests)
}

fn write(path: &Path, value: &impl Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(value).map_err(|error| error.to_string())? + "\n";
    std::fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}

impl Baseline {
    fn path() -> PathBuf {
        paths::root().join("tests-qemu").join("bench-baseline.json")
    }

    /// The committed one.
    pub fn read() -> Result<Self> {
        let path = Self::path();
        let problem = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        let text = std::fs::read_to_string(&path).map_err(|error| problem(&error))?;
        serde_json::from_str(&text).map_err(|error| problem(&error))
    }

    /// The counts as a table in Markdown, with the default policy; in brackets
    /// the other one's, where it differs.
    pub fn table(&self) -> String {
        let nothing = Rows::new();
        let columns = ["x86_64", "aarch64"].map(|name| self.instructions.get(name));
        let columns = columns.map(|rows| rows.unwrap_or(&nothing));
        let mut lines = vec!["| operation | x86_64 | aarch64 |\n|---|---|---|\n".to_string()];
        for name in columns[0].keys().filter_map(|name| name.strip_suffix(DEFAULT_POLICY)) {
            let [x86_64, aarch64] = columns.map(|rows| {
                let count =
                    |policy| Some(bench_docs::count(*rows.get(&format!("{name}{policy}"))?));
                match (count(DEFAULT_POLICY), count(OTHER_POLICY)) {
                    (Some(count), Some(other)) if other != count => format!("{count} ({other})"),
                    (count, _) => count.unwrap_or_default(),
                }
            });
            lines.push(format!("| {name} | {x86_64} | {aarch64} |\n"));
        }
        lines.concat()
    }

    /// Prints each row beside the baseline's; returns how many are worse. A
    /// missing row counts as worse.
    fn compare(&self, arch: Arch, found: &Rows) -> u64 {
        let nothing = Rows::new();
        let before = self.instructions.get(arch.name()).unwrap_or(&nothing);
        println!(
            "{:<56}{:>10}{:>10}{:>9}",
            format!("instructions in the {} kernel", arch.name()),
            "before",
            "now",
            "change"
        );
        let mut worse = 0;
        for (name, now) in found {
            let Some(before) = before.get(name) else {
                println!("{name:<56}{:>10}{now:>10.2}{:>9}", "", "new");
                continue;
            };
            let percent = self.row_tolerance_percent.get(name).unwrap_or(&self.tolerance_percent);
            let is_worse = is_worse(*before, *now, *percent);
            worse += u64::from(is_worse);
            let change = match (now - before).abs() < NOTHING {
                true => String::new(),
                false => format!("{:+.1} %", (now - before) / before * 100.0),
            };
            let note = if is_worse { "  WORSE" } else { "" };
            let line = format!("{name:<56}{before:>10.2}{now:>10.2}{change:>9}{note}");
            println!("{}", line.trim_end());
        }
        for (name, before) in before.iter().filter(|(name, _)| !found.contains_key(*name)) {
            println!("{name:<56}{before:>10.2}{:>10}{:>9}  WORSE", "", "gone");
            worse += 1;
        }
        worse
    }
}

fn is_worse(before: f64, now: f64, tolerance_percent: f64) -> bool {
    now > before * (1.0 + tolerance_percent / 100.0) + NOTHING
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_row() {
        let expected = ("host to wasm, empty [zero-count]".to_string(), 25.0);
        assert_eq!(row("row 25000 1000 host to wasm, empty [zero-count]"), Some(expected));
        assert_eq!(row("rows"), None);
    }

    #[test]
    fn a_table_shows_the_other_policy_where_it_differs() {
        let rows = [
            ("a [zero-count]", 1000.0),
            ("a [clone-on-read]", 1000.2),
            ("b [zero-count]", 1.0),
            ("b [clone-on-read]", 15.0),
        ];
        let rows: Rows = rows.map(|(name, count)| (name.to_string(), count)).into();
        let instructions = [("x86_64".to_string(), rows)].into();
        let baseline =
            Baseline { tolerance_percent: 5.0, row_tolerance_percent: Rows::new(), instructions };
        let lines = "| a | 1 000 |  |\n| b | 1 (15) |  |\n";
        assert!(baseline.table().ends_with(lines), "{}", baseline.table());
    }

    #[test]
    fn worse_is_beyond_the_tolerance_and_gone() {
        assert!(!is_worse(100.0, 105.0, 5.0) && is_worse(100.0, 105.1, 5.0));
        assert!(!is_worse(0.0, 0.0, 5.0) && is_worse(0.0, 1.0, 5.0));
        let rows = |names: &[&str]| names.iter().map(|name| (name.to_string(), 7.0)).collect();
        let instructions = [("aarch64".to_string(), rows(&["a", "b"]))].into();
        let row_tolerance_percent = Rows::new();
        let baseline = Baseline { tolerance_percent: 5.0, row_tolerance_percent, instructions };
        assert_eq!(baseline.compare(Arch::Aarch64, &rows(&["a", "b", "c"])), 0);
        assert_eq!(baseline.compare(Arch::Aarch64, &rows(&["a"])), 1);
    }
}
