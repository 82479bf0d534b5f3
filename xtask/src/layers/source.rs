//! Reading a folder of source.

use super::Texts;
use crate::Result;
use std::path::{Path, PathBuf};

/// All Rust files below `folder`.
///
/// # Errors
/// If anything in there cannot be read: what is not seen is not checked.
pub fn read(folder: &Path) -> Result<Texts> {
    let files = walk(folder)?.into_iter();
    let rust = files.filter(|file| file.extension().is_some_and(|extension| extension == "rs"));
    rust.map(|file| Ok((name(folder, &file), text(&file)?))).collect()
}

/// All files below `folder`, except what builds leave and what is hidden.
///
/// # Errors
/// If a folder or an entry of one cannot be read.
pub fn walk(folder: &Path) -> Result<Vec<PathBuf>> {
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        if name == "target" || name.to_string_lossy().starts_with('.') {
            continue;
        }
        match entry.file_type().map_err(failed)?.is_dir() {
            true => files.extend(walk(&entry.path())?),
            false => files.push(entry.path()),
        }
    }
    files.sort();
    Ok(files)
}

/// The path of `file`, relative to `folder`.
pub fn name(folder: &Path, file: &Path) -> String {
    file.strip_prefix(folder).unwrap_or(file).display().to_string()
}

/// What is in a file.
pub fn text(file: &Path) -> Result<String> {
    std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_cannot_be_read_is_an_error() {
        let folder = std::env::temp_dir().join(format!("xtask-source-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("a.rs"), "fn a() {}").unwrap();
        assert_eq!(super::read(&folder).unwrap().len(), 1);
        std::fs::write(folder.join("b.rs"), [0xff, 0xfe]).unwrap();
        let failed = super::read(&folder).unwrap_err();
        std::fs::remove_dir_all(&folder).unwrap();
        assert!(failed.contains("b.rs"), "{failed}");
        assert!(super::read(&folder).is_err());
    }
}
