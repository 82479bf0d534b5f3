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
use crate::types::{Errno, FdFlags, OFlags, Result};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::mem::take;
use core::ops::{Deref, DerefMut};
use core::sync::atomic::{AtomicU32, Ordering};
use spin::{Mutex, MutexGuard};
use state::{Garbage, ROOT, State};

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
/// A spin lock is held for as long as an operation takes. Files' bytes are allocated
/// and freed without it; tables of names, of nodes and of a file's chunks grow with
/// it held. What an operation takes is bounded by the [`Quota`]: a cut file's chunks
/// are handed on one by one, a removed name's successors move up, and
/// [`Self::changes_to_tar`] makes its whole archive.
#[derive(Clone)]
pub struct MemoryFs {
    state: Arc<Shared>,
}

/// What all that is open of a file system refers to.
struct Shared(Mutex<State>);

impl Shared {
    fn lock(&self) -> Locked<'_> {
        Locked { state: self.0.lock(), garbage: Garbage::default() }
    }
}

/// The state, locked.
struct Locked<'s> {
    // Dropped in this order: what was freed goes when the lock has been given back.
    state: MutexGuard<'s, State>,
    garbage: Garbage,
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        self.garbage = take(&mut self.state.garbage);
    }
}

impl Deref for Locked<'_> {
    type Target = State;

    fn deref(&self) -> &State {
        &self.state
    }
}

impl DerefMut for Locked<'_> {
    fn deref_mut(&mut self) -> &mut State {
        &mut self.state
    }
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
        Ok(Self { state: Arc::new(Shared(Mutex::new(state))) })
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
    fs: Arc<Shared>,
    node: u32,
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

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::sync::Weak;
    use alloc::vec;
    use core::sync::atomic::AtomicBool;

    /// An image that looks whether the file system is locked when it is dropped.
    struct Watch {
        bytes: Vec<u8>,
        fs: Arc<Mutex<Weak<Shared>>>,
        was_free: Arc<AtomicBool>,
    }

    impl AsRef<[u8]> for Watch {
        fn as_ref(&self) -> &[u8] {
            &self.bytes
        }
    }

    impl Drop for Watch {
        fn drop(&mut self) {
            let fs = self.fs.lock().upgrade().unwrap();
            self.was_free.store(fs.0.try_lock().is_some(), Ordering::Relaxed);
        }
    }

    /// Has a file of an image freed by `free`.
    fn frees_without_the_lock(free: impl FnOnce(&MemoryFs)) -> bool {
        let source = MemoryFs::new(Quota::default()).unwrap();
        source.write("file", b"content").unwrap();
        source.write("other", b"").unwrap();
        let mut bytes = Vec::new();
        let mut sink = |piece: &[u8]| {
            bytes.extend_from_slice(piece);
            Ok(())
        };
        source.changes_to_tar(&mut sink).unwrap();
        let (fs, was_free) = (Arc::new(Mutex::new(Weak::new())), Arc::default());
        let watch = Watch { bytes, fs: Arc::clone(&fs), was_free: Arc::clone(&was_free) };
        let made = MemoryFs::from_image(watch, Quota::default()).unwrap();
        *fs.lock() = Arc::downgrade(&made.state);
        made.root().remove_file("other").unwrap();
        free(&made);
        was_free.load(Ordering::Relaxed)
    }

    #[test]
    fn what_is_freed_is_freed_without_the_lock() {
        assert!(frees_without_the_lock(|fs| fs.root().remove_file("file").unwrap()));
        assert!(frees_without_the_lock(|fs| {
            fs.write("new", b"").unwrap();
            fs.root().rename("new", &fs.root(), "file").unwrap();
        }));
        assert!(frees_without_the_lock(|fs| {
            let opened = fs.open("file", OFlags::empty(), false).unwrap();
            fs.root().remove_file("file").unwrap();
            drop(opened);
        }));
    }

    #[test]
    fn chunks_are_freed_without_the_lock() {
        let fs = MemoryFs::new(Quota::default()).unwrap();
        fs.write("file", &vec![1; 10_000]).unwrap();
        let node = fs.state.lock().find(ROOT, "file", false).unwrap();
        let mut locked = fs.state.lock();
        locked.set_len(node, 5000, Vec::with_capacity(2)).unwrap();
        assert_eq!(locked.state.garbage.chunks.iter().filter(|chunk| !chunk.is_empty()).count(), 1);
        drop(locked);
        assert!(fs.state.0.lock().garbage.chunks.is_empty());
        fs.write("file", b"").unwrap();
        assert_eq!(fs.read("file"), Ok(vec![]));
    }
}
