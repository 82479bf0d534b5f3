//! The output of a run: a table on standard output, and `results.json` and
//! `ratios.svg` under `target/bench/`.

mod json;
mod machine;
mod picture;
mod table;

use crate::measure::Outcome;
use std::fs;
use std::path::PathBuf;

/// Prints the table and writes the files.
pub fn publish(outcomes: &[Outcome], quick: bool) -> Result<(), String> {
    let machine = machine::describe();
    table::print(outcomes, &machine);
    let folder = folder();
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let files = [
        ("results.json", json::document(outcomes, &machine, quick)),
        ("ratios.svg", picture::draw(outcomes)),
    ];
    for (name, text) in files {
        let path = folder.join(name);
        fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
        eprintln!("wrote {}", path.display());
    }
    Ok(())
}

/// Where results and what the benchmarks fetch are kept.
pub fn folder() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| concat!(env!("CARGO_MANIFEST_DIR"), "/../target").into(), PathBuf::from);
    target.join("bench")
}
