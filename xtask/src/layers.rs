//! The layer rule: a module of the crate uses only what stands left of it,
//! and the layers below the allocator do not name it.

use crate::{Result, paths};
use std::path::{Path, PathBuf};

/// From the floor up.
const LAYERS: [&str; 9] =
    ["abi", "error", "arch", "alloc", "stack", "gc", "artifact", "compile", "runtime"];
/// Layers that must not use `extern crate alloc`.
const WITHOUT_ALLOCATOR: [&str; 4] = ["abi", "arch", "stack", "gc"];
/// `error` boxes what the compiler and host functions say.
const EXCEPTIONS: [(&str, &str); 1] = [("error", "alloc")];

/// Checks every file; the error lists all breaches.
pub fn check() -> Result<()> {
    let source = paths::root().join("src");
    let mut breaches = Vec::new();
    for (rank, layer) in LAYERS.iter().enumerate() {
        let mut files = Vec::new();
        let folder = source.join(layer);
        match folder.is_dir() {
            true => list(&folder, &mut files)?,
            false => files.push(source.join(format!("{layer}.rs"))),
        }
        for file in files {
            let text = std::fs::read_to_string(&file)
                .map_err(|error| format!("{}: {error}", file.display()))?;
            breaches_in(&text, layer, rank).into_iter().for_each(|(line, what)| {
                let name = file.strip_prefix(paths::root()).unwrap_or(&file).display();
                breaches.push(format!("{name}:{line}: {what}"));
            });
        }
    }
    match breaches.is_empty() {
        true => Ok(()),
        false => Err(format!("layers out of order:\n  {}", breaches.join("\n  "))),
    }
}

fn list(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let entries =
        std::fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            list(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

fn breaches_in(text: &str, layer: &str, rank: usize) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    // Tests may use what they like; they stand in files of their own or last.
    let code = text.lines().take_while(|line| !line.contains("#[cfg(test)]"));
    for (number, line) in code.enumerate() {
        let line = line.split("//").next().unwrap_or_default();
        for (at, _) in line.match_indices("crate::") {
            let name: String = line[at + 7..]
                .chars()
                .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
                .collect();
            let above = LAYERS.iter().position(|l| *l == name).is_some_and(|used| used > rank);
            if above && !EXCEPTIONS.contains(&(layer, name.as_str())) {
                found.push((number + 1, format!("`{layer}` uses `{name}`, which stands above it")));
            }
        }
        if WITHOUT_ALLOCATOR.contains(&layer) && line.contains("std_alloc") {
            found.push((number + 1, format!("`{layer}` uses the global allocator")));
        }
        if layer != "arch" && line.contains("cfg(target_arch") {
            found.push((number + 1, format!("`{layer}` asks for the architecture")));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::breaches_in;

    #[test]
    fn finds_each_kind_of_breach() {
        let text = "use crate::gc::Heap;\nuse std_alloc::vec::Vec;\n#[cfg(target_arch = \"x\")]\n";
        assert_eq!(breaches_in(text, "stack", 4).len(), 3);
        assert!(breaches_in("use crate::abi::Slot; // crate::gc", "stack", 4).is_empty());
    }
}
