//! The compiler's output for small modules, compared with listings in
//! `tests/golden`: each barrier, check, call and stub, under every setup; what
//! is equal under several is listed once, and what resembles an earlier listing
//! as its difference from that. An intended change is recorded by
//! `./x golden --bless`.
//!
//! The listing of a module `NAME.wat` is in `NAME.clif`. The module's first
//! lines say what to list:
//!
//! ```text
//! ;;! under: zero-count, clone-on-read      the setups; the default is all of them
//! ;;! show: function 0, stub of             prefixes of pieces' names; the default is function
//! ;;! lines with: function, sig             only lines that contain one of these
//! ;;! machine code of x86_64                instead of IR, on that machine only
//! ;;! only on x86_64                        IR that depends on the processor
//! ```
//!
//! `{N text}` stands for N copies of the text.
#![cfg(all(feature = "compile", feature = "std"))]

use kernref::__internals::{CompileSettings, listing};
use kernref::DeferralPolicy::CloneOnRead;
use similar::TextDiff;
use std::collections::HashMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Set by `./x golden --bless`.
const BLESS: &str = "KERNREF_BLESS";

/// The setup that others are compared with, then one for each setting.
const SETUPS: [&str; 7] =
    ["zero-count", "clone-on-read", "zeal", "epoch", "fuel", "hardware-traps", "guards-off"];

fn setup(name: &str) -> CompileSettings {
    let base = CompileSettings { verify: true, ..CompileSettings::default() };
    match name {
        "zero-count" => base,
        "clone-on-read" => CompileSettings { policy: CloneOnRead, ..base },
        "zeal" => CompileSettings { zeal: true, ..base },
        "epoch" => CompileSettings { epoch_interruption: true, ..base },
        "fuel" => CompileSettings { consume_fuel: true, ..base },
        "hardware-traps" => CompileSettings { hardware_traps: true, ..base },
        "guards-off" => CompileSettings { speculation_guards: false, ..base },
        _ => panic!("no setup is called {name}"),
    }
}

/// What a module's first lines request.
struct Wish<'a> {
    setups: Vec<&'a str>,
    pieces: Vec<&'a str>,
    /// Empty: all lines.
    lines: Vec<&'a str>,
    machine_code: bool,
    only_on: Option<&'a str>,
}

impl<'a> Wish<'a> {
    fn of(text: &'a str) -> Self {
        let mut wish = Self {
            setups: SETUPS.to_vec(),
            pieces: vec!["function"],
            lines: Vec::new(),
            machine_code: false,
            only_on: None,
        };
        for line in text.lines().map_while(|line| line.strip_prefix(";;! ")) {
            if let Some(setups) = line.strip_prefix("under: ") {
                wish.setups = setups.split(", ").collect();
            } else if let Some(pieces) = line.strip_prefix("show: ") {
                wish.pieces = pieces.split(", ").collect();
            } else if let Some(lines) = line.strip_prefix("lines with: ") {
                wish.lines = lines.split(", ").collect();
            } else if let Some(arch) = line.strip_prefix("machine code of ") {
                (wish.machine_code, wish.only_on) = (true, Some(arch));
            } else if let Some(arch) = line.strip_prefix("only on ") {
                wish.only_on = Some(arch);
            } else {
                panic!("what is meant by `{line}`?");
            }
        }
        wish
    }

    /// Names and code of the requested pieces.
    fn pieces(&self, wasm: &[u8], setup_name: &str) -> Vec<(String, String)> {
        let all = listing(wasm, &setup(setup_name)).expect("the module compiles");
        let is_wanted = |name: &str| self.pieces.iter().any(|wanted| name.starts_with(wanted));
        let pieces: Vec<_> = all
            .into_iter()
            .filter(|piece| is_wanted(&piece.name))
            .map(|piece| match self.machine_code {
                true => (piece.name, piece.machine_code),
                false => (piece.name, with_names_of_regions(&without_margin(&piece.ir))),
            })
            .collect();
        assert!(!pieces.is_empty(), "no piece is called {:?}", self.pieces);
        pieces
    }

    /// The requested lines of a piece, without white space at their ends.
    fn lines(&self, code: &str) -> String {
        let is_wanted = |line: &&str| {
            self.lines.is_empty() || self.lines.iter().any(|wanted| line.contains(wanted))
        };
        let lines: Vec<_> = code.trim_end().lines().filter(is_wanted).map(str::trim_end).collect();
        lines.join("\n")
    }
}

/// Takes away the margin in which sites have their numbers.
fn without_margin(ir: &str) -> String {
    const MARGIN: usize = 32;
    let mut text = String::new();
    for line in ir.lines() {
        let is_wide = line.starts_with('@') || line.starts_with(&" ".repeat(MARGIN));
        text.push_str(if is_wide { &line[MARGIN..] } else { line });
        text.push('\n');
    }
    text
}

/// Replaces `region2` by `@table` if a line `region2 = 2 "table"` declares it.
fn with_names_of_regions(ir: &str) -> String {
    let (declared, mut text): (Vec<_>, String) = (
        ir.lines().filter(|line| line.starts_with("    region")).collect(),
        ir.split_inclusive('\n').filter(|line| !line.starts_with("    region")).collect(),
    );
    for line in declared {
        let (region, name) = line.trim().split_once(" = ").expect("a region's declaration");
        let name = name.split('"').nth(1).expect("a region's name").replace(' ', "-");
        text = text.replace(&format!(" {region} "), &format!(" @{name} "));
    }
    text
}

/// Expands `{N text}` to N copies of the text.
fn expand(text: &str) -> String {
    let mut expanded = String::new();
    for (index, part) in text.split('{').enumerate() {
        match part.split_once('}').filter(|_| index > 0) {
            None => expanded.push_str(part),
            Some((inside, after)) => {
                let (count, what) = inside.split_once(' ').expect("a number and a text");
                expanded.push_str(&format!("{what} ").repeat(count.parse().expect("a number")));
                expanded.push_str(after);
            }
        }
    }
    expanded
}

/// Whether the compiler has numbered this, so that the number says nothing.
fn is_numbered(word: &str) -> bool {
    let digits = |prefix| word.strip_prefix(prefix).unwrap_or_default();
    let is_number = |digits: &str| !digits.is_empty() && digits.parse::<u32>().is_ok();
    ["v", "block", "fn", "sig", "ss", "label"].into_iter().any(|prefix| is_number(digits(prefix)))
}

/// The numbered names in a text, each followed by what separates it from the
/// next word; other words as they are.
fn rename<'a>(text: &'a str, mut name: impl FnMut(&'a str) -> String) -> String {
    let mut renamed = String::new();
    for part in text.split_inclusive(|c: char| !c.is_alphanumeric()) {
        let word = part.trim_end_matches(|c: char| !c.is_alphanumeric());
        match is_numbered(word) {
            true => renamed.push_str(&name(word)),
            false => renamed.push_str(word),
        }
        renamed.push_str(&part[word.len()..]);
    }
    renamed
}

fn numbered_names(line: &str) -> Vec<&str> {
    let mut names = Vec::new();
    rename(line, |name| {
        names.push(name);
        String::new()
    });
    names
}

/// `other` with the names of `model`, as far as lines correspond; other names
/// get a prime.
fn with_names_of(model: &str, other: &str) -> String {
    let [bare_model, bare_other] = [model, other].map(|text| rename(text, |_| "_".to_owned()));
    let (model_lines, other_lines): (Vec<_>, Vec<_>) =
        (model.lines().collect(), other.lines().collect());
    let (mut to_model, mut to_other) = (HashMap::new(), HashMap::new());
    for change in TextDiff::from_lines(&bare_model, &bare_other).iter_all_changes() {
        let (Some(ours), Some(theirs)) = (change.old_index(), change.new_index()) else { continue };
        let ours = numbered_names(model_lines[ours]);
        for (ours, theirs) in ours.into_iter().zip(numbered_names(other_lines[theirs])) {
            if !to_model.contains_key(theirs) && !to_other.contains_key(ours) {
                to_model.insert(theirs, ours);
                to_other.insert(ours, theirs);
            }
        }
    }
    rename(other, |name| to_model.get(name).map_or(format!("{name}'"), |&ours| ours.to_owned()))
}

/// What a piece changes of another, or `None` if they have little in common.
fn changes(model: &str, other: &str) -> Option<String> {
    let other_renamed = with_names_of(model, other);
    let diff = TextDiff::from_lines(model, &other_renamed);
    let mut changes = String::new();
    for group in diff.grouped_ops(1) {
        changes.push_str("@@\n");
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let line = format!("{}{}", change.tag(), change.value().trim_end());
            writeln!(changes, "{}", line.trim_end()).unwrap();
        }
    }
    (changes.len() * 4 < other.len() * 3).then(|| changes.trim_end().to_owned())
}

/// Lists each piece under each setup, and once for all setups under which it is
/// the same.
fn golden(text: &str, wish: &Wish<'_>) -> String {
    let wasm = wat::parse_str(expand(text)).expect("the module can be parsed");
    let mut found: Vec<(String, Vec<&str>, String)> = Vec::new();
    for setup in &wish.setups {
        for (name, code) in wish.pieces(&wasm, setup) {
            let code = wish.lines(&code);
            match found.iter_mut().find(|(of, _, earlier)| *of == name && *earlier == code) {
                Some((_, setups, _)) => setups.push(*setup),
                None => found.push((name, vec![*setup], code)),
            }
        }
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    let mut golden = String::new();
    let mut models: Vec<(&str, &str, &str)> = Vec::new();
    for (name, setups, code) in &found {
        let under = match *setups == SETUPS {
            true => "every setup".to_owned(),
            false => setups.join(", "),
        };
        let of_same_name = models.iter().filter(|(of, _, _)| of == name);
        let changed = of_same_name.filter_map(|(_, of, model)| Some((of, changes(model, code)?)));
        match changed.min_by_key(|(_, changes)| changes.len()) {
            Some((model, changes)) => {
                writeln!(golden, ";; {name}, {under}: as {model} but\n{changes}\n").unwrap();
            }
            None => {
                writeln!(golden, ";; {name}, {under}\n{code}\n").unwrap();
                models.push((name, setups[0], code));
            }
        }
    }
    golden.truncate(golden.trim_end().len());
    golden + "\n"
}

/// The modules, sorted. Panics if the folder contains a file without a module.
fn modules(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> = folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in &paths {
        let of = path.with_extension("wat");
        assert!(paths.contains(&of), "{}: nothing of that name to list", path.display());
    }
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "wat"));
    paths
}

#[test]
fn listings_match_the_golden_files() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let (modules, bless) = (modules(&folder), std::env::var_os(BLESS).is_some());
    assert!(!modules.is_empty());
    let mut different = String::new();
    for path in modules {
        let text = std::fs::read_to_string(&path).unwrap();
        let wish = Wish::of(&text);
        if wish.only_on.is_some_and(|arch| arch != std::env::consts::ARCH) {
            continue;
        }
        let (found, kept_at) = (golden(&text, &wish), path.with_extension("clif"));
        if bless {
            std::fs::write(&kept_at, &found).unwrap();
            continue;
        }
        let kept = std::fs::read_to_string(&kept_at).unwrap_or_default();
        let name = kept_at.file_name().unwrap().to_string_lossy();
        let diff = TextDiff::from_lines(&kept, &found);
        let mut diff = diff.unified_diff();
        diff.context_radius(4).header(&format!("kept/{name}"), &format!("found/{name}"));
        different.push_str(&diff.to_string());
    }
    assert!(
        different.is_empty(),
        "generated code differs; if that is meant, run `./x golden --bless`:\n{different}"
    );
}
