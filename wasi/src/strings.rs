//! [`Strings`]: arguments and environment, in the form in which guests get them.

use crate::fallible::try_push;
use crate::memory::GuestMemory;
use crate::types::{Errno, Result};
use alloc::vec::Vec;

/// Strings, each followed by a NUL.
#[derive(Default)]
pub(crate) struct Strings {
    bytes: Vec<u8>,
    starts: Vec<u32>,
}

impl Strings {
    /// Appends the concatenation of some parts.
    ///
    /// # Errors
    /// [`Errno::Inval`] if there is a NUL in it; [`Errno::Overflow`] if all of them
    /// are too long for a guest; [`Errno::Nomem`].
    pub fn push(&mut self, parts: &[&str]) -> Result<()> {
        if parts.iter().any(|part| part.contains('\0')) {
            return Err(Errno::Inval);
        }
        let len = parts.iter().map(|part| part.len()).sum::<usize>() + 1;
        let start = u32::try_from(self.bytes.len()).map_err(|_| Errno::Overflow)?;
        u32::try_from(self.bytes.len() + len).map_err(|_| Errno::Overflow)?;
        self.bytes.try_reserve(len).map_err(|_| Errno::Nomem)?;
        try_push(&mut self.starts, start)?;
        parts.iter().for_each(|part| self.bytes.extend_from_slice(part.as_bytes()));
        self.bytes.push(0);
        Ok(())
    }

    /// Writes how many there are, and how many bytes.
    pub fn write_sizes(&self, memory: &mut GuestMemory<'_>, count: u32, bytes: u32) -> Result<()> {
        memory.check(bytes.into(), 4)?;
        memory.write_u32(count, self.starts.len() as u32)?;
        memory.write_u32(bytes, self.bytes.len() as u32)
    }

    /// Writes the bytes to `buffer` and their addresses to `list`.
    pub fn write(&self, memory: &mut GuestMemory<'_>, list: u32, buffer: u32) -> Result<()> {
        memory.check(list.into(), self.starts.len() as u64 * 4)?;
        memory.write(buffer.into(), &self.bytes)?;
        for (at, start) in self.starts.iter().enumerate() {
            let address = buffer.checked_add(*start).ok_or(Errno::Fault)?;
            memory.write(u64::from(list) + at as u64 * 4, &address.to_le_bytes())?;
        }
        Ok(())
    }
}
