//! [`MemoryFile`]: an open file.

use super::Handle;
use crate::host::File;
use crate::types::{Errno, Filestat, Result, SetTimes};

/// An open file of a [`super::MemoryFs`].
pub(super) struct MemoryFile {
    pub handle: Handle,
}

impl File for MemoryFile {
    fn stat(&self) -> Result<Filestat> {
        self.handle.fs.lock().stat(self.handle.node)
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        Ok(self.handle.fs.lock().content(self.handle.node)?.read(offset, buffer))
    }

    fn write_at(&mut self, offset: u64, buffer: &[u8]) -> Result<usize> {
        let node = self.handle.node;
        let mut state = self.handle.fs.lock();
        let end = offset.checked_add(buffer.len() as u64).ok_or(Errno::Fbig)?;
        let end = end.max(state.content(node)?.len());
        if buffer.is_empty() {
            return Ok(0);
        }
        state.charge(node, end)?;
        state.content_mut(node)?.write(offset, buffer)
    }

    fn append(&mut self, buffer: &[u8]) -> Result<(usize, u64)> {
        let node = self.handle.node;
        let mut state = self.handle.fs.lock();
        let start = state.content(node)?.len();
        let end = start.checked_add(buffer.len() as u64).ok_or(Errno::Fbig)?;
        state.charge(node, end)?;
        let written = state.content_mut(node)?.write(start, buffer)?;
        Ok((written, start + written as u64))
    }

    fn set_len(&mut self, len: u64) -> Result<()> {
        let mut state = self.handle.fs.lock();
        state.charge(self.handle.node, len)?;
        state.content_mut(self.handle.node)?.set_len(len);
        Ok(())
    }

    fn allocate(&mut self, offset: u64, len: u64) -> Result<()> {
        let end = offset.checked_add(len).ok_or(Errno::Fbig)?;
        let mut state = self.handle.fs.lock();
        if end > state.content(self.handle.node)?.len() {
            state.charge(self.handle.node, end)?;
            state.content_mut(self.handle.node)?.set_len(end);
        }
        Ok(())
    }

    fn set_times(&mut self, times: SetTimes) -> Result<()> {
        self.handle.set_times(self.handle.node, times)
    }
}
