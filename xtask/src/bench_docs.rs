//! `docs/performance-results.md`, written from two committed files: the last
//! published run of the benchmarks (`benches/results.json`) and the instruction
//! counts of the kernels (`tests-qemu/bench-baseline.json`).
//!
//! Invariant: the page holds nothing that is not in these files, so writing it
//! again changes nothing. A test compares it.

use crate::bench_kernel::Baseline;
use crate::qemu::Arch;
use crate::{Result, paths, size};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;

/// Titles, and how the names of the rows below them begin. A row goes below the
/// first title that it matches.
const SECTIONS: [(&str, &[&str]); 12] = [
    ("Calls from the host", &["host to wasm"]),
    ("Calls to the host", &["wasm to host"]),
    ("References in tables, globals and locals", &["table", "global", "references"]),
    ("Collections", &["collecting"]),
    ("Traps", &["trap"]),
    ("Ending guests", &["interrupt"]),
    ("Instances", &["instantiate"]),
    ("Several threads", &["scaling"]),
    ("Memory", &["memory"]),
    ("Computation", &["compute"]),
    ("Compiling", &["compile", "translate"]),
    ("Other rows", &[""]),
];

/// The contenders of the benchmarks, in the order of the columns.
const CONTENDERS: [&str; 11] = [
    "Kernref",
    "CloneOnRead",
    "guard pages",
    "guards off",
    "W1",
    "W2",
    "W1 pooling",
    "wasmi",
    "cranelift-wasm",
    "base",
    "floor",
];

#[derive(Deserialize)]
struct Results {
    date: String,
    machine: Machine,
    versions: Versions,
    /// What a reader must know about this run.
    note: Option<String>,
    rows: Vec<Row>,
    footprint: Vec<Weight>,
}

#[derive(Deserialize)]
struct Machine {
    cpu: String,
    cpus: u64,
    system: String,
}

#[derive(Deserialize)]
struct Versions {
    commit: String,
    rustc: String,
    packages: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Row {
    name: String,
    unit: String,
    contenders: BTreeMap<String, Contender>,
    ratios: BTreeMap<String, Option<f64>>,
    goal: Option<Goal>,
}

#[derive(Deserialize)]
struct Contender {
    median: f64,
    quartiles: Option<[f64; 2]>,
    /// In place of quartiles: half their distance as a share of the median.
    spread: Option<f64>,
    samples: u64,
}

#[derive(Deserialize)]
struct Goal {
    at_most: f64,
    of: Vec<String>,
    found: Option<f64>,
    met: Option<bool>,
}

#[derive(Deserialize)]
struct Weight {
    kernel: String,
    x86_64: u64,
    aarch64: u64,
}

/// Publishes the run that `./x bench` has just left in `target/bench`: weighs
/// the kernels, writes the run and the weights to `benches/results.json`, and
/// writes the page.
pub fn publish() -> Result<()> {
    let mut document: Value = parse(&read(&paths::target().join("bench/results.json"))?)?;
    let [x86_64, aarch64] = [size::added(Arch::X86_64)?, size::added(Arch::Aarch64)?];
    let weights = x86_64.into_iter().zip(aarch64);
    document["footprint"] = weights
        .map(|((kernel, x86_64), (_, aarch64))| {
            json!({ "kernel": kernel, "x86_64": x86_64, "aarch64": aarch64 })
        })
        .collect();
    write(&results_path(), &one_row_a_line(&document)?)?;
    render()
}

/// Writes the page from the committed files.
pub fn render() -> Result<()> {
    write(&page_path(), &page()?)
}

fn results_path() -> PathBuf {
    paths::root().join("benches/results.json")
}

fn page_path() -> PathBuf {
    paths::root().join("docs/performance-results.md")
}

fn read(path: &std::path::Path) -> Result<String> {
    std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

fn write(path: &std::path::Path, text: &str) -> Result<()> {
    std::fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))?;
    println!("wrote {}", path.display());
    Ok(())
}

fn parse<T: for<'a> Deserialize<'a>>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| format!("results of the benchmarks: {error}"))
}

/// JSON with one line per row, so that differences are readable.
fn one_row_a_line(document: &Value) -> Result<String> {
    let members = document.as_object().ok_or("the results are not an object")?;
    let lines: Vec<String> = members
        .iter()
        .map(|(name, value)| match value.as_array() {
            Some(items) => {
                let items: Vec<_> = items.iter().map(|item| format!("    {item}")).collect();
                format!("  {:?}: [\n{}\n  ]", name, items.join(",\n"))
            }
            None => format!("  {name:?}: {value}"),
        })
        .collect();
    Ok(format!("{{\n{}\n}}\n", lines.join(",\n")))
}

/// The page's text.
fn page() -> Result<String> {
    let results: Results = parse(&read(&results_path())?)?;
    let mut page = heading(&results);
    let mut left: Vec<&Row> = results.rows.iter().collect();
    for (title, prefixes) in SECTIONS {
        let fits = |row: &&Row| prefixes.iter().any(|prefix| row.name.starts_with(prefix));
        let (rows, others): (Vec<_>, Vec<_>) = left.into_iter().partition(fits);
        left = others;
        if !rows.is_empty() {
            let _ = write!(page, "\n## {title}\n\n{}", table(&rows));
            page.push_str(&means(&rows));
        }
    }
    let counts = Baseline::read()?.table();
    let _ = write!(page, "\n## Instructions in the kernels\n\n{counts}");
    page.push_str("\n## Footprint\n\nBytes added to a kernel without Kernref:\n\n");
    page.push_str("| kernel | x86_64 | aarch64 |\n|---|---|---|\n");
    for Weight { kernel, x86_64, aarch64 } in &results.footprint {
        let (x86_64, aarch64) = (count(*x86_64 as f64), count(*aarch64 as f64));
        let _ = writeln!(page, "| {kernel} | {x86_64} | {aarch64} |");
    }
    Ok(page)
}

fn heading(results: &Results) -> String {
    let Results { date, machine, versions, .. } = results;
    let Machine { cpu, cpus, system } = machine;
    let packages: Vec<_> =
        versions.packages.iter().map(|(name, v)| format!("{name} {v}")).collect();
    let goals: Vec<bool> = results.rows.iter().filter_map(|row| row.goal.as_ref()?.met).collect();
    let met = goals.iter().filter(|met| **met).count();
    let note = results.note.as_ref().map(|note| format!("{note}\n\n")).unwrap_or_default();
    format!(
        "# Results of the benchmarks\n\n\
         <!-- Written by `./x bench --write-docs`; what is changed here by hand is lost. -->\n\n\
         [performance.md](performance.md) explains rows and columns, how they are measured and\n\
         what they mean.\n\n\
         {date}; {cpu}, {cpus} processors, {system}; {rustc}; Kernref at `{commit}`;\n\
         {packages}.\n\n\
         {note}{met} of {count} goals are met.\n",
        rustc = versions.rustc,
        commit = versions.commit,
        packages = packages.join(", "),
        count = goals.len(),
    )
}

/// The rows, with the columns that any of them fills.
fn table(rows: &[&Row]) -> String {
    let contenders: Vec<&str> = CONTENDERS
        .into_iter()
        .filter(|name| rows.iter().any(|row| row.contenders.contains_key(*name)))
        .collect();
    let peers: Vec<&str> = ["W1", "W2"]
        .into_iter()
        .filter(|name| rows.iter().any(|row| row.ratio(name).is_some()))
        .collect();
    let unit = rows.first().map_or("", |row| &row.unit);
    let is_common = rows.iter().all(|row| row.unit == unit);
    let mut header = vec![if is_common { format!("row, {unit}") } else { "row".to_string() }];
    header.extend(contenders.iter().map(ToString::to_string));
    header.extend(peers.iter().map(|peer| format!("×{peer}")));
    header.extend(["goal".to_string(), String::new()]);
    let mut lines = vec![line(&header), "|---".repeat(header.len()) + "|\n"];
    for row in rows {
        let mut cells =
            vec![if is_common { row.name.clone() } else { format!("{}, {}", row.name, row.unit) }];
        let contender = |name: &&str| row.contenders.get(*name).map(ToString::to_string);
        cells.extend(contenders.iter().map(|name| contender(name).unwrap_or_default()));
        let ratio = |peer: &&str| row.ratio(peer).map(|ratio| format!("{ratio:.2}"));
        cells.extend(peers.iter().map(|peer| ratio(peer).unwrap_or_default()));
        let goal = row.goal.as_ref();
        cells.push(goal.map(|goal| goal.limit(&row.unit)).unwrap_or_default());
        cells.push(goal.map(Goal::verdict).unwrap_or_default());
        lines.push(line(&cells));
    }
    lines.concat()
}

fn line(cells: &[String]) -> String {
    format!("| {} |\n", cells.join(" | "))
}

/// For computations, the geometric means of the ratios that their goals limit.
fn means(rows: &[&Row]) -> String {
    let mut found: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.name.starts_with("compute")) {
        if let Some(Goal { at_most, of, found: Some(value), .. }) = &row.goal {
            let goal = format!("× {}, goal {at_most}", of.join(", "));
            found.entry(goal).or_default().push(*value);
        }
    }
    let mut text = String::new();
    for (goal, values) in found {
        let logarithms: f64 = values.iter().map(|value| value.ln()).sum();
        let mean = (logarithms / values.len() as f64).exp();
        let separator = if text.is_empty() { "\nGeometric means: " } else { "; " };
        let _ = write!(text, "{separator}{mean:.2} {goal}");
    }
    if !text.is_empty() {
        text.push_str(".\n");
    }
    text
}

impl Row {
    fn ratio(&self, peer: &str) -> Option<f64> {
        self.ratios.get(peer).copied().flatten()
    }
}

impl std::fmt::Display for Contender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&number(self.median))?;
        let of_quartiles = |[low, high]: [f64; 2]| (high - low) / 2.0 / self.median.abs();
        match self.quartiles.map(of_quartiles).or(self.spread) {
            Some(spread) if self.samples > 1 && spread.is_finite() => {
                write!(f, " ±{:.0} %", spread * 100.0)
            }
            _ => Ok(()),
        }
    }
}

impl Goal {
    fn limit(&self, unit: &str) -> String {
        match &self.of[..] {
            [] => format!("≤ {} {unit}", self.at_most),
            [one] => format!("≤ {} × {one}", self.at_most),
            _ => format!("≤ {} × best of {}", self.at_most, self.of.join(", ")),
        }
    }

    /// Includes the ratio found, unless a column shows it.
    fn verdict(&self) -> String {
        let verdict = match self.met {
            Some(true) => "met",
            Some(false) => "**behind**",
            None => "",
        };
        let is_shown = matches!(&self.of[..], [one] if one == "W1" || one == "W2");
        match self.found {
            Some(found) if !is_shown => format!("{verdict} ({found:.2})").trim().to_string(),
            _ => verdict.to_string(),
        }
    }
}

/// A whole number, with its thousands separated.
pub fn count(value: f64) -> String {
    grouped(&format!("{value:.0}"))
}

/// Three digits, or more if it is large, with its thousands separated.
fn number(value: f64) -> String {
    let digits = match value.abs() {
        size if size >= 99.95 => 0,
        size if size >= 9.995 => 1,
        _ => 2,
    };
    grouped(&format!("{value:.digits$}"))
}

fn grouped(text: &str) -> String {
    let (sign, text) = text.strip_prefix('-').map_or(("", text), |rest| ("-", rest));
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut grouped = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            grouped.push(' ');
        }
        grouped.push(digit);
    }
    format!("{sign}{grouped}{rest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_what_the_committed_files_give() {
        let committed = read(&page_path()).unwrap();
        assert!(committed == page().unwrap(), "stale: run `./x bench --render-docs`");
    }

    #[test]
    fn numbers_have_three_digits_and_thousands_apart() {
        let numbers = [0.081, 9.994, 12.04, 99.96, 1361.4, -1234567.0].map(number);
        assert_eq!(numbers, ["0.08", "9.99", "12.0", "100", "1 361", "-1 234 567"]);
    }

    #[test]
    fn a_row_has_the_columns_of_its_table() {
        let row = |text: &str| parse::<Row>(text).unwrap();
        let first = row(r#"{ "name": "a", "unit": "ns", "ratios": { "W1": 0.5, "W2": null },
            "contenders": { "Kernref": { "median": 2, "quartiles": [1.9, 2.1], "samples": 21 },
                "W1": { "median": 4, "quartiles": [4, 4], "samples": 1 } },
            "goal": { "at_most": 0.4, "of": ["W1"], "found": 0.5, "met": false } }"#);
        let second = row(r#"{ "name": "b", "unit": "KiB", "ratios": {}, "goal": null,
            "contenders": { "floor": { "median": 1024, "spread": 0.5, "samples": 3 } } }"#);
        assert_eq!(
            table(&[&first, &second]),
            "| row | Kernref | W1 | floor | ×W1 | goal |  |\n\
             |---|---|---|---|---|---|---|\n\
             | a, ns | 2.00 ±5 % | 4.00 |  | 0.50 | ≤ 0.4 × W1 | **behind** |\n\
             | b, KiB |  |  | 1 024 ±50 % |  |  |  |\n"
        );
    }

    #[test]
    fn a_run_is_committed_row_by_row() {
        let run = json!({ "date": "d", "rows": [{ "name": "a" }, { "name": "b" }] });
        let text = one_row_a_line(&run).unwrap();
        assert_eq!(text.lines().count(), 7);
        assert_eq!(parse::<Value>(&text).unwrap(), run);
    }
}
