//! The results in machine-readable form.

use super::machine::Machine;
use crate::measure::{Outcome, Stat, Who};
use serde_json::{Map, Value, json};

/// The whole run.
pub fn document(outcomes: &[Outcome], machine: &Machine, quick: bool) -> String {
    let packages: Map<String, Value> =
        machine.packages.iter().map(|(name, v)| ((*name).to_owned(), json!(v))).collect();
    let document = json!({
        "date": machine.date,
        "machine": { "cpu": machine.cpu, "cpus": machine.cpus, "system": machine.system },
        "versions": { "commit": machine.commit, "rustc": machine.rustc, "packages": packages },
        "quick": quick,
        "rows": outcomes.iter().map(row).collect::<Vec<_>>(),
    });
    format!("{document:#}\n")
}

fn row(outcome: &Outcome) -> Value {
    let contenders: Map<String, Value> =
        outcome.stats.iter().map(|stat| (stat.who.name().to_owned(), contender(stat))).collect();
    let goal = outcome.goal.as_ref().map(|goal| {
        json!({
            "at_most": goal.at_most,
            "of": goal.of.iter().map(|who| who.name()).collect::<Vec<_>>(),
            "found": outcome.against_goal(),
            "met": outcome.meets_goal(),
        })
    });
    json!({
        "name": outcome.name,
        "unit": outcome.unit,
        "contenders": contenders,
        "ratios": { "W1": outcome.ratio(Who::W1), "W2": outcome.ratio(Who::W2) },
        "goal": goal,
    })
}

fn contender(stat: &Stat) -> Value {
    json!({
        "median": stat.median,
        "quartiles": [stat.quartiles.0, stat.quartiles.1],
        "samples": stat.samples,
    })
}
