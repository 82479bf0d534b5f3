//! Reading, writing, seeking.
//!
//! Invariant: no call moves more than [`crate::Limits::transfer_bytes`]; guests are
//! told how much it was.

use super::fd::MAX_OFFSET;
use super::{Step, Stop};
use crate::ctx::WasiCtx;
use crate::memory::{Buffer, GuestMemory};
use crate::table::{Entry, Object};
use crate::types::{Errno, FdFlags, Result, Rights, Whence};

/// A guest's list of buffers.
#[derive(Clone, Copy)]
pub(crate) struct Buffers {
    pub list: u32,
    pub count: u32,
}

impl Buffers {
    /// Checks the list, and where the number of bytes is to be written.
    pub(super) fn check(self, ctx: &WasiCtx, memory: &GuestMemory<'_>, result: u32) -> Result<u32> {
        memory.check(result.into(), 4)?;
        memory.check_buffers(self.list, self.count, ctx.limits.buffers)
    }

    /// Passes pieces of the buffers to `step`, which says how many bytes it moved,
    /// until one moves fewer than it could, or `limit` is reached.
    fn each(
        self,
        memory: &mut GuestMemory<'_>,
        limit: u32,
        mut step: impl FnMut(&mut GuestMemory<'_>, Buffer) -> Result<usize>,
    ) -> Result<u32> {
        let mut total = 0u32;
        for at in 0..self.count {
            let Buffer { start, len } = memory.buffer(self.list, at)?;
            let wanted = len.min(limit.saturating_sub(total));
            if wanted == 0 {
                continue;
            }
            let moved = match step(memory, Buffer { start, len: wanted }) {
                Ok(moved) => (moved as u32).min(wanted),
                Err(_) if total > 0 => break,
                Err(errno) => return Err(errno),
            };
            total += moved;
            if moved < len {
                break;
            }
        }
        Ok(total)
    }

    /// Reads into the buffers.
    pub(super) fn read(
        self,
        memory: &mut GuestMemory<'_>,
        limit: u32,
        mut read: impl FnMut(&mut [u8]) -> Result<usize>,
    ) -> Result<u32> {
        self.each(memory, limit, |memory, Buffer { start, len }| {
            read(memory.slice_mut(start.into(), len.into())?)
        })
    }

    /// Writes from the buffers.
    pub(super) fn write(
        self,
        memory: &mut GuestMemory<'_>,
        limit: u32,
        mut write: impl FnMut(&[u8]) -> Result<usize>,
    ) -> Result<u32> {
        self.each(memory, limit, |memory, Buffer { start, len }| {
            write(memory.slice(start.into(), len.into())?)
        })
    }
}

/// What would have to wait waits, unless the descriptor never does.
pub(super) fn or_wait<T>(outcome: Result<T>, is_nonblocking: bool) -> Step<T> {
    match outcome {
        Err(Errno::Again) if !is_nonblocking => Err(Stop::Wait(None)),
        outcome => Ok(outcome?),
    }
}

/// A step through a file, of which the offset is kept.
fn advance(offset: &mut u64, moved: usize, of: usize) -> usize {
    let moved = moved.min(of);
    *offset = offset.saturating_add(moved as u64);
    moved
}

fn read_some(entry: &mut Entry, buffer: &mut [u8]) -> Result<usize> {
    let of = buffer.len();
    match &mut entry.object {
        Object::File(file) => {
            let read = file.read_at(entry.offset, buffer)?;
            Ok(advance(&mut entry.offset, read, of))
        }
        Object::Directory(_) => Err(Errno::Isdir),
        Object::Stream(stream) => stream.read(buffer),
        Object::Socket(socket) => socket.read(buffer),
    }
}

fn write_some(entry: &mut Entry, buffer: &[u8]) -> Result<usize> {
    match &mut entry.object {
        Object::File(file) if entry.flags.contains(FdFlags::APPEND) => {
            let (written, end) = file.append(buffer)?;
            entry.offset = end;
            Ok(written)
        }
        Object::File(file) => {
            // Nothing can be beyond the largest offset.
            if entry.offset.checked_add(buffer.len() as u64).is_none_or(|end| end > MAX_OFFSET) {
                return Err(Errno::Fbig);
            }
            let written = file.write_at(entry.offset, buffer)?;
            Ok(advance(&mut entry.offset, written, buffer.len()))
        }
        Object::Directory(_) => Err(Errno::Isdir),
        Object::Stream(stream) => stream.write(buffer),
        Object::Socket(socket) => socket.write(buffer),
    }
}

/// Stores what was written, if the descriptor is to.
fn sync_writes(entry: &mut Entry) -> Result<()> {
    let Object::File(file) = &mut entry.object else { return Ok(()) };
    match entry.flags {
        flags if flags.contains(FdFlags::SYNC) => file.sync(false),
        flags if flags.contains(FdFlags::DSYNC) => file.sync(true),
        _ => Ok(()),
    }
}

pub(crate) fn read(
    ctx: &mut WasiCtx,
    memory: &mut GuestMemory<'_>,
    fd: u32,
    buffers: Buffers,
    result: u32,
) -> Step {
    ctx.table.get(fd, Rights::FD_READ)?;
    buffers.check(ctx, memory, result)?;
    let limit = ctx.limits.transfer_bytes;
    let entry = ctx.table.get_mut(fd, Rights::FD_READ)?;
    if entry.flags.contains(FdFlags::RSYNC) {
        sync_writes(entry)?;
    }
    let read = buffers.read(memory, limit, |buffer| read_some(entry, buffer));
    let read = or_wait(read, entry.is_nonblocking())?;
    ctx.moved_bytes += u64::from(read);
    Ok(memory.write_u32(result, read)?)
}

pub(crate) fn write(
    ctx: &mut WasiCtx,
    memory: &mut GuestMemory<'_>,
    fd: u32,
    buffers: Buffers,
    result: u32,
) -> Step {
    ctx.table.get(fd, Rights::FD_WRITE)?;
    buffers.check(ctx, memory, result)?;
    let limit = ctx.limits.transfer_bytes;
    let entry = ctx.table.get_mut(fd, Rights::FD_WRITE)?;
    let written = buffers.write(memory, limit, |buffer| write_some(entry, buffer));
    let written = or_wait(written, entry.is_nonblocking())?;
    sync_writes(entry)?;
    ctx.moved_bytes += u64::from(written);
    Ok(memory.write_u32(result, written)?)
}

pub(crate) fn pread(
    ctx: &mut WasiCtx,
    memory: &mut GuestMemory<'_>,
    fd: u32,
    buffers: Buffers,
    offset: u64,
    result: u32,
) -> Result<()> {
    let needed = Rights::FD_READ | Rights::FD_SEEK;
    seekable(ctx, fd, needed)?;
    buffers.check(ctx, memory, result)?;
    if offset > MAX_OFFSET {
        return Err(Errno::Inval);
    }
    let limit = ctx.limits.transfer_bytes;
    let (file, _) = ctx.table.get_mut(fd, needed)?.file()?;
    let mut at = offset;
    let read = buffers.read(memory, limit, |buffer| {
        let read = file.read_at(at, buffer)?;
        Ok(advance(&mut at, read, buffer.len()))
    })?;
    ctx.moved_bytes += u64::from(read);
    memory.write_u32(result, read)
}

pub(crate) fn pwrite(
    ctx: &mut WasiCtx,
    memory: &mut GuestMemory<'_>,
    fd: u32,
    buffers: Buffers,
    offset: u64,
    result: u32,
) -> Result<()> {
    let needed = Rights::FD_WRITE | Rights::FD_SEEK;
    seekable(ctx, fd, needed)?;
    let total = buffers.check(ctx, memory, result)?;
    let limit = ctx.limits.transfer_bytes;
    if offset > MAX_OFFSET {
        return Err(Errno::Inval);
    }
    if offset + u64::from(total.min(limit)) > MAX_OFFSET {
        return Err(Errno::Fbig);
    }
    let entry = ctx.table.get_mut(fd, needed)?;
    let (file, _) = entry.file()?;
    let mut at = offset;
    let written = buffers.write(memory, limit, |buffer| {
        let written = file.write_at(at, buffer)?;
        Ok(advance(&mut at, written, buffer.len()))
    })?;
    sync_writes(entry)?;
    ctx.moved_bytes += u64::from(written);
    memory.write_u32(result, written)
}

/// Checks that the descriptor has an offset, and the rights.
fn seekable(ctx: &WasiCtx, fd: u32, needed: Rights) -> Result<()> {
    let entry = ctx.table.get(fd, Rights::empty())?;
    match entry.object {
        Object::Stream(_) | Object::Socket(_) => Err(Errno::Spipe),
        Object::File(_) | Object::Directory(_) => entry.check(needed),
    }
}

pub(crate) fn seek(
    ctx: &mut WasiCtx,
    memory: &mut GuestMemory<'_>,
    fd: u32,
    delta: i64,
    whence: u32,
    result: u32,
) -> Result<()> {
    let whence = Whence::from_raw(whence);
    // Asking where it is needs less.
    let needed = match (whence, delta) {
        (Some(Whence::Cur), 0) => Rights::FD_TELL,
        _ => Rights::FD_SEEK,
    };
    seekable(ctx, fd, needed)?;
    memory.check(result.into(), 8)?;
    let (file, offset) = ctx.table.get_mut(fd, needed)?.file()?;
    let base = match whence.ok_or(Errno::Inval)? {
        Whence::Set => 0,
        Whence::Cur => *offset,
        Whence::End => file.stat()?.size,
    };
    let new = base.checked_add_signed(delta).filter(|new| *new <= MAX_OFFSET);
    *offset = new.ok_or(Errno::Inval)?;
    memory.write_u64(result, *offset)
}

pub(crate) fn tell(
    ctx: &mut WasiCtx,
    memory: &mut GuestMemory<'_>,
    fd: u32,
    result: u32,
) -> Result<()> {
    seekable(ctx, fd, Rights::FD_TELL)?;
    let (_, offset) = ctx.table.get_mut(fd, Rights::FD_TELL)?.file()?;
    memory.write_u64(result, *offset)
}
