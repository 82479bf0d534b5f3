//! [`File`] and [`Directory`]: what path functions lead to.

use super::stream::Stream;
use crate::types::{Advice, FdFlags, Filestat, Filetype, OFlags, Result, SetTimes};
use alloc::boxed::Box;
use core::any::Any;
use core::ops::ControlFlow;

/// An open file. Offsets are kept by the descriptor, not here.
pub trait File: Send {
    /// Its attributes.
    ///
    /// # Errors
    /// Whatever the guest is to be told; so for all methods.
    fn stat(&self) -> Result<Filestat>;

    /// Reads some bytes from `offset` on; 0 at the end.
    ///
    /// # Errors
    /// As for [`Self::stat`].
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize>;

    /// Writes some bytes from `offset` on and returns how many. What lies between
    /// the end and the offset becomes zeros.
    ///
    /// # Errors
    /// [`crate::types::Errno::Nospc`], [`crate::types::Errno::Fbig`], [`crate::types::Errno::Rofs`].
    fn write_at(&mut self, offset: u64, buffer: &[u8]) -> Result<usize>;

    /// Writes some bytes at the end, in one step with finding it. Returns how many,
    /// and the end after them.
    ///
    /// # Errors
    /// As for [`Self::write_at`].
    fn append(&mut self, buffer: &[u8]) -> Result<(usize, u64)>;

    /// Cuts it, or appends zeros.
    ///
    /// # Errors
    /// As for [`Self::write_at`].
    fn set_len(&mut self, len: u64) -> Result<()>;

    /// Makes sure that there is space for these bytes; the file grows as needed.
    ///
    /// # Errors
    /// As for [`Self::write_at`]; [`crate::types::Errno::Notsup`].
    fn allocate(&mut self, offset: u64, len: u64) -> Result<()>;

    /// Sets its times.
    ///
    /// # Errors
    /// As for [`Self::stat`].
    fn set_times(&mut self, times: SetTimes) -> Result<()>;

    /// Takes note of how the bytes are going to be used; a `len` of 0 is all of them.
    ///
    /// # Errors
    /// As for [`Self::stat`].
    fn advise(&mut self, offset: u64, len: u64, advice: Advice) -> Result<()> {
        let _ = (offset, len, advice);
        Ok(())
    }

    /// Waits until what was written is stored; of the attributes only those that
    /// reading needs, if `data_only`.
    ///
    /// # Errors
    /// As for [`Self::stat`].
    fn sync(&mut self, data_only: bool) -> Result<()> {
        let _ = data_only;
        Ok(())
    }
}

/// How a path is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenOptions {
    /// Whether a symbolic link at the path's end is followed; if not, it is
    /// [`crate::types::Errno::Loop`].
    pub follow: bool,
    /// What opening may do.
    pub oflags: OFlags,
    /// How the descriptor will read and write. The caller keeps to them; only a file
    /// system that does something of its own with them needs them.
    pub fdflags: FdFlags,
    /// Whether the file will be read.
    pub read: bool,
    /// Whether the file will be written.
    pub write: bool,
}

/// What was opened.
pub enum Opened {
    /// A file.
    File(Box<dyn File>),
    /// A directory.
    Directory(Box<dyn Directory>),
    /// A device or a pipe.
    Stream(Box<dyn Stream>),
}

/// An entry of a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DirEntry<'n> {
    /// Where the next one is: see [`Directory::read_dir`].
    pub next: u64,
    /// Number of the file; 0 if it is not known.
    pub inode: u64,
    /// What it is.
    pub filetype: Filetype,
    /// Its name.
    pub name: &'n str,
}

/// An open directory, and what is below it.
///
/// Paths are relative, not empty, without a NUL, and no longer than
/// [`crate::Limits::path_bytes`]. They may contain `.`, `..`, symbolic links and
/// slashes at the end. **Whoever implements this sees to it that no path leads out
/// of the directory**, not by `..`, not by a link, not by a change meanwhile; such
/// a path is [`crate::types::Errno::Perm`]. [`crate::resolve`] does this for file systems that
/// know parents and children.
///
/// Components of more than 255 bytes are [`crate::types::Errno::Nametoolong`], more than
/// [`crate::MAX_SYMLINKS`] links on a path [`crate::types::Errno::Loop`]. A path that ends with a
/// slash names a directory, or else is [`crate::types::Errno::Notdir`].
pub trait Directory: Any + Send + Sync {
    /// Opens what a path names.
    ///
    /// # Errors
    /// [`crate::types::Errno::Noent`], [`crate::types::Errno::Exist`], [`crate::types::Errno::Notdir`], [`crate::types::Errno::Isdir`],
    /// [`crate::types::Errno::Loop`] and others; so for all methods.
    fn open(&self, path: &str, options: OpenOptions) -> Result<Opened>;

    /// The directory's own attributes.
    ///
    /// # Errors
    /// As for [`Self::open`].
    fn stat(&self) -> Result<Filestat>;

    /// Sets the directory's own times.
    ///
    /// # Errors
    /// As for [`Self::open`].
    fn set_times(&self, times: SetTimes) -> Result<()>;

    /// Waits until the directory is stored.
    ///
    /// # Errors
    /// As for [`Self::open`].
    fn sync(&self) -> Result<()> {
        Ok(())
    }

    /// Passes entries to `each`, from `cookie` on: 0 is the first one, any other
    /// number is the [`DirEntry::next`] of an entry, which is not 0. Without `.` and
    /// `..`. An entry that is there all the time is passed exactly once.
    ///
    /// # Errors
    /// As for [`Self::open`].
    fn read_dir(
        &self,
        cookie: u64,
        each: &mut dyn FnMut(DirEntry<'_>) -> ControlFlow<()>,
    ) -> Result<()>;

    /// Attributes of what a path names.
    ///
    /// # Errors
    /// As for [`Self::open`].
    fn stat_at(&self, path: &str, follow: bool) -> Result<Filestat>;

    /// Sets the times of what a path names.
    ///
    /// # Errors
    /// As for [`Self::open`].
    fn set_times_at(&self, path: &str, follow: bool, times: SetTimes) -> Result<()>;

    /// Writes as much of a symbolic link's target into the buffer as it has room for;
    /// returns how much that is.
    ///
    /// # Errors
    /// [`crate::types::Errno::Inval`] unless it is a link.
    fn read_link(&self, path: &str, buffer: &mut [u8]) -> Result<usize>;

    /// Makes a directory.
    ///
    /// # Errors
    /// As for [`Self::open`].
    fn create_dir(&self, path: &str) -> Result<()>;

    /// Removes an empty directory.
    ///
    /// # Errors
    /// [`crate::types::Errno::Notempty`].
    fn remove_dir(&self, path: &str) -> Result<()>;

    /// Removes a file or a link.
    ///
    /// # Errors
    /// [`crate::types::Errno::Isdir`].
    fn remove_file(&self, path: &str) -> Result<()>;

    /// Makes a symbolic link to `target`, which is a path, but need not lead anywhere.
    ///
    /// # Errors
    /// [`crate::types::Errno::Exist`].
    fn symlink(&self, target: &str, path: &str) -> Result<()>;

    /// Moves what a path names to a path below `to`, where it replaces a file, or an
    /// empty directory.
    ///
    /// # Errors
    /// [`crate::types::Errno::Xdev`] if `to` is on another file system; [`crate::types::Errno::Inval`] for a move
    /// into itself.
    fn rename(&self, path: &str, to: &dyn Directory, to_path: &str) -> Result<()>;

    /// Gives a file another name, below `to`.
    ///
    /// # Errors
    /// [`crate::types::Errno::Xdev`] as above; [`crate::types::Errno::Perm`] for a directory.
    fn link(&self, path: &str, follow: bool, to: &dyn Directory, to_path: &str) -> Result<()>;
}
