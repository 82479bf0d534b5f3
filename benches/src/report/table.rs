//! The human-readable table.

use super::machine::Machine;
use crate::measure::{Outcome, Stat, Who};

const LEGEND: &str = "\
Medians; ± half the distance between the quartiles. ×W1, ×W2: Kernref as a multiple of them.
Kernref and CloneOnRead: the two deferral policies; guard pages: with hardware traps. W1: Wasmtime with its defaults; W2: with
explicit checks and no reservations. base: what Kernref takes without the row's special matter.
floor: native code for the bare minimum of the same work.";

/// Prints the table to standard output.
pub fn print(outcomes: &[Outcome], machine: &Machine) {
    let (date, cpu, cpus, system) = (&machine.date, &machine.cpu, machine.cpus, &machine.system);
    println!("{date}, {cpu}, {cpus} processors, {system}, {}", machine.rustc);
    let packages: Vec<_> = machine.packages.iter().map(|(name, v)| format!("{name} {v}")).collect();
    println!("commit {}; {}\n", machine.commit, packages.join("; "));
    let shown: Vec<Who> = Who::ALL
        .into_iter()
        .filter(|who| outcomes.iter().any(|outcome| outcome.median(*who).is_some()))
        .collect();
    let mut lines = vec![header(&shown)];
    lines.extend(outcomes.iter().map(|outcome| line(outcome, &shown)));
    print_aligned(&lines);
    println!("\n{LEGEND}");
    let missed: Vec<_> =
        outcomes.iter().filter(|outcome| outcome.meets_goal() == Some(false)).collect();
    if !missed.is_empty() {
        println!("\nBehind the goal:");
    }
    for outcome in missed {
        let found = outcome.against_goal().unwrap_or(f64::NAN);
        let goal = outcome.goal.as_ref().map(ToString::to_string).unwrap_or_default();
        println!("  {}: {found:.2}, goal {goal}", outcome.name);
    }
}

fn header(shown: &[Who]) -> Vec<String> {
    let mut cells = vec!["row".to_owned(), "unit".to_owned()];
    cells.extend(shown.iter().map(|who| who.name().to_owned()));
    cells.extend(["×W1", "×W2", "goal", ""].map(str::to_owned));
    cells
}

fn line(outcome: &Outcome, shown: &[Who]) -> Vec<String> {
    let mut cells = vec![outcome.name.clone(), outcome.unit.to_owned()];
    for who in shown {
        let stat = outcome.stats.iter().find(|stat| stat.who == *who);
        cells.push(stat.map(cell).unwrap_or_default());
    }
    for who in [Who::W1, Who::W2] {
        cells.push(outcome.ratio(who).map(|ratio| format!("{ratio:.2}")).unwrap_or_default());
    }
    cells.push(outcome.goal.as_ref().map(ToString::to_string).unwrap_or_default());
    let verdict = match outcome.meets_goal() {
        Some(true) => "met",
        Some(false) => "behind",
        None => "",
    };
    cells.push(verdict.to_owned());
    cells
}

fn cell(stat: &Stat) -> String {
    let median = number(stat.median);
    match stat.samples {
        1 => median,
        _ => format!("{median} ±{:.0}%", stat.spread() * 100.0),
    }
}

/// Formats with three digits, more if the value is large.
fn number(value: f64) -> String {
    let digits = match value.abs() {
        size if size >= 99.95 => 0,
        size if size >= 9.995 => 1,
        _ => 2,
    };
    format!("{value:.digits$}")
}

/// Aligns the first two columns left and the others right.
fn print_aligned(lines: &[Vec<String>]) {
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max();
    let widths: Vec<usize> = (0..lines[0].len()).filter_map(width).collect();
    for line in lines {
        let mut text = String::new();
        for (column, (cell, width)) in line.iter().zip(&widths).enumerate() {
            match column {
                0 | 1 => text.push_str(&format!("{cell:<width$}  ")),
                _ => text.push_str(&format!("{cell:>width$}  ")),
            }
        }
        println!("{}", text.trim_end());
    }
}
