//! Comments: written so that the checks can read them, and naming only paths
//! that exist, as pages do.

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
    let literals = literals(text, tokens(text)?);
    let mut comments = Vec::new();
    let mut start = 0;
    for (number, line) in text.split_inclusive('\n').enumerate() {
        if let Some(at) = outside(&literals, start, line, "//") {
            let comment = line[at..].trim_start_matches('/').trim_start_matches('!');
            comments.push((number + 1, comment.trim_end()));
        }
        start += line.len();
    }
    Ok(comments)
}

/// Comments that [`of`] does not see, or not as they are meant: between `/*`
/// and `*/`, and in `doc` attributes.
///
/// # Errors
/// If a file is not Rust.
pub fn unseen(texts: &Texts) -> Result<Vec<Breach>> {
    let mut found = Vec::new();
    for (file, text) in texts {
        let tokens = tokens(text).map_err(|error| format!("{file}: {error}"))?;
        let mut lines = Vec::new();
        doc_attributes(text, tokens.clone(), &mut lines);
        let mut breach = |line, what: &str| {
            found.push(Breach { file: file.clone(), line, what: what.into() });
        };
        for line in lines {
            breach(line, "documentation in an attribute: write `///` or `//!`");
        }
        let literals = literals(text, tokens);
        let mut start = 0;
        for (number, line) in text.split_inclusive('\n').enumerate() {
            if let Some(at) = outside(&literals, start, line, "/*")
                && outside(&literals, start, line, "//").is_none_or(|slashes| at < slashes)
            {
                breach(number + 1, "a comment in `/*`: write `//`");
            }
            start += line.len();
        }
    }
    Ok(found)
}

fn tokens(text: &str) -> Result<TokenStream> {
    text.parse().map_err(|error| format!("{error}"))
}

/// Where `line`, which begins at `start`, has `sign` outside literals.
fn outside(literals: &[Range<usize>], start: usize, line: &str, sign: &str) -> Option<usize> {
    let inside = |at: &usize| literals.iter().any(|range| range.contains(&(start + at)));
    line.match_indices(sign).map(|(at, _)| at).find(|at| !inside(at))
}

/// Lines of `doc = …` that are written so. What `include_str!` brings in is a
/// page, which is checked as one.
fn doc_attributes(text: &str, tokens: TokenStream, lines: &mut Vec<usize>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    for window in tokens.windows(3) {
        if let [TokenTree::Ident(name), TokenTree::Punct(sign), value] = window
            && name == "doc"
            && sign.as_char() == '='
            && !is_doc_comment(text, value)
            && !matches!(value, TokenTree::Ident(call) if call == "include_str")
        {
            lines.push(value.span().start().line);
        }
    }
    for token in tokens {
        if let TokenTree::Group(group) = token {
            doc_attributes(text, group.stream(), lines);
        }
    }
}

/// A documentation comment is a literal that begins with a slash.
fn is_doc_comment(text: &str, token: &TokenTree) -> bool {
    matches!(token, TokenTree::Literal(_)) && text[token.span().byte_range()].starts_with('/')
}

/// Where literals other than documentation comments lie.
fn literals(text: &str, tokens: TokenStream) -> Vec<Range<usize>> {
    let mut literals = Vec::new();
    spans(tokens, &mut literals);
    literals.retain(|range| !text[range.clone()].starts_with('/'));
    literals
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
    use super::{breaches, of, unseen};

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
    fn comments_that_are_not_seen_are_refused() {
        let lines = |text: &str| -> Vec<usize> {
            let texts = [("src/a.rs".to_string(), text.to_string())].into();
            unseen(&texts).unwrap().into_iter().map(|breach| breach.line).collect()
        };
        for text in [
            "//! a /* b */\n/// c\nfn f() {} // d /* e",
            "const C: &str = \"/* no */\"; // #[doc = \"no\"]",
            "#[doc(hidden)]\n#[doc = include_str!(\"../README.md\")]\nfn f() {}",
        ] {
            assert!(lines(text).is_empty(), "{text}");
        }
        for (line, text) in [
            (2, "\n/* SAFETY: (Z9) */ fn f() {}"),
            (1, "fn f() {} /* a */ // b"),
            (1, "/** a */ fn f() {}"),
            (1, "/*! a\n b */"),
            (2, "fn f() {\n    g(/* a */);\n}"),
            (2, "\n#[doc = \"See `src/lost.rs`.\"]\nfn f() {}"),
            (1, "#![doc = r\"a\"]"),
            (1, "#[doc = concat!(\"a\", \"b\")] fn f() {}"),
            (2, "mod a {\n#[cfg_attr(test, doc = \"a\")] fn f() {}\n}"),
        ] {
            assert_eq!(lines(text), [line], "{text}");
        }
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
