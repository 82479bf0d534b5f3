//! What is passed to a kernel: arguments and files. The format is described
//! where it is read, in `tests-qemu/src/payload.rs`.

use crate::Result;
use std::path::Path;

/// The most that a kernel has room for.
const LIMIT_BYTES: usize = 127 << 20;

fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend((bytes.len() as u32).to_le_bytes());
    out.extend(bytes);
}

/// Writes a payload to `path`.
pub fn write(path: &Path, args: &[String], files: &[(String, Vec<u8>)]) -> Result<()> {
    let mut out = b"KREFPAY1".to_vec();
    out.extend((args.len() as u32).to_le_bytes());
    args.iter().for_each(|arg| put(&mut out, arg.as_bytes()));
    out.extend((files.len() as u32).to_le_bytes());
    for (name, bytes) in files {
        put(&mut out, name.as_bytes());
        put(&mut out, bytes);
    }
    if out.len() > LIMIT_BYTES {
        return Err(format!("{} bytes are more than the kernel's {LIMIT_BYTES}", out.len()));
    }
    std::fs::write(path, out).map_err(|error| format!("{}: {error}", path.display()))
}
