//! Archives in the "newc" form of cpio, as the kernel of Linux reads them.
//!
//! ```text
//! "070701" | 13 numbers of 8 hexadecimal digits: ino mode uid gid nlink mtime filesize
//!          | devmajor devminor rdevmajor rdevminor namesize check
//!          | name, NUL, to a multiple of 4 | content, to a multiple of 4
//! ```
//! The last name is `TRAILER!!!`. Source: `cpio(5)`.

use super::ImageError;
use super::image::{Member, MemberKind, slice, text};
use crate::types::Filetype;
use alloc::string::String;

const HEADER_BYTES: usize = 110;

pub(super) fn is_cpio(bytes: &[u8]) -> bool {
    bytes.starts_with(b"070701") || bytes.starts_with(b"070702")
}

/// The n-th number of a header.
fn number(header: &[u8], at: usize, offset: usize) -> Result<usize, ImageError> {
    let digits = slice(header, 6 + at * 8, 8)?;
    let text = core::str::from_utf8(digits).ok();
    let number = text.and_then(|text| u32::from_str_radix(text, 16).ok());
    let what = "a number that is not hexadecimal";
    number.map(|number| number as usize).ok_or(ImageError { offset, what })
}

pub(super) fn read(
    bytes: &[u8],
    each: &mut dyn FnMut(Member) -> Result<(), ImageError>,
) -> Result<(), ImageError> {
    let mut offset = 0;
    loop {
        let header = slice(bytes, offset, HEADER_BYTES)?;
        if !is_cpio(header) {
            return Err(ImageError { offset, what: "a header without its magic number" });
        }
        let field = |at| number(header, at, offset);
        let (mode, modified, size, name_size) = (field(1)?, field(5)?, field(6)?, field(11)?);
        let name = slice(bytes, offset + HEADER_BYTES, name_size)?;
        let name = text(name.strip_suffix(b"\0").unwrap_or(name), offset)?;
        if name == "TRAILER!!!" {
            return Ok(());
        }
        let start = (offset + HEADER_BYTES + name_size).next_multiple_of(4);
        let content = slice(bytes, start, size)?;
        let filetype = match mode & 0o170_000 {
            0o100_000 => Filetype::RegularFile,
            0o040_000 => Filetype::Directory,
            0o120_000 => Filetype::SymbolicLink,
            _ => Filetype::Unknown,
        };
        let target = match filetype {
            Filetype::SymbolicLink => text(content, start)?,
            _ => String::new(),
        };
        let kind = MemberKind::of(filetype, start..start + size, target);
        let modified = (modified as u64).saturating_mul(1_000_000_000);
        each(Member { offset, path: name, kind, modified })?;
        offset = (start + size).next_multiple_of(4);
    }
}
