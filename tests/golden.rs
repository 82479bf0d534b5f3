//! The compiler's output for small modules, compared with listings in
//! `tests/golden`: each barrier, check, call and stub, under each setup in
//! which it differs. An intended change is recorded by `./x golden --bless`.
//!
//! The listing of a module `NAME.wat` is in `NAME.clif`. The module's first
//! lines say what to list:
//!
//! ```text
//! ;;! under: zero-count, clone-on-read      the setups; the default is zero-count
//! ;;! show: function 0, stub of             prefixes of pieces' names; the default is function
//! ;;! machine code of x86_64                instead of IR, on that machine only
//! ;;! only on x86_64                        IR that depends on the processor
//! ```
//!
//! `{N text}` stands for N copies of the text.
#![cfg(all(feature = "compile", feature = "std"))]

use kernref::__internals::{CompileSettings, listing};
use kernref::DeferralPolicy::CloneOnRead;
use similar::TextDiff;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Set by `./x golden --bless`.
const BLESS: &str = "KERNREF_BLESS";

fn setup(name: &str) -> CompileSettings {
    let base = CompileSettings { verify: true, ..CompileSettings::default() };
    match name {
        "zero-count" => base,
        "clone-on-read" => CompileSettings { policy: CloneOnRead, ..base },
        "zeal" => CompileSettings { zeal: true, ..base },
        "epoch" => CompileSettings { epoch_interruption: true, ..base },
        "fuel" => CompileSettings { consume_fuel: true, ..base },
        "hardware-traps" => CompileSettings { hardware_traps: true, ..base },
        _ => panic!("no setup is called {name}"),
    }
}

/// What a module's first lines request.
struct Wish<'a> {
    setups: Vec<&'a str>,
    pieces: Vec<&'a str>,
    machine_code: bool,
    only_on: Option<&'a str>,
}

impl<'a> Wish<'a> {
    fn of(text: &'a str) -> Self {
        let mut wish = Self {
            setups: vec!["zero-count"],
            pieces: vec!["function"],
            machine_code: false,
            only_on: None,
        };
        for line in text.lines().map_while(|line| line.strip_prefix(";;! ")) {
            if let Some(setups) = line.strip_prefix("under: ") {
                wish.setups = setups.split(", ").collect();
            } else if let Some(pieces) = line.strip_prefix("show: ") {
                wish.pieces = pieces.split(", ").collect();
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
                false => (piece.name, with_names_of_regions(&piece.ir)),
            })
            .collect();
        assert!(!pieces.is_empty(), "no piece is called {:?}", self.pieces);
        pieces
    }
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

/// Lists each piece under each setup; of two equal ones, the second refers to
/// the first.
fn golden(text: &str, wish: &Wish<'_>) -> String {
    let wasm = wat::parse_str(expand(text)).expect("the module can be parsed");
    let mut found: Vec<(String, &str, String)> = Vec::new();
    for setup in &wish.setups {
        let pieces = wish.pieces(&wasm, setup);
        found.extend(pieces.into_iter().map(|(name, code)| (name, *setup, code)));
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    let mut golden = String::new();
    for (index, (name, setup, code)) in found.iter().enumerate() {
        let same = found[..index].iter().find(|(of, _, earlier)| of == name && earlier == code);
        match same {
            Some((_, earlier, _)) => {
                writeln!(golden, ";; {name}, {setup}: as {earlier}\n").unwrap();
            }
            None => {
                let code: Vec<_> = code.trim_end().lines().map(str::trim_end).collect();
                writeln!(golden, ";; {name}, {setup}\n{}\n", code.join("\n")).unwrap();
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
