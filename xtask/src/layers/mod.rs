//! `./x layers`: the order of the crate's floors, and what its text promises.
//!
//! A floor uses only the floors below it, those below the allocator do not name
//! it, and only `arch` asks for the architecture. Code behind `#[cfg(test)]`
//! may use anything. The syntax tree is read, so it makes no difference how a
//! `use` is written. Within a floor, imports make no circle of more than two
//! files, except those that a decision names.
//!
//! Comments and pages name only files that exist, and `SAFETY` notes and
//! parentheses only invariants that `docs/safety.md` lists. The crate's comments
//! all begin with `//`, so that none escapes these checks.

mod circles;
mod comments;
mod graph;
mod invariants;
mod names;
mod order;
mod source;
mod tree;
mod uses;

pub use graph::Graph;
pub use source::read;
pub use tree::Tree;

use crate::{Result, paths};
use std::collections::BTreeMap;

/// The floors, from the ground up.
pub const FLOORS: [&str; 12] = [
    "abi", "fallible", "error", "arch", "alloc", "stack", "gc", "artifact", "compile", "engine",
    "vm", "runtime",
];

/// Rust files by their path below `src/`.
pub type Texts = BTreeMap<String, String>;

/// Something that is out of order: where, and what.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Breach {
    /// Path below the folder that was read.
    pub file: String,
    /// Counted from 1.
    pub line: usize,
    /// What is wrong, for the user.
    pub what: String,
}

/// Checks every file; the error lists all breaches.
pub fn check() -> Result<()> {
    let root = paths::root();
    let tree = Tree::new(source::read(&root.join("src"))?)?;
    let mut breaches = order::breaches(&tree);
    breaches.extend(order::empty_floors(&tree));
    breaches.iter_mut().for_each(|breach| breach.file.insert_str(0, "src/"));

    let decision = source::text(&root.join(circles::PAGE))?;
    breaches.extend(circles::breaches(&Graph::of(&tree), &decision));

    let files = source::walk(root)?;
    let names = files.iter().map(|file| source::name(root, file)).collect();
    let mut texts = Texts::new();
    for file in &files {
        let name = source::name(root, file);
        // The change log names files that are gone.
        if name.ends_with(".rs") || (name.ends_with(".md") && name != "CHANGELOG.md") {
            texts.insert(name, source::text(file)?);
        }
    }
    breaches.extend(comments::breaches(&texts, &names)?);

    let page = source::text(&root.join(invariants::PAGE))?;
    texts.retain(|name, _| name.starts_with("src/"));
    breaches.extend(comments::unseen(&texts)?);
    breaches.extend(invariants::breaches(&page, &texts)?);

    breaches.sort();
    match breaches.is_empty() {
        true => Ok(()),
        false => {
            let lines = breaches.iter().map(|b| format!("\n  {}:{}: {}", b.file, b.line, b.what));
            Err(format!("layers out of order:{}", lines.collect::<String>()))
        }
    }
}

/// The floor that a file below `src/` stands on; `lib.rs` stands on none.
pub fn floor_of(file: &str) -> Option<usize> {
    let name = file.split('/').next().unwrap_or_default();
    FLOORS.iter().position(|floor| *floor == name.trim_end_matches(".rs"))
}
