//! [`MemoryFile`]: an open file.

use super::Handle;
use super::content::add_chunks;
use crate::host::File;
use crate::types::{Errno, Filestat, Result, SetTimes};
use alloc::vec::Vec;

/// An open file of a [`super::MemoryFs`].
pub(super) struct MemoryFile {
    pub handle: Handle,
}

impl MemoryFile {
    /// Writes from `offset` on, or at the end. Returns how much was written, and where
    /// that ends. Chunks are allocated without the lock.
    fn write(&self, offset: Option<u64>, buffer: &[u8]) -> Result<(usize, u64)> {
        let node = self.handle.node;
        let (mut spares, mut is_refused) = (Vec::new(), false);
        loop {
            let mut state = self.handle.fs.lock();
            let content = state.content(node)?;
            let (len, start) = (content.len(), offset.unwrap_or(content.len()));
            let end = start.checked_add(buffer.len() as u64).ok_or(Errno::Fbig)?;
            if buffer.is_empty() {
                return Ok((0, start));
            }
            if end > state.quota.bytes {
                return Err(Errno::Fbig);
            }
            let missing = content.missing(start, buffer.len());
            if missing > spares.len() && !is_refused {
                drop(state);
                is_refused = add_chunks(&mut spares, missing).is_err();
                continue;
            }
            state.charge(node, end.max(len))?;
            let written = state.content_mut(node)?.write(start, buffer, &mut spares);
            // Nothing is paid for what memory was refused for.
            let len = state.content(node)?.len();
            if len < end {
                state.charge(node, len)?;
            }
            let written = written?;
            return Ok((written, start + written as u64));
        }
    }
}

impl File for MemoryFile {
    fn stat(&self) -> Result<Filestat> {
        self.handle.fs.lock().stat(self.handle.node)
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        Ok(self.handle.fs.lock().content(self.handle.node)?.read(offset, buffer))
    }

    fn write_at(&mut self, offset: u64, buffer: &[u8]) -> Result<usize> {
        self.write(Some(offset), buffer).map(|(written, _)| written)
    }

    fn append(&mut self, buffer: &[u8]) -> Result<(usize, u64)> {
        self.write(None, buffer)
    }

    fn set_len(&mut self, len: u64) -> Result<()> {
        let left = self.handle.fs.lock().content(self.handle.node)?.left_by_cut(len);
        let mut kept = Vec::new();
        // Room is made without the lock. Cutting needs none, and must not fail.
        let _ = kept.try_reserve_exact(left.unwrap_or(0));
        self.handle.fs.lock().set_len(self.handle.node, len, kept)
    }

    fn allocate(&mut self, offset: u64, len: u64) -> Result<()> {
        let end = offset.checked_add(len).ok_or(Errno::Fbig)?;
        let mut state = self.handle.fs.lock();
        match end > state.content(self.handle.node)?.len() {
            true => state.set_len(self.handle.node, end, Vec::new()),
            false => Ok(()),
        }
    }

    fn set_times(&mut self, times: SetTimes) -> Result<()> {
        self.handle.fs.lock().set_times(self.handle.node, times)
    }
}
