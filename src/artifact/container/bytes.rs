//! [`Out`] and [`Cursor`]: numbers, strings and lists of an artifact, written and
//! read.
//!
//! Numbers are unsigned LEB128 in its shortest form (WebAssembly core, "Integers"),
//! signed ones in zigzag order; tables are 32-bit little-endian words.
//!
//! What is called in many places is not inlined: the reader is a large part of a
//! kernel that loads artifacts.

use crate::artifact::lasting::{Lasting, Text};
use crate::artifact::limits::{Limit, NAME_BYTES};
use crate::error::{ArtifactError, ArtifactFault, ArtifactSection, Error, Result};
use crate::fallible::OutOfMemory;
use bytemuck::Pod;
use core::ops::Range;
use std_alloc::vec::Vec;

/// What every section's first byte is aligned to, from the start of the file.
pub(super) const SECTION_ALIGN: usize = 16;

/// The error for a section that breaks a rule.
pub(super) const fn malformed(section: ArtifactSection, rule: &'static str) -> Error {
    Error::Artifact(ArtifactError { section, fault: ArtifactFault::Malformed(rule) })
}

/// A file under construction.
#[derive(Default)]
pub(super) struct Out {
    pub(super) bytes: Vec<u8>,
    /// Where each section begins; the last one is not ended.
    pub(super) starts: Vec<(ArtifactSection, usize)>,
    /// Where each section but the last one ends.
    pub(super) ends: Vec<usize>,
}

impl Out {
    /// Begins a section.
    pub(super) fn section(&mut self, section: ArtifactSection) -> Result<()> {
        if !self.starts.is_empty() {
            crate::fallible::try_push(&mut self.ends, self.bytes.len())?;
        }
        self.raw(&[0; SECTION_ALIGN][..padding(self.bytes.len())])?;
        Ok(crate::fallible::try_push(&mut self.starts, (section, self.bytes.len()))?)
    }

    pub(super) fn raw(&mut self, bytes: &[u8]) -> Result<()> {
        let refused = OutOfMemory { bytes: bytes.len() };
        self.bytes.try_reserve(bytes.len()).map_err(|_| refused)?;
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    pub(super) fn byte(&mut self, byte: u8) -> Result<()> {
        self.raw(&[byte])
    }

    pub(super) fn number(&mut self, mut number: u64) -> Result<()> {
        while number >= 0x80 {
            self.byte(number as u8 | 0x80)?;
            number >>= 7;
        }
        self.byte(number as u8)
    }

    pub(super) fn signed(&mut self, number: i64) -> Result<()> {
        self.number((number << 1 ^ number >> 63) as u64)
    }

    pub(super) fn text(&mut self, text: &str) -> Result<()> {
        self.number(text.len() as u64)?;
        self.raw(text.as_bytes())
    }

    /// The length of a list, then its items.
    pub(super) fn list<T>(
        &mut self,
        items: &[T],
        write: impl Fn(&mut Self, &T) -> Result<()>,
    ) -> Result<()> {
        self.number(items.len() as u64)?;
        items.iter().try_for_each(|item| write(self, item))
    }

    pub(super) fn words<T: Pod>(&mut self, words: &[T]) -> Result<()> {
        self.raw(bytemuck::cast_slice(words))
    }

    /// A count or an offset in a table.
    pub(super) fn word(&mut self, word: usize) -> Result<()> {
        let word = u32::try_from(word).map_err(|_| Error::Bug("an offset beyond 32 bits"))?;
        self.raw(&word.to_le_bytes())
    }
}

/// Bytes between what ends at `at` and the next section.
pub(super) const fn padding(at: usize) -> usize {
    at.wrapping_neg() % SECTION_ALIGN
}

/// Reads a section from its start to its end.
pub(super) struct Cursor<'b> {
    section: ArtifactSection,
    rest: &'b [u8],
    /// The same bytes, if they lie there for ever.
    lasting: Option<&'static [u8]>,
}

impl<'b> Cursor<'b> {
    pub(super) const fn new(
        section: ArtifactSection,
        bytes: &'b [u8],
        lasting: Option<&'static [u8]>,
    ) -> Self {
        Self { section, rest: bytes, lasting }
    }

    /// What has not been read.
    pub(super) const fn rest(&self) -> &'b [u8] {
        self.rest
    }

    /// The error for what breaks a rule.
    pub(super) const fn fault(&self, rule: &'static str) -> Error {
        malformed(self.section, rule)
    }

    /// Refuses what breaks a rule.
    pub(super) const fn check(&self, holds: bool, rule: &'static str) -> Result<()> {
        if holds { Ok(()) } else { Err(self.fault(rule)) }
    }

    /// Refuses bytes that were not read.
    pub(super) const fn end(self) -> Result<()> {
        self.check(self.rest.is_empty(), "longer than its contents")
    }

    #[inline(never)]
    fn take(&mut self, len: usize) -> Result<(&'b [u8], Option<&'static [u8]>)> {
        let (taken, rest) =
            self.rest.split_at_checked(len).ok_or(self.fault("shorter than its contents"))?;
        self.rest = rest;
        let lasting = self.lasting.and_then(|lasting| lasting.split_at_checked(len));
        self.lasting = lasting.map(|(_, rest)| rest);
        Ok((taken, lasting.map(|(taken, _)| taken)))
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (bytes, _) = self.take(N)?;
        bytes.try_into().map_err(|_| self.fault("shorter than its contents"))
    }

    #[inline(never)]
    pub(super) fn byte(&mut self) -> Result<u8> {
        self.array().map(|[byte]| byte)
    }

    #[inline(never)]
    pub(super) fn number64(&mut self) -> Result<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            self.check(bits << shift >> shift == bits, "a number of more than 64 bits")?;
            number |= bits << shift;
            if byte & 0x80 == 0 {
                self.check(byte != 0 || shift == 0, "a number that is not in its shortest form")?;
                return Ok(number);
            }
        }
        Err(self.fault("a number of more than 64 bits"))
    }

    #[inline(never)]
    pub(super) fn number(&mut self) -> Result<u32> {
        let number = self.number64()?;
        u32::try_from(number).map_err(|_| self.fault("a number of more than 32 bits"))
    }

    #[inline(never)]
    pub(super) fn signed(&mut self) -> Result<i64> {
        let zigzag = self.number64()?;
        Ok((zigzag >> 1) as i64 ^ -((zigzag & 1) as i64))
    }

    /// A number below `len`: the position of `what`.
    #[inline(never)]
    pub(super) fn index(&mut self, len: usize, what: &'static str) -> Result<u32> {
        let index = self.number()?;
        self.check((index as usize) < len, what)?;
        Ok(index)
    }

    /// The length of a list whose items take `item_bytes` each at least. With the
    /// `before` that came earlier it must be within `limit`.
    #[inline(never)]
    pub(super) fn count(
        &mut self,
        limit: Limit,
        before: usize,
        item_bytes: usize,
    ) -> Result<usize> {
        let count = self.number64()?;
        limit.check(count.saturating_add(before as u64))?;
        let room = (self.rest.len() / item_bytes) as u64;
        self.check(count <= room, "a list of more items than there are")?;
        Ok(count as usize)
    }

    #[inline(never)]
    pub(super) fn text(&mut self) -> Result<Text> {
        let len = self.number64()?;
        NAME_BYTES.check(len)?;
        self.text_of(len as usize)
    }

    /// The next `len` bytes, as text.
    pub(super) fn text_of(&mut self, len: usize) -> Result<Text> {
        let fault = self.fault("a name that is not in UTF-8");
        let (bytes, lasting) = self.take(len)?;
        match lasting {
            Some(lasting) => core::str::from_utf8(lasting).map(Text::Static).map_err(|_| fault),
            None => Text::copied(core::str::from_utf8(bytes).map_err(|_| fault)?),
        }
    }

    /// A table of `count` items.
    pub(super) fn words<T: Pod>(&mut self, count: usize) -> Result<Lasting<T>> {
        let len =
            count.checked_mul(size_of::<T>()).ok_or(self.fault("shorter than its contents"))?;
        let (bytes, lasting) = self.take(len)?;
        Lasting::read(bytes, lasting)
    }

    #[inline(never)]
    pub(super) fn word(&mut self) -> Result<u32> {
        self.array().map(u32::from_le_bytes)
    }

    /// One byte that is 0 or 1.
    #[inline(never)]
    pub(super) fn flag(&mut self) -> Result<bool> {
        let byte = self.byte()?;
        self.check(byte < 2, "neither yes nor no")?;
        Ok(byte == 1)
    }

    /// Byte ranges of items that fill the rest, `N` words each.
    pub(super) fn rows<const N: usize>(&self) -> Result<impl ExactSizeIterator<Item = [u32; N]>> {
        let (words, odd) = self.rest.as_chunks::<4>();
        let (rows, left) = words.as_chunks::<N>();
        self.check(odd.is_empty() && left.is_empty(), "not of whole rows")?;
        Ok(rows.iter().map(|row| row.map(u32::from_le_bytes)))
    }
}

/// Where a section of this length that follows `before` lies.
pub(super) fn behind(before: usize, len: usize) -> Option<Range<usize>> {
    let start = before.checked_add(padding(before))?;
    Some(start..start.checked_add(len)?)
}
