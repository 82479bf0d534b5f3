//! Archives in the form of tar: POSIX ustar with pax headers, and GNU's long names.
//!
//! A header of 512 bytes, then the content to a multiple of 512; two empty headers
//! end it. Source: POSIX.1-2017, "pax: Interchange Format".

use super::ImageError;
use super::image::{Member, MemberKind, slice, text};
use alloc::string::String;
use core::ops::Range;

pub(super) const BLOCK_BYTES: usize = 512;

/// What earlier headers say about the next member.
#[derive(Default)]
struct Extended {
    path: Option<String>,
    target: Option<String>,
    size: Option<u64>,
    modified: Option<u64>,
}

/// Up to the first NUL.
fn until_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// An octal number, or GNU's binary one.
fn number(field: &[u8], offset: usize) -> Result<u64, ImageError> {
    let wrong = ImageError { offset, what: "a number that is not octal" };
    if let Some((first, rest)) = field.split_first()
        && first & 0x80 != 0
    {
        let number = rest.iter().try_fold(u64::from(first & 0x7f), |number, byte| {
            Some(number.checked_mul(256)? + u64::from(*byte))
        });
        return number.ok_or(wrong);
    }
    let digits = until_nul(field).trim_ascii();
    digits
        .iter()
        .try_fold(0u64, |number, digit| match digit {
            b'0'..=b'7' => number.checked_mul(8).map(|number| number + u64::from(digit - b'0')),
            _ => None,
        })
        .ok_or(wrong)
}

/// The checksum is the sum of the header's bytes, its own field counted as spaces.
fn check(header: &[u8], offset: usize) -> Result<(), ImageError> {
    let stated = number(slice(header, 148, 8)?, offset)?;
    let bytes = header.iter().enumerate();
    let sum: u64 = bytes
        .map(|(at, byte)| match at {
            148..156 => u64::from(b' '),
            _ => u64::from(*byte),
        })
        .sum();
    match sum == stated {
        true => Ok(()),
        false => Err(ImageError { offset, what: "a header with a wrong checksum" }),
    }
}

impl Extended {
    /// Records are `LENGTH KEY=VALUE\n`.
    fn read_pax(&mut self, mut records: &[u8], offset: usize) -> Result<(), ImageError> {
        let wrong = ImageError { offset, what: "a malformed pax record" };
        while !records.is_empty() {
            let space = records.iter().position(|byte| *byte == b' ').ok_or(wrong)?;
            let (digits, _) = records.split_at(space);
            let len = core::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
            let len: usize = len.ok_or(wrong)?;
            let record = records.get(space + 1..len).ok_or(wrong)?;
            records = records.get(len..).ok_or(wrong)?;
            let record = record.strip_suffix(b"\n").ok_or(wrong)?;
            let equals = record.iter().position(|byte| *byte == b'=').ok_or(wrong)?;
            let (key, value) = record.split_at(equals);
            let value = value.get(1..).unwrap_or_default();
            match key {
                b"path" => self.path = Some(text(value, offset)?),
                b"linkpath" => self.target = Some(text(value, offset)?),
                b"size" => self.size = Some(text(value, offset)?.parse().map_err(|_| wrong)?),
                b"mtime" => self.modified = Some(nanoseconds(&text(value, offset)?).ok_or(wrong)?),
                _ => {}
            }
        }
        Ok(())
    }
}

/// Seconds with a fraction, as pax headers have them. Before 1970 is 1970.
fn nanoseconds(seconds: &str) -> Option<u64> {
    if seconds.starts_with('-') {
        return Some(0);
    }
    let (whole, fraction) = seconds.split_once('.').unwrap_or((seconds, ""));
    let mut nanoseconds = whole.parse::<u64>().ok()?.checked_mul(1_000_000_000)?;
    let mut unit = 100_000_000;
    for digit in fraction.bytes().take(9) {
        nanoseconds = nanoseconds.checked_add(u64::from(digit.checked_sub(b'0')?) * unit)?;
        unit /= 10;
    }
    Some(nanoseconds)
}

/// The path in a ustar header: its prefix, a slash, its name.
fn header_path(header: &[u8], offset: usize) -> Result<String, ImageError> {
    let mut path = String::new();
    let is_posix = slice(header, 257, 6)? == b"ustar\0";
    let prefix = until_nul(slice(header, 345, 155)?);
    if is_posix && !prefix.is_empty() {
        path = text(prefix, offset)?;
        path.push('/');
    }
    path.push_str(&text(until_nul(slice(header, 0, 100)?), offset)?);
    Ok(path)
}

pub(super) fn read(
    bytes: &[u8],
    each: &mut dyn FnMut(Member) -> Result<(), ImageError>,
) -> Result<(), ImageError> {
    let (mut offset, mut extended) = (0, Extended::default());
    // Some writers leave out the end.
    while offset < bytes.len() {
        let header = slice(bytes, offset, BLOCK_BYTES)?;
        if header.iter().all(|byte| *byte == 0) {
            return Ok(());
        }
        check(header, offset)?;
        let kind = header.get(156).copied().unwrap_or_default();
        let stated = number(slice(header, 124, 12)?, offset)?;
        let is_member = !matches!(kind, b'x' | b'g' | b'L' | b'K');
        let size = if is_member { extended.size.unwrap_or(stated) } else { stated };
        let too_large = ImageError { offset, what: "a size beyond the archive" };
        let size = usize::try_from(size).map_err(|_| too_large)?;
        let start = offset + BLOCK_BYTES;
        let content = slice(bytes, start, size)?;
        match kind {
            b'x' => extended.read_pax(content, offset)?,
            b'g' => {}
            b'L' => extended.path = Some(text(until_nul(content), offset)?),
            b'K' => extended.target = Some(text(until_nul(content), offset)?),
            _ => {
                let Extended { path, target, modified, .. } = core::mem::take(&mut extended);
                let path = path.map_or_else(|| header_path(header, offset), Ok)?;
                let modified = match modified {
                    Some(modified) => modified,
                    None => number(slice(header, 136, 12)?, offset)?.saturating_mul(1_000_000_000),
                };
                let target = match target {
                    Some(target) => target,
                    None => text(until_nul(slice(header, 157, 100)?), offset)?,
                };
                let kind = member_kind(kind, &path, start..start + size, target);
                each(Member { offset, path, kind, modified })?;
            }
        }
        offset = start.saturating_add(size.next_multiple_of(BLOCK_BYTES));
    }
    Ok(())
}

fn member_kind(kind: u8, path: &str, content: Range<usize>, target: String) -> MemberKind {
    match kind {
        // Old archives mark directories by a slash alone.
        b'0' | b'\0' | b'7' if path.ends_with('/') => MemberKind::Directory,
        b'0' | b'\0' | b'7' => MemberKind::File(content),
        b'1' => MemberKind::Hardlink(target),
        b'2' => MemberKind::Symlink(target),
        b'5' => MemberKind::Directory,
        _ => MemberKind::Other,
    }
}
