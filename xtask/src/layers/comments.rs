//! Paths that comments and pages name: each must exist.

use super::{Breach, Texts};
use crate::Result;
use proc_macro2::{TokenStream, TokenTree};
use std::collections::BTreeSet;
use std::ops::Range;

/// A line's comment: its number from 1, and what follows the slashes.
pub type Comment<'t> = (usize, &'t str);

/// All line comments of a file of Rust.
///
/// # Errors
/// If it is not Rust.
pub fn of(text: &str) -> Result<Vec<Comment<'_>>> {
    let mut literals = Vec::new();
    spans(text.parse().map_err(|error| format!("{error}"))?, &mut literals);
    // A documentation comment is a literal too.
    literals.retain(|range: &Range<usize>| !text[range.clone()].starts_with('/'));
    let mut comments = Vec::new();
    let mut start = 0;
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let inside = |at: &usize| literals.iter().any(|range| range.contains(&(start + at)));
        let slashes = line.match_indices("//").map(|(at, _)| at).find(|at| !inside(at));
        if let Some(at) = slashes {
            let comment = line[at..].trim_start_matches('/').trim_start_matches('!');
            comments.push((number + 1, comment.trim_end()));
        }
        start += line.len();
    }
    Ok(comments)
}

fn spans(tokens: TokenStream, literals: &mut Vec<Range<usize>>) {
    for token in tokens {
        match token {
            TokenTree::Literal(literal) => literals.push(literal.span().byte_range()),
            TokenTree::Group(group) => spans(group.stream(), literals),
            _ => {}
        }
    }
}

/// Paths that comments of Rust files and lines of pages name in backticks but
/// that are not among `files`, all files of the repository.
///
/// # Errors
/// If a file is not Rust.
pub fn breaches(texts: &Texts, files: &BTreeSet<String>) -> Result<Vec<Breach>> {
    let mut found = Vec::new();
    for (file, text) in texts {
        let lines = match file.ends_with(".rs") {
            true => of(text).map_err(|error| format!("{file}: {error}"))?,
            false => text.lines().enumerate().map(|(number, line)| (number + 1, line)).collect(),
        };
        for (line, text) in lines {
            let quoted = text.split('`').skip(1).step_by(2);
            for path in quoted.filter(|path| is_path(path) && !exists(path, file, files)) {
                let what = format!("`{path}` does not exist");
                found.push(Breach { file: file.clone(), line, what });
            }
        }
    }
    Ok(found)
}

/// True for what can only be meant as a file, or as a folder of the crate.
fn is_path(text: &str) -> bool {
    let named = |c: char| c.is_ascii_alphanumeric() || "_-./".contains(c);
    let file = text.ends_with(".rs") || text.ends_with(".md");
    let rooted = text.starts_with("src/") || text.starts_with("docs/");
    text.chars().all(named) && (file || rooted) && !text.starts_with(['.', '/'])
}

/// A path may start at any folder around `file`, or be the end of one.
fn exists(path: &str, file: &str, files: &BTreeSet<String>) -> bool {
    let path = path.trim_end_matches('/');
    let is_there = |whole: &str| {
        let folder = format!("{whole}/");
        files.contains(whole)
            || files.range(folder.clone()..).next().is_some_and(|next| next.starts_with(&folder))
    };
    let mut around = file;
    while let Some((folder, _)) = around.rsplit_once('/') {
        if is_there(&format!("{folder}/{path}")) {
            return true;
        }
        around = folder;
    }
    let end = format!("/{path}");
    let rooted = path.starts_with("src/") || path.starts_with("docs/");
    is_there(path) || (!rooted && files.iter().any(|file| file.ends_with(&end)))
}

#[cfg(test)]
mod tests {
    use super::{breaches, of};

    const FILES: [&str; 7] = [
        "CONTRIBUTING.md",
        "docs/gc.md",
        "docs/adr/0007-roots.md",
        "src/gc/heap.rs",
        "src/gc/arena.rs",
        "xtask/src/main.rs",
        "xtask/src/layers/mod.rs",
    ];

    fn missing(file: &str, text: &str) -> Vec<(usize, String)> {
        let texts = [(file.to_string(), text.to_string())].into();
        let found = breaches(&texts, &FILES.map(String::from).into()).unwrap();
        found.into_iter().map(|breach| (breach.line, breach.what)).collect()
    }

    #[test]
    fn comments_are_told_from_strings() {
        let text = "//! a\nfn f() { let s = \"// no\"; } // b\n/// c\nconst C: &str = r#\"\n// no\n\"#; // d `x`\n";
        assert_eq!(of(text).unwrap(), [(1, " a"), (2, " b"), (3, " c"), (6, " d `x`")]);
    }

    #[test]
    fn what_exists_may_be_named() {
        for text in [
            "//! `src/gc/heap.rs`, `gc/heap.rs`, `heap.rs`, `docs/gc.md`, `docs/adr/`, `src/gc`",
            "// `adr/0007-roots.md` and `CONTRIBUTING.md`",
            "// `and/or`, `a.b`, `.rs`, `op/*.rs`, `src/{a,b}.rs`, `crate::gc::lost`, docs/lost.md",
            "const C: &str = \"// `src/lost.rs`\";",
        ] {
            assert_eq!(missing("src/gc/arena.rs", text), [], "{text}");
        }
        assert_eq!(missing("xtask/src/main.rs", "// `src/layers/mod.rs`, `layers/mod.rs`"), []);
        assert_eq!(missing("docs/gc.md", "`adr/0007-roots.md`, `gc/heap.rs`"), []);
    }

    #[test]
    fn what_does_not_exist_is_found() {
        for (line, text) in [
            (1, "//! See `src/gc/lost.rs`."),
            (2, "\n/// See `docs/lost.md`.\nfn f() {}"),
            (1, "fn f() {} // `gc/lost.rs`"),
            (1, "// `heap/arena.rs`"),
            (1, "// `src/heap.rs`"),
            (1, "// `lost.rs`"),
            (1, "// `src/lost/`"),
            (1, "// `src/layers/mod.rs`"),
        ] {
            let found = missing("src/gc/arena.rs", text);
            assert_eq!(found.len(), 1, "{text}");
            assert_eq!(found[0].0, line, "{text}");
        }
        assert_eq!(missing("docs/gc.md", "text\n`gc/lost.rs`").len(), 1);
    }
}
