//! [`HostDir`]: a directory of the system. cap-std resolves paths, with `openat2`
//! where the system has it, so that neither `..`, nor a link, nor a change meanwhile
//! leads out.

use super::errors::{of_io, of_rustix};
use super::file::{HostFile, nanoseconds, set_times, stat};
use crate::host::{DirEntry, Directory, OpenOptions, Opened};
use crate::types::{Errno, Filestat, Filetype, OFlags, Result, SetTime, SetTimes};
use alloc::boxed::Box;
use cap_fs_ext::{
    DirExt, FollowSymlinks, MetadataExt, OpenOptionsFollowExt, OpenOptionsMaybeDirExt,
    OpenOptionsSyncExt, SystemTimeSpec,
};
use cap_std::fs::{Dir, FileTypeExt, Metadata, MetadataExt as _, OpenOptionsExt};
use cap_std::time::SystemTime;
use core::any::Any;
use core::fmt;
use core::mem::MaybeUninit;
use core::ops::ControlFlow;
use rustix::fs::{FileType, RawDir, SeekFrom};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

/// The most entries in a row that a listing passes over.
const UNLISTED_ENTRIES: u32 = 1 << 14;
/// Bytes of entries that are asked for at once.
const ENTRIES_BYTES: usize = 8 << 10;

/// A directory of the system, and what is below it. Names that are not UTF-8 are not
/// listed, and more than 16384 of them in a row are [`Errno::Overflow`]; devices, pipes
/// and sockets in it can be neither read nor written.
///
/// Nothing of a listing is kept: its cookies are those of the system.
pub struct HostDir {
    directory: Dir,
}

impl HostDir {
    /// Opens a directory by a path of the process.
    ///
    /// # Errors
    /// Those of the system.
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        let directory = Dir::open_ambient_dir(path, cap_std::ambient_authority())?;
        Ok(Self::new(directory))
    }

    /// A directory that is open.
    pub fn new(directory: Dir) -> Self {
        Self { directory }
    }

    /// What an entry is. Not all file systems say it in their listings.
    fn filetype_of(&self, name: &str, listed: FileType) -> Filetype {
        match listed {
            FileType::RegularFile => Filetype::RegularFile,
            FileType::Directory => Filetype::Directory,
            FileType::Symlink => Filetype::SymbolicLink,
            FileType::BlockDevice => Filetype::BlockDevice,
            FileType::CharacterDevice => Filetype::CharacterDevice,
            FileType::Socket => Filetype::SocketStream,
            FileType::Fifo => Filetype::Unknown,
            FileType::Unknown => {
                let metadata = self.directory.symlink_metadata(name);
                metadata.map_or(Filetype::Unknown, |metadata| filetype(&metadata))
            }
        }
    }

    /// The directory as it can be changed itself: what cap-std has open may only
    /// lead to what is in it.
    fn readable(&self) -> Result<fs::File> {
        let mut open = cap_std::fs::OpenOptions::new();
        open.read(true).maybe_dir(true);
        self.directory.open_with(".", &open).map(cap_std::fs::File::into_std).map_err(of_io)
    }

    fn of_same<'d>(&self, other: &'d dyn Directory) -> Result<&'d Self> {
        (other as &dyn Any).downcast_ref::<Self>().ok_or(Errno::Xdev)
    }
}

/// A link with a slash after it is followed, too.
fn follows(path: &str, follow: bool) -> bool {
    follow || path.ends_with('/')
}

fn filetype(metadata: &Metadata) -> Filetype {
    match metadata.file_type() {
        kind if kind.is_file() => Filetype::RegularFile,
        kind if kind.is_dir() => Filetype::Directory,
        kind if kind.is_symlink() => Filetype::SymbolicLink,
        kind if kind.is_block_device() => Filetype::BlockDevice,
        kind if kind.is_char_device() => Filetype::CharacterDevice,
        kind if kind.is_socket() => Filetype::SocketStream,
        _ => Filetype::Unknown,
    }
}

fn filestat(metadata: &Metadata) -> Filestat {
    Filestat {
        device: MetadataExt::dev(metadata),
        inode: MetadataExt::ino(metadata),
        filetype: filetype(metadata),
        links: MetadataExt::nlink(metadata),
        size: metadata.len(),
        accessed: nanoseconds(metadata.atime(), metadata.atime_nsec()),
        modified: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
        changed: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
    }
}

fn time_spec(time: SetTime) -> Option<SystemTimeSpec> {
    match time {
        SetTime::Keep => None,
        SetTime::To(ns) => {
            let time = UNIX_EPOCH + Duration::from_nanos(ns);
            Some(SystemTimeSpec::Absolute(SystemTime::from_std(time)))
        }
    }
}

impl Directory for HostDir {
    fn open(&self, path: &str, options: OpenOptions) -> Result<Opened> {
        let OpenOptions { follow, oflags, read, write, .. } = options;
        let makes = oflags.contains(OFlags::CREAT);
        let exclusive = oflags.contains(OFlags::CREAT | OFlags::EXCL);
        let truncates = oflags.contains(OFlags::TRUNC);
        let is_directory = oflags.contains(OFlags::DIRECTORY);
        // The system wants files that it makes or cuts to be writable; what guests
        // may do is up to their rights.
        let writes = (write && !is_directory) || makes || truncates;
        let mut open = cap_std::fs::OpenOptions::new();
        open.read(read || !writes).write(writes).truncate(truncates);
        open.create(makes && !exclusive).create_new(exclusive);
        open.follow(if follows(path, follow) { FollowSymlinks::Yes } else { FollowSymlinks::No });
        open.maybe_dir(true).nonblock(true);
        if is_directory {
            open.custom_flags(rustix::fs::OFlags::DIRECTORY.bits() as i32);
        }
        let file = self.directory.open_with(path, &open).map_err(of_io)?.into_std();
        match stat(&file)?.filetype {
            Filetype::RegularFile => Ok(Opened::File(Box::new(HostFile(file)))),
            Filetype::Directory => {
                Ok(Opened::Directory(Box::new(Self::new(Dir::from_std_file(file)))))
            }
            _ => Err(Errno::Notsup),
        }
    }

    fn stat(&self) -> Result<Filestat> {
        self.directory.dir_metadata().map(|metadata| filestat(&metadata)).map_err(of_io)
    }

    fn set_times(&self, times: SetTimes) -> Result<()> {
        set_times(self.readable()?, times)
    }

    fn sync(&self) -> Result<()> {
        self.readable()?.sync_all().map_err(of_io)
    }

    fn read_dir(
        &self,
        cookie: u64,
        each: &mut dyn FnMut(DirEntry<'_>) -> ControlFlow<()>,
    ) -> Result<()> {
        let directory = self.readable()?;
        // The system refuses what is no place in the directory.
        rustix::fs::seek(&directory, SeekFrom::Start(cookie)).map_err(of_rustix)?;
        let mut buffer = [MaybeUninit::uninit(); ENTRIES_BYTES];
        let mut entries = RawDir::new(directory, &mut buffer);
        let mut unlisted = 0;
        while let Some(entry) = entries.next() {
            let entry = entry.map_err(of_rustix)?;
            let name = match entry.file_name().to_str() {
                Ok("." | "..") => continue,
                Ok(name) => name,
                Err(_) if unlisted == UNLISTED_ENTRIES => return Err(Errno::Overflow),
                Err(_) => {
                    unlisted += 1;
                    continue;
                }
            };
            let (next, inode) = (entry.next_entry_cookie(), entry.ino());
            let filetype = self.filetype_of(name, entry.file_type());
            unlisted = 0;
            if each(DirEntry { next, inode, filetype, name }).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn stat_at(&self, path: &str, follow: bool) -> Result<Filestat> {
        let metadata = match follows(path, follow) {
            true => self.directory.metadata(path),
            false => self.directory.symlink_metadata(path),
        };
        metadata.map(|metadata| filestat(&metadata)).map_err(of_io)
    }

    fn set_times_at(&self, path: &str, follow: bool, times: SetTimes) -> Result<()> {
        let (accessed, modified) = (time_spec(times.accessed), time_spec(times.modified));
        match follows(path, follow) {
            true => DirExt::set_times(&self.directory, path, accessed, modified),
            false => self.directory.set_symlink_times(path, accessed, modified),
        }
        .map_err(of_io)
    }

    fn read_link(&self, path: &str, buffer: &mut [u8]) -> Result<usize> {
        let target = self.directory.read_link_contents(path).map_err(of_io)?;
        let target = target.as_os_str().as_bytes();
        let len = target.len().min(buffer.len());
        for (place, byte) in buffer.iter_mut().zip(target) {
            *place = *byte;
        }
        Ok(len)
    }

    fn create_dir(&self, path: &str) -> Result<()> {
        self.directory.create_dir(path).map_err(of_io)
    }

    fn remove_dir(&self, path: &str) -> Result<()> {
        // cap-std refuses slashes at the end, which say no more than this.
        self.directory.remove_dir(path.trim_end_matches('/')).map_err(of_io)
    }

    fn remove_file(&self, path: &str) -> Result<()> {
        self.directory.remove_file(path).map_err(of_io)
    }

    fn symlink(&self, target: &str, path: &str) -> Result<()> {
        cap_std::fs::Dir::symlink(&self.directory, target, path).map_err(of_io)
    }

    fn rename(&self, path: &str, to: &dyn Directory, to_path: &str) -> Result<()> {
        let to = self.of_same(to)?;
        // cap-std overlooks slashes after what is not a directory.
        if path.ends_with('/') || to_path.ends_with('/') {
            let moved = self.directory.symlink_metadata(path.trim_end_matches('/'));
            if !moved.map_err(of_io)?.is_dir() {
                return Err(Errno::Notdir);
            }
        }
        self.directory.rename(path, &to.directory, to_path).map_err(of_io)
    }

    fn link(&self, path: &str, follow: bool, to: &dyn Directory, to_path: &str) -> Result<()> {
        let to = self.of_same(to)?;
        // The system names what a path names; the target of a link is not looked for.
        if follow {
            return Err(Errno::Inval);
        }
        self.directory.hard_link(path, &to.directory, to_path).map_err(of_io)
    }
}

impl fmt::Debug for HostDir {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostDir").field("directory", &self.directory).finish_non_exhaustive()
    }
}
