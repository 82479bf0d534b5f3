//! Import circles: two files may need each other, more only if a decision
//! allows it.

use super::{Breach, Graph};
use std::collections::BTreeSet;

/// The decision: rows of `| files | reason |`, each a circle.
pub const PAGE: &str = "docs/adr/0010-import-circles.md";

/// The most files that may make a circle without a decision.
const FREE: usize = 2;

/// Circles that `page` does not name, and circles that it names but that do not
/// exist.
pub fn breaches(graph: &Graph, page: &str) -> Vec<Breach> {
    let circles: Vec<BTreeSet<&str>> = graph
        .circles()
        .into_iter()
        .filter(|circle| circle.len() > FREE)
        .map(|circle| circle.into_iter().collect())
        .collect();
    let allowed = allowed(page);
    let is_allowed = |circle: &&BTreeSet<&str>| allowed.iter().any(|(_, files)| files == *circle);
    let new = circles.iter().filter(|circle| !is_allowed(circle)).map(|circle| Breach {
        file: format!("src/{}", circle.first().unwrap_or(&"")),
        line: 1,
        what: format!("imports go in a circle that {PAGE} does not name: {}", list(circle)),
    });
    let old = allowed.iter().filter(|(_, files)| !circles.contains(files)).map(|(line, files)| {
        let what = format!("there is no such circle: {}", list(files));
        Breach { file: PAGE.into(), line: *line, what }
    });
    new.chain(old).collect()
}

fn list(files: &BTreeSet<&str>) -> String {
    files.iter().copied().collect::<Vec<_>>().join(" ")
}

/// Line and files of each row.
fn allowed(page: &str) -> Vec<(usize, BTreeSet<&str>)> {
    let rows = page.lines().enumerate().filter_map(|(number, line)| {
        let (files, _) = line.strip_prefix("| `")?.split_once('|')?;
        let files = files.split('`').filter(|text| text.ends_with(".rs"));
        Some((number + 1, files.collect()))
    });
    rows.collect()
}

#[cfg(test)]
mod tests {
    use super::super::Graph;
    use super::breaches;

    fn found(page: &str) -> Vec<String> {
        let pairs = ["a b", "b c", "c a", "d e", "e d", "e a"];
        let arrows = pairs.iter().map(|pair| {
            let (from, to) = pair.split_once(' ').unwrap();
            (format!("gc/{from}.rs"), format!("gc/{to}.rs"))
        });
        let graph = Graph { rooms: [].into(), arrows: arrows.collect() };
        let found = breaches(&graph, page).into_iter();
        found.map(|b| format!("{}:{}: {}", b.file, b.line, b.what)).collect()
    }

    #[test]
    fn circles_of_more_than_two_need_a_decision() {
        let page =
            "# Circles\n| files | reason |\n|---|---|\n| `gc/a.rs` `gc/b.rs` `gc/c.rs` | one |\n";
        let none: [&str; 0] = [];
        assert_eq!(found(page), none);
        let all = "gc/a.rs gc/b.rs gc/c.rs";
        let new = format!(
            "src/gc/a.rs:1: imports go in a circle that docs/adr/0010-import-circles.md does not name: {all}"
        );
        assert_eq!(found(""), [new.as_str()]);
        let smaller = found(&page.replace(" `gc/c.rs`", ""));
        let old = "docs/adr/0010-import-circles.md:4: there is no such circle: gc/a.rs gc/b.rs";
        assert_eq!(smaller, [new.as_str(), old]);
    }
}
