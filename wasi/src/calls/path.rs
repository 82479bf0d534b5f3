//! `path_*`: what is below a directory.

use super::fd::times;
use super::flags;
use crate::ctx::WasiCtx;
use crate::fallible::try_zeros;
use crate::host::{OpenOptions, Opened};
use crate::memory::GuestMemory;
use crate::table::{Entry, Object};
use crate::types::{Errno, FdFlags, LookupFlags, OFlags, Result, Rights};

/// A path in the guest's memory.
#[derive(Clone, Copy)]
pub(crate) struct PathArg {
    pub start: u32,
    pub len: u32,
}

impl PathArg {
    /// The path, checked.
    ///
    /// # Errors
    /// [`Errno::Noent`] if it is empty, [`Errno::Perm`] if it is absolute,
    /// [`Errno::Inval`] if there is a NUL in it; as for [`GuestMemory::text`].
    fn get<'m>(self, ctx: &WasiCtx, memory: &'m GuestMemory<'_>) -> Result<&'m str> {
        let path = self.text(ctx, memory)?;
        match path {
            "" => Err(Errno::Noent),
            _ if path.starts_with('/') => Err(Errno::Perm),
            _ => Ok(path),
        }
    }

    fn text<'m>(self, ctx: &WasiCtx, memory: &'m GuestMemory<'_>) -> Result<&'m str> {
        let path = memory.text(self.start, self.len, ctx.limits.path_bytes)?;
        match path.contains('\0') {
            true => Err(Errno::Inval),
            false => Ok(path),
        }
    }
}

fn follows(flags: u32) -> Result<bool> {
    Ok(flags!(LookupFlags, flags)?.contains(LookupFlags::SYMLINK_FOLLOW))
}

/// Arguments of `path_open`.
pub(crate) struct Open {
    pub lookup: u32,
    pub path: PathArg,
    pub oflags: u32,
    pub rights: u64,
    pub inheriting: u64,
    pub fdflags: u32,
    pub result: u32,
}

pub(crate) fn open(
    ctx: &mut WasiCtx,
    memory: &mut GuestMemory<'_>,
    fd: u32,
    args: &Open,
) -> Result<()> {
    ctx.table.directory(fd, Rights::PATH_OPEN)?;
    memory.check(args.result.into(), 4)?;
    let path = args.path.get(ctx, memory)?;
    let follow = follows(args.lookup)?;
    let oflags = flags!(OFlags, args.oflags)?;
    let fdflags = flags!(FdFlags, args.fdflags)?;
    let (Some(rights), Some(inheriting)) =
        (Rights::from_bits(args.rights), Rights::from_bits(args.inheriting))
    else {
        return Err(Errno::Notcapable);
    };
    let (mut needed, mut handed_on) = (Rights::PATH_OPEN, rights | inheriting);
    if oflags.contains(OFlags::CREAT) {
        needed |= Rights::PATH_CREATE_FILE;
    }
    if oflags.contains(OFlags::TRUNC) {
        needed |= Rights::PATH_FILESTAT_SET_SIZE;
    }
    if fdflags.contains(FdFlags::DSYNC) {
        handed_on |= Rights::FD_DATASYNC;
    }
    if fdflags.intersects(FdFlags::SYNC | FdFlags::RSYNC) {
        handed_on |= Rights::FD_SYNC;
    }
    // What was opened, and perhaps made, must not be lost.
    ctx.table.reserve()?;
    let directory = ctx.table.directory(fd, needed)?;
    if !ctx.table.get(fd, needed)?.inheriting.contains(handed_on) {
        return Err(Errno::Notcapable);
    }
    if oflags.contains(OFlags::CREAT | OFlags::DIRECTORY) {
        return Err(Errno::Inval);
    }
    let options = OpenOptions {
        follow,
        oflags,
        fdflags,
        read: rights.intersects(Rights::FD_READ | Rights::FD_READDIR),
        write: rights
            .intersects(Rights::FD_WRITE | Rights::FD_ALLOCATE | Rights::FD_FILESTAT_SET_SIZE),
    };
    let opened = directory.open(path, options)?;
    let object = match opened {
        Opened::File(file) => Object::File(file),
        Opened::Directory(directory) => Object::Directory(directory),
        Opened::Stream(stream) => Object::Stream(stream),
    };
    let rights = rights & Rights::of(object.filetype());
    let mut entry = Entry::new(object, rights, inheriting);
    entry.flags = fdflags;
    let fd = ctx.table.insert(entry)?;
    memory.write_u32(args.result, fd)
}

pub(crate) fn filestat_get(
    ctx: &WasiCtx,
    memory: &mut GuestMemory<'_>,
    fd: u32,
    lookup: u32,
    path: PathArg,
    result: u32,
) -> Result<()> {
    let directory = ctx.table.directory(fd, Rights::PATH_FILESTAT_GET)?;
    let stat = directory.stat_at(path.get(ctx, memory)?, follows(lookup)?)?;
    memory.write(result.into(), &stat.to_bytes())
}

/// Arguments of `path_filestat_set_times`.
pub(crate) struct SetTimesArgs {
    pub lookup: u32,
    pub path: PathArg,
    pub accessed: u64,
    pub modified: u64,
    pub flags: u32,
}

pub(crate) fn filestat_set_times(
    ctx: &WasiCtx,
    memory: &GuestMemory<'_>,
    fd: u32,
    args: &SetTimesArgs,
) -> Result<()> {
    let directory = ctx.table.directory(fd, Rights::PATH_FILESTAT_SET_TIMES)?;
    let times = times(ctx, args.accessed, args.modified, args.flags)?;
    directory.set_times_at(args.path.get(ctx, memory)?, follows(args.lookup)?, times)
}

pub(crate) fn create_directory(
    ctx: &WasiCtx,
    memory: &GuestMemory<'_>,
    fd: u32,
    path: PathArg,
) -> Result<()> {
    let directory = ctx.table.directory(fd, Rights::PATH_CREATE_DIRECTORY)?;
    directory.create_dir(path.get(ctx, memory)?)
}

pub(crate) fn remove_directory(
    ctx: &WasiCtx,
    memory: &GuestMemory<'_>,
    fd: u32,
    path: PathArg,
) -> Result<()> {
    let directory = ctx.table.directory(fd, Rights::PATH_REMOVE_DIRECTORY)?;
    directory.remove_dir(path.get(ctx, memory)?)
}

pub(crate) fn unlink_file(
    ctx: &WasiCtx,
    memory: &GuestMemory<'_>,
    fd: u32,
    path: PathArg,
) -> Result<()> {
    let directory = ctx.table.directory(fd, Rights::PATH_UNLINK_FILE)?;
    directory.remove_file(path.get(ctx, memory)?)
}

pub(crate) fn symlink(
    ctx: &WasiCtx,
    memory: &GuestMemory<'_>,
    target: PathArg,
    fd: u32,
    path: PathArg,
) -> Result<()> {
    let directory = ctx.table.directory(fd, Rights::PATH_SYMLINK)?;
    let target = target.text(ctx, memory)?;
    match target {
        "" => Err(Errno::Noent),
        // Such a link could not be followed.
        _ if target.starts_with('/') => Err(Errno::Perm),
        _ => directory.symlink(target, path.get(ctx, memory)?),
    }
}

pub(crate) fn readlink(
    ctx: &WasiCtx,
    memory: &mut GuestMemory<'_>,
    fd: u32,
    path: PathArg,
    buffer: PathArg,
    result: u32,
) -> Result<()> {
    let directory = ctx.table.directory(fd, Rights::PATH_READLINK)?;
    memory.check(buffer.start.into(), buffer.len.into())?;
    memory.check(result.into(), 4)?;
    let path = path.get(ctx, memory)?;
    let mut target = try_zeros(buffer.len.min(ctx.limits.path_bytes) as usize)?;
    let len = directory.read_link(path, &mut target)?.min(target.len());
    memory.write(buffer.start.into(), target.get(..len).unwrap_or_default())?;
    memory.write_u32(result, len as u32)
}

pub(crate) fn rename(
    ctx: &WasiCtx,
    memory: &GuestMemory<'_>,
    from: (u32, PathArg),
    to: (u32, PathArg),
) -> Result<()> {
    let directory = ctx.table.directory(from.0, Rights::PATH_RENAME_SOURCE)?;
    let target = ctx.table.directory(to.0, Rights::PATH_RENAME_TARGET)?;
    directory.rename(from.1.get(ctx, memory)?, target, to.1.get(ctx, memory)?)
}

pub(crate) fn link(
    ctx: &WasiCtx,
    memory: &GuestMemory<'_>,
    lookup: u32,
    from: (u32, PathArg),
    to: (u32, PathArg),
) -> Result<()> {
    let directory = ctx.table.directory(from.0, Rights::PATH_LINK_SOURCE)?;
    let target = ctx.table.directory(to.0, Rights::PATH_LINK_TARGET)?;
    let follow = follows(lookup)?;
    directory.link(from.1.get(ctx, memory)?, follow, target, to.1.get(ctx, memory)?)
}
