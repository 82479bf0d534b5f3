//! [`MemoryDir`]: an open directory.

use super::Handle;
use super::content::Content;
use super::entries::Entries;
use super::file::MemoryFile;
use super::state::{Kind, State};
use crate::fallible::{try_box, try_string};
use crate::host::{DirEntry, Directory, OpenOptions, Opened};
use crate::resolve::{LastLink, Place, Tree};
use crate::types::{Errno, Filestat, Filetype, OFlags, Result, SetTimes};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;
use core::ops::ControlFlow;

/// An open directory of a [`super::MemoryFs`]. Clones are of the same directory.
#[derive(Clone, Debug)]
pub struct MemoryDir {
    pub(super) handle: Handle,
}

/// A place where something can be made.
fn vacant(place: Place<u32>) -> Result<Place<u32>> {
    match place.node {
        Some(_) => Err(Errno::Exist),
        None => Ok(place),
    }
}

impl MemoryDir {
    /// The same file system's directory.
    fn of_same<'d>(&self, other: &'d dyn Directory) -> Result<&'d Self> {
        let other = (other as &dyn Any).downcast_ref::<Self>().ok_or(Errno::Xdev)?;
        match Arc::ptr_eq(&self.handle.fs, &other.handle.fs) {
            true => Ok(other),
            false => Err(Errno::Xdev),
        }
    }

    /// Opens or makes the file, with a handle counted for it.
    fn node_of(&self, state: &mut State, path: &str, options: OpenOptions) -> Result<u32> {
        let OpenOptions { follow, oflags, write, .. } = options;
        let makes = oflags.contains(OFlags::CREAT);
        let exclusive = oflags.contains(OFlags::CREAT | OFlags::EXCL);
        let last = match (exclusive, follow) {
            (true, _) => LastLink::Keep,
            (false, true) => LastLink::Follow,
            (false, false) => LastLink::FollowBeforeSlash,
        };
        let place = state.resolve(self.handle.node, path, last)?;
        let Some(node) = place.node else {
            return match (makes, place.is_directory) {
                (false, _) => Err(Errno::Noent),
                (true, true) => Err(Errno::Isdir),
                (true, false) => {
                    state.make(place.parent, place.name, Kind::File(Content::default()), 0)
                }
            };
        };
        if exclusive {
            return Err(Errno::Exist);
        }
        let must_be_directory = place.is_directory || oflags.contains(OFlags::DIRECTORY);
        match state.filetype(node) {
            Filetype::Directory => {
                let is_meant = oflags.contains(OFlags::DIRECTORY);
                let changes = oflags.contains(OFlags::TRUNC) || makes || (write && !is_meant);
                if changes {
                    return Err(Errno::Isdir);
                }
            }
            _ if must_be_directory => return Err(Errno::Notdir),
            Filetype::SymbolicLink => return Err(Errno::Loop),
            _ if oflags.contains(OFlags::TRUNC) => {
                state.set_len(node, 0, Vec::new())?;
            }
            _ => {}
        }
        Ok(node)
    }
}

impl Directory for MemoryDir {
    fn open(&self, path: &str, options: OpenOptions) -> Result<Opened> {
        let mut state = self.handle.fs.lock();
        let node = self.node_of(&mut state, path, options)?;
        let is_directory = state.filetype(node) == Filetype::Directory;
        state.open(node)?;
        drop(state);
        let handle = Handle { fs: self.handle.fs.clone(), node };
        Ok(match is_directory {
            true => Opened::Directory(try_box(MemoryDir { handle })?),
            false => Opened::File(try_box(MemoryFile { handle })?),
        })
    }

    fn stat(&self) -> Result<Filestat> {
        self.handle.fs.lock().stat(self.handle.node)
    }

    fn set_times(&self, times: SetTimes) -> Result<()> {
        self.handle.fs.lock().set_times(self.handle.node, times)
    }

    fn read_dir(
        &self,
        cookie: u64,
        each: &mut dyn FnMut(DirEntry<'_>) -> ControlFlow<()>,
    ) -> Result<()> {
        let state = self.handle.fs.lock();
        for entry in state.entries(self.handle.node)?.after(cookie) {
            let (next, inode) = (entry.serial, u64::from(entry.node) + 1);
            let filetype = state.filetype(entry.node);
            if each(DirEntry { next, inode, filetype, name: &entry.name }).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn stat_at(&self, path: &str, follow: bool) -> Result<Filestat> {
        let state = self.handle.fs.lock();
        state.stat(state.find(self.handle.node, path, follow)?)
    }

    fn set_times_at(&self, path: &str, follow: bool, times: SetTimes) -> Result<()> {
        // In one step: nothing else may have the node's number meanwhile.
        let mut state = self.handle.fs.lock();
        let node = state.find(self.handle.node, path, follow)?;
        state.set_times(node, times)
    }

    fn read_link(&self, path: &str, buffer: &mut [u8]) -> Result<usize> {
        let state = self.handle.fs.lock();
        let target = state.target(state.find(self.handle.node, path, false)?)?;
        let len = target.len().min(buffer.len());
        let (Some(buffer), Some(part)) = (buffer.get_mut(..len), target.as_bytes().get(..len))
        else {
            return Err(Errno::Io);
        };
        buffer.copy_from_slice(part);
        Ok(len)
    }

    fn create_dir(&self, path: &str) -> Result<()> {
        let mut state = self.handle.fs.lock();
        let place = vacant(state.resolve(self.handle.node, path, LastLink::Keep)?)?;
        let kind = Kind::Directory { entries: Entries::default(), parent: place.parent };
        state.make(place.parent, place.name, kind, 0).map(|_| ())
    }

    fn remove_dir(&self, path: &str) -> Result<()> {
        let mut state = self.handle.fs.lock();
        let place = state.resolve(self.handle.node, path, LastLink::Keep)?;
        let node = place.node.ok_or(Errno::Noent)?;
        if place.name.is_empty() {
            return Err(Errno::Inval);
        }
        match state.entries(node)?.is_empty() {
            true => state.unname(place.parent, &place.name),
            false => Err(Errno::Notempty),
        }
    }

    fn remove_file(&self, path: &str) -> Result<()> {
        let mut state = self.handle.fs.lock();
        let place = state.resolve(self.handle.node, path, LastLink::Keep)?;
        let node = place.node.ok_or(Errno::Noent)?;
        if state.filetype(node) == Filetype::Directory {
            return Err(Errno::Isdir);
        }
        match place.is_directory {
            true => Err(Errno::Notdir),
            false => state.unname(place.parent, &place.name),
        }
    }

    fn symlink(&self, target: &str, path: &str) -> Result<()> {
        let mut state = self.handle.fs.lock();
        let place = vacant(state.resolve(self.handle.node, path, LastLink::Keep)?)?;
        if place.is_directory {
            return Err(Errno::Noent);
        }
        let kind = Kind::Link(try_string(target)?);
        state.make(place.parent, place.name, kind, target.len() as u64).map(|_| ())
    }

    fn rename(&self, path: &str, to: &dyn Directory, to_path: &str) -> Result<()> {
        let other = self.of_same(to)?;
        let mut state = self.handle.fs.lock();
        let from = state.resolve(self.handle.node, path, LastLink::Keep)?;
        let to = state.resolve(other.handle.node, to_path, LastLink::Keep)?;
        let node = from.node.ok_or(Errno::Noent)?;
        if from.name.is_empty() || to.name.is_empty() {
            return Err(Errno::Busy);
        }
        let is_directory = state.filetype(node) == Filetype::Directory;
        if !is_directory && (from.is_directory || to.is_directory) {
            return Err(Errno::Notdir);
        }
        if is_directory && state.contains(node, to.parent) {
            return Err(Errno::Inval);
        }
        if to.node == Some(node) {
            return Ok(());
        }
        if let Some(replaced) = to.node {
            match (is_directory, state.filetype(replaced) == Filetype::Directory) {
                (true, false) => return Err(Errno::Notdir),
                (false, true) => return Err(Errno::Isdir),
                (true, true) if !state.entries(replaced)?.is_empty() => {
                    return Err(Errno::Notempty);
                }
                _ => {}
            }
        }
        state.rename(node, from, to)
    }

    fn link(&self, path: &str, follow: bool, to: &dyn Directory, to_path: &str) -> Result<()> {
        let other = self.of_same(to)?;
        let mut state = self.handle.fs.lock();
        let node = state.find(self.handle.node, path, follow)?;
        if state.filetype(node) == Filetype::Directory {
            return Err(Errno::Perm);
        }
        let to = vacant(state.resolve(other.handle.node, to_path, LastLink::Keep)?)?;
        if to.is_directory {
            return Err(Errno::Noent);
        }
        state.name(to.parent, to.name, node)?;
        state.node_mut(node)?.is_new = true;
        Ok(())
    }
}
