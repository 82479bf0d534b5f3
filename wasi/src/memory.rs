//! [`GuestMemory`]: reading and writing where a guest says.
//!
//! Invariant: an address is only used after a check that all of it lies in the
//! memory; what does not is [`Errno::Fault`]. Addresses need no alignment.

use crate::types::{Errno, Result};
use core::ops::Range;

/// A guest's memory during a call.
pub(crate) struct GuestMemory<'m> {
    bytes: &'m mut [u8],
}

/// A buffer that a guest names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Buffer {
    pub start: u32,
    pub len: u32,
}

/// Bytes that describe a buffer.
const BUFFER_BYTES: u64 = 8;

impl<'m> GuestMemory<'m> {
    pub fn new(bytes: &'m mut [u8]) -> Self {
        Self { bytes }
    }

    /// Where `len` bytes from `start` are.
    fn range(start: u64, len: u64) -> Result<Range<usize>> {
        let end = start.checked_add(len).ok_or(Errno::Fault)?;
        let (Ok(start), Ok(end)) = (usize::try_from(start), usize::try_from(end)) else {
            return Err(Errno::Fault);
        };
        Ok(start..end)
    }

    pub fn slice(&self, start: u64, len: u64) -> Result<&[u8]> {
        self.bytes.get(Self::range(start, len)?).ok_or(Errno::Fault)
    }

    pub fn slice_mut(&mut self, start: u64, len: u64) -> Result<&mut [u8]> {
        self.bytes.get_mut(Self::range(start, len)?).ok_or(Errno::Fault)
    }

    /// Checks that `len` bytes from `start` are there.
    pub fn check(&self, start: u64, len: u64) -> Result<()> {
        self.slice(start, len).map(|_| ())
    }

    fn array<const N: usize>(&self, start: u64) -> Result<[u8; N]> {
        let bytes = self.slice(start, N as u64)?;
        bytes.first_chunk().copied().ok_or(Errno::Fault)
    }

    pub fn u8(&self, start: u64) -> Result<u8> {
        self.array(start).map(u8::from_le_bytes)
    }

    pub fn u16(&self, start: u64) -> Result<u16> {
        self.array(start).map(u16::from_le_bytes)
    }

    pub fn u32(&self, start: u64) -> Result<u32> {
        self.array(start).map(u32::from_le_bytes)
    }

    pub fn u64(&self, start: u64) -> Result<u64> {
        self.array(start).map(u64::from_le_bytes)
    }

    pub fn write(&mut self, start: u64, bytes: &[u8]) -> Result<()> {
        self.slice_mut(start, bytes.len() as u64)?.copy_from_slice(bytes);
        Ok(())
    }

    pub fn write_u32(&mut self, start: u32, value: u32) -> Result<()> {
        self.write(start.into(), &value.to_le_bytes())
    }

    pub fn write_u64(&mut self, start: u32, value: u64) -> Result<()> {
        self.write(start.into(), &value.to_le_bytes())
    }

    /// The n-th buffer of a list.
    pub fn buffer(&self, list: u32, at: u32) -> Result<Buffer> {
        let place = u64::from(list) + u64::from(at) * BUFFER_BYTES;
        Ok(Buffer { start: self.u32(place)?, len: self.u32(place + 4)? })
    }

    /// Checks that all buffers of a list are in the memory. Returns the sum of
    /// their lengths.
    ///
    /// # Errors
    /// [`Errno::Fault`]; [`Errno::Inval`] for more than `limit` buffers or more bytes
    /// than a result can tell.
    pub fn check_buffers(&self, list: u32, count: u32, limit: u32) -> Result<u32> {
        if count > limit {
            return Err(Errno::Inval);
        }
        let mut total = 0u32;
        for at in 0..count {
            let Buffer { start, len } = self.buffer(list, at)?;
            self.check(start.into(), len.into())?;
            total = total.checked_add(len).ok_or(Errno::Inval)?;
        }
        Ok(total)
    }

    /// A string.
    ///
    /// # Errors
    /// [`Errno::Fault`]; [`Errno::Nametoolong`] beyond `limit` bytes;
    /// [`Errno::Ilseq`] unless it is UTF-8.
    pub fn text(&self, start: u32, len: u32, limit: u32) -> Result<&str> {
        let bytes = self.slice(start.into(), len.into())?;
        if len > limit {
            return Err(Errno::Nametoolong);
        }
        core::str::from_utf8(bytes).map_err(|_| Errno::Ilseq)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_outside_is_a_fault() {
        let mut bytes = [0u8; 64];
        let mut memory = GuestMemory::new(&mut bytes);
        assert_eq!(memory.u64(56), Ok(0));
        assert_eq!(memory.u64(57), Err(Errno::Fault));
        assert_eq!(memory.u32(u64::MAX), Err(Errno::Fault));
        assert_eq!(memory.check(64, 0), Ok(()));
        assert_eq!(memory.check(65, 0), Err(Errno::Fault));
        assert_eq!(memory.write_u32(u32::MAX, 1), Err(Errno::Fault));
    }

    #[test]
    fn lists_of_buffers_are_checked_as_a_whole() {
        let mut bytes = [0u8; 64];
        let mut memory = GuestMemory::new(&mut bytes);
        memory.write(0, &[32, 0, 0, 0, 8, 0, 0, 0, 60, 0, 0, 0, 4, 0, 0, 0]).unwrap();
        assert_eq!(memory.check_buffers(0, 2, 2), Ok(12));
        assert_eq!(memory.check_buffers(0, 2, 1), Err(Errno::Inval));
        memory.write_u32(12, 5).unwrap();
        assert_eq!(memory.check_buffers(0, 2, 2), Err(Errno::Fault));
        assert_eq!(memory.check_buffers(60, 1, 2), Err(Errno::Fault));
        // Lengths whose sum does not fit a result: overlapping buffers can have that.
        memory.write_u32(4, 0).unwrap();
        assert_eq!(memory.check_buffers(0, 1, 2), Ok(0));
    }

    #[test]
    fn text_is_bounded_and_utf8() {
        let mut bytes = *b"abc\xff";
        let memory = GuestMemory::new(&mut bytes);
        assert_eq!(memory.text(0, 3, 3), Ok("abc"));
        assert_eq!(memory.text(0, 3, 2), Err(Errno::Nametoolong));
        assert_eq!(memory.text(0, 4, 9), Err(Errno::Ilseq));
        assert_eq!(memory.text(0, 5, 9), Err(Errno::Fault));
    }
}
