//! Descriptors and attributes.

use super::flags;
use crate::ctx::WasiCtx;
use crate::memory::GuestMemory;
use crate::table::Object;
use crate::types::{Advice, ClockId, Errno, FdFlags, FstFlags, Result, Rights, SetTime, SetTimes};

/// The most that offsets and sizes can be: the standard has signed ones as well.
pub(super) const MAX_OFFSET: u64 = i64::MAX as u64;

/// A range of a file.
fn range(offset: u64, len: u64) -> Result<()> {
    match offset.checked_add(len) {
        Some(end) if end <= MAX_OFFSET => Ok(()),
        _ => Err(Errno::Inval),
    }
}

pub(crate) fn advise(ctx: &mut WasiCtx, fd: u32, offset: u64, len: u64, advice: u32) -> Result<()> {
    let entry = ctx.table.get_mut(fd, Rights::FD_ADVISE)?;
    let advice = Advice::from_raw(advice).ok_or(Errno::Inval)?;
    range(offset, len)?;
    match &mut entry.object {
        Object::File(file) => file.advise(offset, len, advice),
        Object::Directory(_) => Err(Errno::Badf),
        _ => Err(Errno::Spipe),
    }
}

pub(crate) fn allocate(ctx: &mut WasiCtx, fd: u32, offset: u64, len: u64) -> Result<()> {
    let (file, _) = ctx.table.get_mut(fd, Rights::FD_ALLOCATE)?.file()?;
    if len == 0 {
        return Err(Errno::Inval);
    }
    match offset.checked_add(len) {
        Some(end) if end <= MAX_OFFSET => file.allocate(offset, len),
        _ => Err(Errno::Fbig),
    }
}

pub(crate) fn sync(ctx: &mut WasiCtx, fd: u32, data_only: bool) -> Result<()> {
    let right = if data_only { Rights::FD_DATASYNC } else { Rights::FD_SYNC };
    match &mut ctx.table.get_mut(fd, right)?.object {
        Object::File(file) => file.sync(data_only),
        Object::Directory(directory) => directory.sync(),
        Object::Stream(stream) => stream.sync(),
        Object::Socket(_) => Err(Errno::Inval),
    }
}

pub(crate) fn fdstat_get(
    ctx: &WasiCtx,
    memory: &mut GuestMemory<'_>,
    fd: u32,
    result: u32,
) -> Result<()> {
    let stat = ctx.table.get(fd, Rights::empty())?.fdstat();
    memory.write(result.into(), &stat.to_bytes())
}

pub(crate) fn fdstat_set_flags(ctx: &mut WasiCtx, fd: u32, flags: u32) -> Result<()> {
    let entry = ctx.table.get_mut(fd, Rights::FDSTAT_SET_FLAGS)?;
    entry.flags = flags!(FdFlags, flags)?;
    Ok(())
}

pub(crate) fn fdstat_set_rights(
    ctx: &mut WasiCtx,
    fd: u32,
    rights: u64,
    inheriting: u64,
) -> Result<()> {
    let entry = ctx.table.get_mut(fd, Rights::empty())?;
    let (Some(rights), Some(inheriting)) =
        (Rights::from_bits(rights), Rights::from_bits(inheriting))
    else {
        return Err(Errno::Notcapable);
    };
    if !entry.rights.contains(rights) || !entry.inheriting.contains(inheriting) {
        return Err(Errno::Notcapable);
    }
    (entry.rights, entry.inheriting) = (rights, inheriting);
    Ok(())
}

pub(crate) fn filestat_get(
    ctx: &WasiCtx,
    memory: &mut GuestMemory<'_>,
    fd: u32,
    result: u32,
) -> Result<()> {
    let stat = ctx.table.get(fd, Rights::FD_FILESTAT_GET)?.object.stat()?;
    memory.write(result.into(), &stat.to_bytes())
}

pub(crate) fn filestat_set_size(ctx: &mut WasiCtx, fd: u32, size: u64) -> Result<()> {
    let (file, _) = ctx.table.get_mut(fd, Rights::FD_FILESTAT_SET_SIZE)?.file()?;
    match size <= MAX_OFFSET {
        true => file.set_len(size),
        false => Err(Errno::Inval),
    }
}

/// What a guest wants times to be.
pub(super) fn times(ctx: &WasiCtx, accessed: u64, modified: u64, flags: u32) -> Result<SetTimes> {
    let flags = flags!(FstFlags, flags)?;
    let time = |given, given_flag, now_flag| match (
        flags.contains(given_flag),
        flags.contains(now_flag),
    ) {
        (true, true) => Err(Errno::Inval),
        (true, false) => Ok(SetTime::To(given)),
        (false, true) => Ok(SetTime::To(ctx.clocks.now(ClockId::Realtime)?)),
        (false, false) => Ok(SetTime::Keep),
    };
    Ok(SetTimes {
        accessed: time(accessed, FstFlags::ATIM, FstFlags::ATIM_NOW)?,
        modified: time(modified, FstFlags::MTIM, FstFlags::MTIM_NOW)?,
    })
}

pub(crate) fn filestat_set_times(
    ctx: &mut WasiCtx,
    fd: u32,
    accessed: u64,
    modified: u64,
    flags: u32,
) -> Result<()> {
    ctx.table.get(fd, Rights::FD_FILESTAT_SET_TIMES)?;
    let times = times(ctx, accessed, modified, flags)?;
    match &mut ctx.table.get_mut(fd, Rights::FD_FILESTAT_SET_TIMES)?.object {
        Object::File(file) => file.set_times(times),
        Object::Directory(directory) => directory.set_times(times),
        _ => Err(Errno::Badf),
    }
}

/// Kind of what was handed over: a directory. There is no other.
const PREOPENED_DIRECTORY: u8 = 0;

pub(crate) fn prestat_get(
    ctx: &WasiCtx,
    memory: &mut GuestMemory<'_>,
    fd: u32,
    result: u32,
) -> Result<()> {
    let entry = ctx.table.get(fd, Rights::empty())?;
    let name = entry.preopen.as_ref().ok_or(Errno::Badf)?;
    let mut prestat = [0; 8];
    let (kind, len) = prestat.split_at_mut(4);
    kind.fill(PREOPENED_DIRECTORY);
    len.copy_from_slice(&(name.len() as u32).to_le_bytes());
    memory.write(result.into(), &prestat)
}

pub(crate) fn prestat_dir_name(
    ctx: &WasiCtx,
    memory: &mut GuestMemory<'_>,
    fd: u32,
    buffer: u32,
    len: u32,
) -> Result<()> {
    let entry = ctx.table.get(fd, Rights::empty())?;
    let name = entry.preopen.as_ref().ok_or(Errno::Badf)?;
    memory.check(buffer.into(), len.into())?;
    match name.len() <= len as usize {
        true => memory.write(buffer.into(), name.as_bytes()),
        false => Err(Errno::Nametoolong),
    }
}
