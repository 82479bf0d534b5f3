//! A pack: encoded scripts in one file. `KREFPACK`, then for each script the
//! length of its name, its name, its length and its bytes; lengths are u32
//! little endian. Read here and in `xtask` (`wast.rs` there).

use crate::Result;

const MAGIC: &[u8] = b"KREFPACK";

/// Writes a pack.
pub fn write(path: &str, scripts: &[(String, Vec<u8>)]) -> Result<()> {
    let mut out = MAGIC.to_vec();
    for (name, bytes) in scripts {
        for part in [name.as_bytes(), bytes] {
            let len = u32::try_from(part.len()).map_err(|_| format!("{name} is too long"))?;
            out.extend(len.to_le_bytes());
            out.extend(part);
        }
    }
    std::fs::write(path, out).map_err(|error| format!("{path}: {error}"))
}

/// Reads a pack.
pub fn read(path: &str) -> Result<Vec<(String, Vec<u8>)>> {
    let bytes = std::fs::read(path).map_err(|error| format!("{path}: {error}"))?;
    let cut = || format!("{path} is not a pack");
    let mut rest = bytes.strip_prefix(MAGIC).ok_or_else(cut)?;
    let mut part = || {
        let (len, tail) = rest.split_first_chunk::<4>()?;
        let (part, tail) = tail.split_at_checked(u32::from_le_bytes(*len) as usize)?;
        rest = tail;
        Some(part.to_vec())
    };
    let mut scripts = Vec::new();
    while let Some(name) = part() {
        let name = String::from_utf8(name).map_err(|_| cut())?;
        scripts.push((name, part().ok_or_else(cut)?));
    }
    match rest.is_empty() {
        true => Ok(scripts),
        false => Err(cut()),
    }
}
