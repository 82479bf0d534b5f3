//! Reading a folder of source.

use super::Texts;
use crate::Result;
use std::path::Path;

/// All Rust files below `folder`.
///
/// # Errors
/// If anything in there cannot be read: what is not seen is not checked.
pub fn read(folder: &Path) -> Result<Texts> {
    let mut texts = Texts::new();
    for entry in walk(folder)? {
        let name = entry.strip_prefix(folder).unwrap_or(&entry).display().to_string();
        if name.ends_with(".rs") {
            let text = std::fs::read_to_string(&entry)
                .map_err(|error| format!("{}: {error}", entry.display()))?;
            texts.insert(name, text);
        }
    }
    Ok(texts)
}

/// All files below `folder`.
///
/// # Errors
/// If a folder or an entry of one cannot be read.
pub fn walk(folder: &Path) -> Result<Vec<std::path::PathBuf>> {
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        match entry.file_type().map_err(failed)?.is_dir() {
            true => files.extend(walk(&entry.path())?),
            false => files.push(entry.path()),
        }
    }
    files.sort();
    Ok(files)
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
