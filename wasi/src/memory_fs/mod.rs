//! [`MemoryFs`]: a file system in memory, over an image that is only read.
//!
//! | file | owns |
//! |---|---|
//! | `state` | the nodes, and the quota |
//! | `content`, `entries` | a file's bytes; a directory's names |
//! | `directory`, `file` | what guests have open |
//! | `image`, `tar`, `cpio` | reading archives |
//! | `load` | making nodes of an archive; `export`: an archive of what is new |

mod content;
mod cpio;
mod directory;
mod entries;
mod export;
mod file;
mod image;
mod load;
mod state;
mod tar;

pub use directory::MemoryDir;
pub use state::Usage;

use crate::fallible::{try_box, try_zeros};
use crate::host::{Clock, Directory, OpenOptions, Opened};
use crate::types::{Errno, FdFlags, OFlags, Result, SetTimes};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::sync::atomic::{AtomicU32, Ordering};
use spin::Mutex;
use state::{ROOT, State};

/// What may be made in a [`MemoryFs`], beside what its image has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Bytes of files and links, holes included. A file of the image counts, in
    /// full, from the first change on. Beyond it: `ENOSPC`; for a single file
    /// `EFBIG`.
    pub bytes: u64,
    /// Names of files, directories and links. Beyond it: `ENOSPC`.
    pub entries: u32,
    /// Bytes of a name, at most 255. Beyond it: `ENAMETOOLONG`.
    pub name_bytes: usize,
}

impl Default for Quota {
    /// 64 MiB, 65 536 names, of 255 bytes each.
    fn default() -> Self {
        Self { bytes: 64 << 20, entries: 1 << 16, name_bytes: 255 }
    }
}

/// An archive from which no file system can be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageError {
    /// Where it is in the archive, in bytes.
    pub offset: usize,
    /// What is wrong.
    pub what: &'static str,
}

impl fmt::Display for ImageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (at offset {:#x} of the image)", self.what, self.offset)
    }
}

impl core::error::Error for ImageError {}

/// A file system in memory: what guests write is new, and lies over an image, a
/// `tar` or `cpio` archive whose contents are neither copied nor changed. Clones are
/// of the same file system.
///
/// A spin lock is held for as long as an operation takes.
#[derive(Clone)]
pub struct MemoryFs {
    state: Arc<Mutex<State>>,
}

/// Numbers of file systems.
static NEXT_DEVICE: AtomicU32 = AtomicU32::new(1);

impl MemoryFs {
    /// An empty file system.
    ///
    /// # Errors
    /// [`Errno::Nomem`].
    pub fn new(quota: Quota) -> Result<Self> {
        let device = NEXT_DEVICE.fetch_add(1, Ordering::Relaxed);
        let name_bytes = quota.name_bytes.min(crate::resolve::MAX_NAME_BYTES);
        let state = State::new(Quota { name_bytes, ..quota }, device.into())?;
        Ok(Self { state: Arc::new(Mutex::new(state)) })
    }

    /// A file system that has what an archive has: a `tar` (ustar, pax or GNU) or a
    /// `cpio` ("newc"). Paths that lead out of it are refused; devices and pipes are
    /// left out. Nothing of the image counts toward the quota.
    ///
    /// # Errors
    /// [`ImageError`].
    pub fn from_image(
        image: impl AsRef<[u8]> + Send + Sync + 'static,
        quota: Quota,
    ) -> Result<Self, ImageError> {
        let fs = Self::new(quota).map_err(|_| ImageError { offset: 0, what: "out of memory" })?;
        load::load(&mut fs.state.lock(), image::ImageBytes::whole(Arc::new(image)))?;
        Ok(fs)
    }

    /// Takes times from a clock: nanoseconds since 1970. Without one they are 0.
    ///
    /// # Errors
    /// [`Errno::Nomem`].
    pub fn with_clock(self, clock: impl Clock + 'static) -> Result<Self> {
        self.state.lock().clock = Some(try_box(clock)?);
        Ok(self)
    }

    /// The directory that contains everything.
    pub fn root(&self) -> MemoryDir {
        // The root is always there.
        let _ = self.state.lock().open(ROOT);
        MemoryDir { handle: Handle { fs: self.state.clone(), node: ROOT } }
    }

    /// What is used.
    pub fn usage(&self) -> Usage {
        self.state.lock().used
    }

    fn open(&self, path: &str, oflags: OFlags, write: bool) -> Result<Opened> {
        let fdflags = FdFlags::empty();
        let path = path.trim_start_matches('/');
        self.root().open(path, OpenOptions { follow: true, oflags, fdflags, read: !write, write })
    }

    /// A file's bytes.
    ///
    /// # Errors
    /// Those of opening and reading.
    pub fn read(&self, path: &str) -> Result<Vec<u8>> {
        let Opened::File(mut file) = self.open(path, OFlags::empty(), false)? else {
            return Err(Errno::Isdir);
        };
        let size = usize::try_from(file.stat()?.size).map_err(|_| Errno::Nomem)?;
        let mut bytes = try_zeros(size)?;
        let read = file.read_at(0, &mut bytes)?;
        bytes.truncate(read);
        Ok(bytes)
    }

    /// Makes a file, or replaces what is in it.
    ///
    /// # Errors
    /// Those of opening and writing.
    pub fn write(&self, path: &str, bytes: &[u8]) -> Result<()> {
        let opened = self.open(path, OFlags::CREAT | OFlags::TRUNC, true)?;
        let Opened::File(mut file) = opened else { return Err(Errno::Isdir) };
        match file.write_at(0, bytes)? == bytes.len() {
            true => Ok(()),
            false => Err(Errno::Nomem),
        }
    }

    /// Makes a directory.
    ///
    /// # Errors
    /// [`Errno::Exist`] and others.
    pub fn create_dir(&self, path: &str) -> Result<()> {
        self.root().create_dir(path.trim_start_matches('/'))
    }

    /// Writes an archive (`tar`) of what guests have made or changed, and of the
    /// directories that contain it, in pieces to `sink`, which must not use the file
    /// system. What they removed is not in it.
    ///
    /// # Errors
    /// Those of `sink`; [`Errno::Nomem`].
    pub fn changes_to_tar(&self, sink: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        export::changes(&self.state.lock(), sink)
    }
}

impl fmt::Debug for MemoryFs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryFs").field("usage", &self.usage()).finish_non_exhaustive()
    }
}

/// A node that is open.
struct Handle {
    fs: Arc<Mutex<State>>,
    node: u32,
}

impl Handle {
    fn set_times(&self, node: u32, times: SetTimes) -> Result<()> {
        let mut state = self.fs.lock();
        let now = state.now();
        let node = state.node_mut(node)?;
        node.accessed = times.accessed.applied_to(node.accessed);
        node.modified = times.modified.applied_to(node.modified);
        node.changed = now;
        Ok(())
    }
}

impl Clone for Handle {
    fn clone(&self) -> Self {
        // A node with a handle is there.
        let _ = self.fs.lock().open(self.node);
        Self { fs: self.fs.clone(), node: self.node }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.fs.lock().close(self.node);
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("node", &self.node).finish_non_exhaustive()
    }
}
