//! [`HostFile`]: an open file of the system.

use super::errors::{of_io, of_rustix};
use crate::host::File;
use crate::types::{Advice, Filestat, Filetype, Result, SetTime, SetTimes};
use rustix::fd::AsFd;
use rustix::fs::{FallocateFlags, Timespec, Timestamps, UTIME_OMIT};
use rustix::io::ReadWriteFlags;
use std::fs;
use std::io::IoSlice;
use std::num::NonZeroU64;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt};

/// An open file.
pub(super) struct HostFile(pub fs::File);

/// What a kind of file is called.
pub(super) fn filetype(kind: fs::FileType) -> Filetype {
    match kind {
        kind if kind.is_file() => Filetype::RegularFile,
        kind if kind.is_dir() => Filetype::Directory,
        kind if kind.is_symlink() => Filetype::SymbolicLink,
        kind if kind.is_block_device() => Filetype::BlockDevice,
        kind if kind.is_char_device() => Filetype::CharacterDevice,
        kind if kind.is_socket() => Filetype::SocketStream,
        _ => Filetype::Unknown,
    }
}

/// Nanoseconds since 1970; before that it is 1970.
pub(super) fn nanoseconds(seconds: i64, nanoseconds: i64) -> u64 {
    let all = i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds);
    u64::try_from(all.max(0)).unwrap_or(u64::MAX)
}

pub(super) fn stat(file: &fs::File) -> Result<Filestat> {
    let metadata = file.metadata().map_err(of_io)?;
    Ok(Filestat {
        device: metadata.dev(),
        inode: metadata.ino(),
        filetype: filetype(metadata.file_type()),
        links: metadata.nlink(),
        size: metadata.size(),
        accessed: nanoseconds(metadata.atime(), metadata.atime_nsec()),
        modified: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
        changed: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
    })
}

pub(super) fn set_times(file: impl AsFd, times: SetTimes) -> Result<()> {
    let time = |time| match time {
        SetTime::Keep => Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        SetTime::To(ns) => {
            Timespec { tv_sec: (ns / 1_000_000_000) as i64, tv_nsec: (ns % 1_000_000_000) as i64 }
        }
    };
    let times =
        Timestamps { last_access: time(times.accessed), last_modification: time(times.modified) };
    rustix::fs::futimens(file, &times).map_err(of_rustix)
}

impl File for HostFile {
    fn stat(&self) -> Result<Filestat> {
        stat(&self.0)
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        self.0.read_at(buffer, offset).map_err(of_io)
    }

    fn write_at(&mut self, offset: u64, buffer: &[u8]) -> Result<usize> {
        self.0.write_at(buffer, offset).map_err(of_io)
    }

    fn append(&mut self, buffer: &[u8]) -> Result<(usize, u64)> {
        let (file, flags) = (self.0.as_fd(), ReadWriteFlags::APPEND);
        let written = rustix::io::pwritev2(file, &[IoSlice::new(buffer)], 0, flags);
        let written = written.map_err(of_rustix)?;
        Ok((written, self.0.metadata().map_err(of_io)?.size()))
    }

    fn set_len(&mut self, len: u64) -> Result<()> {
        self.0.set_len(len).map_err(of_io)
    }

    fn allocate(&mut self, offset: u64, len: u64) -> Result<()> {
        rustix::fs::fallocate(&self.0, FallocateFlags::empty(), offset, len).map_err(of_rustix)
    }

    fn set_times(&mut self, times: SetTimes) -> Result<()> {
        set_times(&self.0, times)
    }

    fn advise(&mut self, offset: u64, len: u64, advice: Advice) -> Result<()> {
        let advice = match advice {
            Advice::Normal => rustix::fs::Advice::Normal,
            Advice::Sequential => rustix::fs::Advice::Sequential,
            Advice::Random => rustix::fs::Advice::Random,
            Advice::WillNeed => rustix::fs::Advice::WillNeed,
            Advice::DontNeed => rustix::fs::Advice::DontNeed,
            Advice::NoReuse => rustix::fs::Advice::NoReuse,
        };
        rustix::fs::fadvise(&self.0, offset, NonZeroU64::new(len), advice).map_err(of_rustix)
    }

    fn sync(&mut self, data_only: bool) -> Result<()> {
        match data_only {
            true => self.0.sync_data(),
            false => self.0.sync_all(),
        }
        .map_err(of_io)
    }
}
