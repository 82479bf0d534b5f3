//! The invariants: listed on one page, defined in one file each, and cited by
//! `SAFETY` notes, and in parentheses by any comment, under these names alone.

use super::{Breach, Texts, comments};
use crate::Result;
use std::collections::{BTreeMap, BTreeSet};

/// The page that lists them: rows of `| id | statement | home |`.
pub const PAGE: &str = "docs/safety.md";

/// What is wrong with `page`, with the definitions in `sources`, and with what
/// their notes cite. Paths are relative to the repository's root.
///
/// # Errors
/// If a file is not Rust.
pub fn breaches(page: &str, sources: &Texts) -> Result<Vec<Breach>> {
    let mut found = Vec::new();
    let mut breach = |file: &str, line, what| {
        found.push(Breach { file: file.into(), line, what });
    };
    let mut defined = BTreeMap::new();
    let mut cited = BTreeSet::new();
    for (file, text) in sources.iter().filter(|(file, _)| file.ends_with(".rs")) {
        let comments = comments::of(text).map_err(|error| format!("{file}: {error}"))?;
        for (line, id) in definitions(&comments) {
            if let Some(other) = defined.insert(id, file.as_str()) {
                breach(file, line, format!("{id} is defined in {other} already"));
            }
        }
        let mut ids = citations(&comments);
        ids.extend(in_parentheses(&comments));
        cited.extend(ids.into_iter().map(|(line, id)| (file.as_str(), line, id)));
    }
    let mut listed = BTreeMap::new();
    for (line, id, home) in rows(page) {
        if listed.insert(id, line).is_some() {
            breach(PAGE, line, format!("{id} is listed twice"));
        }
        if defined.get(id).is_none_or(|file| *file != home) {
            breach(PAGE, line, format!("`{home}` does not define {id}"));
        }
    }
    for (id, file) in &defined {
        if !listed.contains_key(id) {
            breach(file, 1, format!("{id} is not listed in {PAGE}"));
        }
    }
    for (file, line, id) in cited {
        if !listed.contains_key(id) {
            breach(file, line, format!("the comment cites {id}, which is in no list"));
        }
    }
    Ok(found)
}

/// One capital letter, one or two digits.
fn is_id(word: &str) -> bool {
    let digits = word.strip_prefix(|letter: char| letter.is_ascii_uppercase());
    digits.is_some_and(|digits| {
        matches!(digits.len(), 1 | 2) && digits.chars().all(|digit| digit.is_ascii_digit())
    })
}

/// `- **G1** …` in comments.
fn definitions<'t>(comments: &[comments::Comment<'t>]) -> Vec<(usize, &'t str)> {
    let defined = comments.iter().filter_map(|(line, text)| {
        let (id, _) = text.trim_start().strip_prefix("- **")?.split_once("**")?;
        is_id(id).then_some((*line, id))
    });
    defined.collect()
}

/// Names in `SAFETY` notes: from that word to the end of the comment.
fn citations<'t>(comments: &[comments::Comment<'t>]) -> BTreeSet<(usize, &'t str)> {
    let mut cited = BTreeSet::new();
    let mut last = None;
    for (line, text) in comments {
        let goes_on = last == Some(line - 1);
        if text.contains("SAFETY") || goes_on {
            last = Some(*line);
            // What is between backticks is code: `I32`.
            for prose in text.split('`').step_by(2) {
                let words = prose.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
                cited.extend(words.filter(|word| is_id(word)).map(|id| (*line, id)));
            }
        }
    }
    cited
}

/// Names with which parentheses begin: `(V3)`, `(G1, G2)`.
fn in_parentheses<'t>(comments: &[comments::Comment<'t>]) -> BTreeSet<(usize, &'t str)> {
    let mut cited = BTreeSet::new();
    // Whether a list of names goes on, and where it last did.
    let (mut goes_on, mut last) = (false, 0);
    for (line, text) in comments {
        goes_on &= last + 1 == *line;
        last = *line;
        for prose in text.split('`').step_by(2) {
            for (at, part) in prose.split('(').enumerate() {
                goes_on |= at > 0;
                let list = part.split(')').next().unwrap_or_default();
                for word in list.split([' ', ',', ';']).filter(|word| !word.is_empty()) {
                    goes_on &= is_id(word) || ["and", "or"].contains(&word);
                    if goes_on && is_id(word) {
                        cited.insert((*line, word));
                    }
                }
                goes_on &= !part.contains(')');
            }
        }
    }
    cited
}

/// Line, name and home of each row of the list.
fn rows(page: &str) -> Vec<(usize, &str, &str)> {
    let rows = page.lines().enumerate().filter_map(|(number, line)| {
        let mut cells = line.strip_prefix('|')?.trim_end().strip_suffix('|')?.split('|');
        let id = cells.next()?.trim();
        let home = cells.next_back()?.trim().trim_matches('`');
        is_id(id).then_some((number + 1, id, home))
    });
    rows.collect()
}

#[cfg(test)]
mod tests {
    use super::breaches;

    const HOME: &str = "//! Invariants:\n//! - **G1** Slots are live.\n//! - **G2** One each.\n";
    const LIST: &str =
        "| id | what | home |\n|---|---|---|\n| G1 | a | `src/gc.rs` |\n| G2 | b | `src/gc.rs` |\n";

    fn found(page: &str, home: &str, notes: &str) -> Vec<String> {
        let texts = [("src/gc.rs", home), ("src/vm.rs", notes)]
            .map(|(file, text)| (file.to_string(), text.to_string()))
            .into();
        let found = breaches(page, &texts).unwrap();
        found.into_iter().map(|b| format!("{}:{}: {}", b.file, b.line, b.what)).collect()
    }

    #[test]
    fn what_is_listed_and_defined_may_be_cited() {
        let none: [&str; 0] = [];
        for notes in [
            "// SAFETY: live (G1),\n// and one each (G2).\nfn f() {}",
            "// Not a note: G9.\nfn f() {}",
            "// SAFETY: a word of type `I32`, of x86_64 and SSE42.\nfn f() {}",
            "// SAFETY: fine.\nfn f() {}\n// R7 is a register.",
            "const C: &str = \"// SAFETY: G9\";",
            "//! Live (G1), one each (G2; see there).\nfn f() {} // (`I32`), (the G9), (G1) G9",
        ] {
            assert_eq!(found(LIST, HOME, notes), none, "{notes}");
        }
    }

    #[test]
    fn a_note_that_cites_what_is_in_no_list_is_found() {
        for (line, notes) in [
            (1, "// SAFETY: G9.\nfn f() {}"),
            (2, "// SAFETY: live (G1), and\n// by V12, one each.\nfn f() {}"),
            (1, "fn f() { g() } // SAFETY: see H1"),
            (2, "fn f() {\n// SAFETY: (R7)\n}"),
            (1, "//! The frames stand still (V3)."),
            (2, "\n/// One each (G2, G9).\nfn f() {}"),
            (3, "\n// Live (G1 and\n// G9).\nfn f() {}"),
            (1, "fn f() {} // (G1) and (F8 of `src/f.rs`)"),
        ] {
            let found = found(LIST, HOME, notes);
            assert_eq!(found.len(), 1, "{notes}: {found:?}");
            assert!(
                found[0].starts_with(&format!("src/vm.rs:{line}: the comment cites")),
                "{found:?}"
            );
        }
    }

    #[test]
    fn lists_and_homes_agree() {
        let home = HOME.replace("G2", "G3");
        let wrong = found(LIST, &home, "");
        assert_eq!(
            wrong,
            [
                "docs/safety.md:4: `src/gc.rs` does not define G2",
                "src/gc.rs:1: G3 is not listed in docs/safety.md",
            ]
        );
        assert_eq!(found(&LIST.replace("gc.rs` |\n| G2", "vm.rs` |\n| G2"), HOME, "").len(), 1);
        assert_eq!(found(&format!("{LIST}| G1 | c | `src/gc.rs` |\n"), HOME, "").len(), 1);
        assert_eq!(found(LIST, HOME, "// - **G1** Again.").len(), 2);
    }
}
