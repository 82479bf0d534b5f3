//! An archive of what is new: in the form of tar, with GNU's long names.

use super::state::{Kind, ROOT, State};
use super::tar::BLOCK_BYTES;
use crate::fallible::{try_push, try_push_str};
use crate::types::{Errno, Result};
use alloc::string::String;
use alloc::vec::Vec;

type Sink<'s> = &'s mut dyn FnMut(&[u8]) -> Result<()>;

/// Bytes of a name in a header, of which the last is a NUL.
const NAME_BYTES: usize = 100;

/// Writes digits into a header, followed by a NUL.
fn octal(header: &mut [u8; BLOCK_BYTES], at: usize, len: usize, mut value: u64) {
    let Some(field) = header.get_mut(at..at + len - 1) else { return };
    for digit in field.iter_mut().rev() {
        *digit = b'0' + (value % 8) as u8;
        value /= 8;
    }
}

fn put(header: &mut [u8; BLOCK_BYTES], at: usize, bytes: &[u8]) {
    if let Some(field) = header.get_mut(at..at + bytes.len()) {
        field.copy_from_slice(bytes);
    }
}

/// What a header says.
struct Member<'m> {
    path: &'m str,
    kind: u8,
    size: u64,
    target: &'m str,
    modified_ns: u64,
}

impl Member<'_> {
    fn write(&self, sink: Sink<'_>) -> Result<()> {
        for (kind, name) in [(b'L', self.path), (b'K', self.target)] {
            if name.len() >= NAME_BYTES {
                let size = name.len() as u64;
                let member =
                    Member { path: "././@LongLink", kind, size, target: "", modified_ns: 0 };
                member.header(sink)?;
                sink(name.as_bytes())?;
                pad(size, sink)?;
            }
        }
        self.header(sink)
    }

    fn header(&self, sink: Sink<'_>) -> Result<()> {
        let mut header = [0; BLOCK_BYTES];
        let cut = |name: &str| name.len().min(NAME_BYTES - 1);
        put(&mut header, 0, self.path.as_bytes().get(..cut(self.path)).unwrap_or_default());
        octal(&mut header, 100, 8, if self.kind == b'5' { 0o755 } else { 0o644 });
        octal(&mut header, 108, 8, 0);
        octal(&mut header, 116, 8, 0);
        octal(&mut header, 124, 12, self.size);
        octal(&mut header, 136, 12, self.modified_ns / 1_000_000_000);
        put(&mut header, 148, &[b' '; 8]);
        put(&mut header, 156, &[self.kind]);
        put(&mut header, 157, self.target.as_bytes().get(..cut(self.target)).unwrap_or_default());
        put(&mut header, 257, b"ustar  \0");
        let sum = header.iter().map(|byte| u64::from(*byte)).sum();
        octal(&mut header, 148, 7, sum);
        sink(&header)
    }
}

/// Fills up what follows `size` bytes.
fn pad(size: u64, sink: Sink<'_>) -> Result<()> {
    let len = (size.next_multiple_of(BLOCK_BYTES as u64) - size) as usize;
    sink([0; BLOCK_BYTES].get(..len).unwrap_or_default())
}

/// A directory that is being gone through.
struct Level {
    node: u32,
    /// The last entry seen.
    serial: u64,
    /// Length of its path, with a slash.
    path_len: usize,
    /// All that is below it is new.
    is_new: bool,
    /// It is in the archive.
    is_written: bool,
}

/// Writes the archive. Directories that are only on the way to something new are
/// written when that is found.
pub(super) fn changes(state: &State, sink: Sink<'_>) -> Result<()> {
    let (mut path, mut levels) = (String::new(), Vec::new());
    let root = Level { node: ROOT, serial: 0, path_len: 0, is_new: false, is_written: true };
    try_push(&mut levels, root)?;
    while let Some(level) = levels.last_mut() {
        path.truncate(level.path_len);
        let Some(entry) = state.entries(level.node)?.after(level.serial).first() else {
            levels.pop();
            continue;
        };
        level.serial = entry.serial;
        let node = state.node(entry.node)?;
        let is_new = level.is_new || node.is_new;
        try_push_str(&mut path, &entry.name)?;
        if let Kind::Directory { .. } = node.kind {
            try_push_str(&mut path, "/")?;
            let (node, path_len) = (entry.node, path.len());
            try_push(&mut levels, Level { node, serial: 0, path_len, is_new, is_written: false })?;
            if is_new {
                directories(state, &path, &mut levels, sink)?;
            }
        } else if is_new {
            directories(state, &path, &mut levels, sink)?;
            file(state, &path, entry.node, sink)?;
        }
    }
    sink(&[0; 2 * BLOCK_BYTES])
}

/// Writes the directories that are not in the archive yet.
fn directories(state: &State, path: &str, levels: &mut [Level], sink: Sink<'_>) -> Result<()> {
    for level in levels.iter_mut().filter(|level| !level.is_written) {
        level.is_written = true;
        let path = path.get(..level.path_len).ok_or(Errno::Io)?;
        let modified_ns = state.node(level.node)?.modified;
        Member { path, kind: b'5', size: 0, target: "", modified_ns }.write(sink)?;
    }
    Ok(())
}

fn file(state: &State, path: &str, node: u32, sink: Sink<'_>) -> Result<()> {
    let modified_ns = state.node(node)?.modified;
    match &state.node(node)?.kind {
        Kind::Link(target) => Member { path, kind: b'2', size: 0, target, modified_ns }.write(sink),
        Kind::File(content) => {
            let size = content.len();
            Member { path, kind: b'0', size, target: "", modified_ns }.write(sink)?;
            let (mut offset, mut piece) = (0, [0; 4096]);
            while offset < size {
                let read = content.read(offset, &mut piece);
                sink(piece.get(..read).unwrap_or_default())?;
                offset += read.max(1) as u64;
            }
            pad(size, sink)
        }
        Kind::Directory { .. } => Ok(()),
    }
}
