//! [`Table`]: a guest's descriptors.
//!
//! Invariant: what a descriptor is used for is asked for here, as rights, and a
//! descriptor without them gives [`Errno::Notcapable`]. Rights only ever shrink.

use crate::fallible::try_push;
use crate::host::{Directory, File, Socket, Stream};
use crate::types::{Errno, FdFlags, Fdstat, Filestat, Filetype, Result, Rights};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

/// What is open.
pub(crate) enum Object {
    File(Box<dyn File>),
    Directory(Box<dyn Directory>),
    Stream(Box<dyn Stream>),
    Socket(Box<dyn Socket>),
}

impl Object {
    pub fn filetype(&self) -> Filetype {
        match self {
            Object::File(_) => Filetype::RegularFile,
            Object::Directory(_) => Filetype::Directory,
            Object::Stream(stream) => stream.filetype(),
            Object::Socket(socket) => socket.filetype(),
        }
    }

    pub fn stat(&self) -> Result<Filestat> {
        match self {
            Object::File(file) => file.stat(),
            Object::Directory(directory) => directory.stat(),
            Object::Stream(stream) => stream.stat(),
            Object::Socket(socket) => socket.stat(),
        }
    }
}

/// A descriptor.
pub(crate) struct Entry {
    pub object: Object,
    pub rights: Rights,
    pub inheriting: Rights,
    pub flags: FdFlags,
    /// Where the next byte is read or written; files only.
    pub offset: u64,
    /// The name under which the guest finds a directory that it was handed.
    pub preopen: Option<String>,
}

impl Entry {
    pub fn new(object: Object, rights: Rights, inheriting: Rights) -> Self {
        let flags = FdFlags::empty();
        Self { object, rights, inheriting, flags, offset: 0, preopen: None }
    }

    pub fn fdstat(&self) -> Fdstat {
        let Self { rights, inheriting, flags, .. } = *self;
        Fdstat { filetype: self.object.filetype(), flags, rights, inheriting }
    }

    pub fn is_nonblocking(&self) -> bool {
        self.flags.contains(FdFlags::NONBLOCK)
    }

    pub fn check(&self, needed: Rights) -> Result<()> {
        match self.rights.contains(needed) {
            true => Ok(()),
            false => Err(Errno::Notcapable),
        }
    }

    /// The file, and the offset.
    pub fn file(&mut self) -> Result<(&mut dyn File, &mut u64)> {
        match &mut self.object {
            Object::File(file) => Ok((&mut **file, &mut self.offset)),
            Object::Directory(_) => Err(Errno::Isdir),
            Object::Stream(_) | Object::Socket(_) => Err(Errno::Spipe),
        }
    }

    pub fn socket(&mut self) -> Result<&mut dyn Socket> {
        match &mut self.object {
            Object::Socket(socket) => Ok(&mut **socket),
            _ => Err(Errno::Notsock),
        }
    }
}

/// Descriptors by number.
pub(crate) struct Table {
    entries: Vec<Option<Entry>>,
    limit: u32,
}

impl Table {
    pub fn new(limit: u32) -> Self {
        Self { entries: Vec::new(), limit }
    }

    /// The entry, which may do what is needed.
    pub fn get(&self, fd: u32, needed: Rights) -> Result<&Entry> {
        let entry = self.entries.get(fd as usize).and_then(Option::as_ref).ok_or(Errno::Badf)?;
        entry.check(needed)?;
        Ok(entry)
    }

    /// The entry, which may do what is needed.
    pub fn get_mut(&mut self, fd: u32, needed: Rights) -> Result<&mut Entry> {
        let entry = self.entries.get_mut(fd as usize).and_then(Option::as_mut);
        let entry = entry.ok_or(Errno::Badf)?;
        entry.check(needed)?;
        Ok(entry)
    }

    /// The directory, in which one may do what is needed.
    pub fn directory(&self, fd: u32, needed: Rights) -> Result<&dyn Directory> {
        let entry = self.get(fd, Rights::empty())?;
        let Object::Directory(directory) = &entry.object else { return Err(Errno::Notdir) };
        entry.check(needed)?;
        Ok(&**directory)
    }

    /// Makes sure that [`Self::insert`] has room.
    pub fn reserve(&mut self) -> Result<()> {
        if self.entries.iter().any(Option::is_none) {
            return Ok(());
        }
        match self.entries.len() < self.limit as usize {
            true => self.entries.try_reserve(1).map_err(|_| Errno::Nomem),
            false => Err(Errno::Mfile),
        }
    }

    /// Adds a descriptor, under the lowest number that is free.
    pub fn insert(&mut self, entry: Entry) -> Result<u32> {
        self.reserve()?;
        let at = match self.entries.iter().position(Option::is_none) {
            Some(at) => at,
            None => {
                try_push(&mut self.entries, None)?;
                self.entries.len() - 1
            }
        };
        if let Some(place) = self.entries.get_mut(at) {
            *place = Some(entry);
        }
        Ok(at as u32)
    }

    /// Leaves a number free, when the table is set up.
    pub fn skip(&mut self) -> Result<()> {
        try_push(&mut self.entries, None)
    }

    /// Adds a descriptor under the next number, when the table is set up.
    pub fn append(&mut self, entry: Entry) -> Result<()> {
        match self.entries.len() < self.limit as usize {
            true => try_push(&mut self.entries, Some(entry)),
            false => Err(Errno::Mfile),
        }
    }

    pub fn close(&mut self, fd: u32) -> Result<()> {
        let entry = self.entries.get_mut(fd as usize).and_then(Option::take);
        entry.map(drop).ok_or(Errno::Badf)
    }

    /// Closes `to`, and gives its number to `from`. Both are open.
    pub fn renumber(&mut self, from: u32, to: u32) -> Result<()> {
        self.get(from, Rights::empty())?;
        self.get(to, Rights::empty())?;
        if from != to {
            let moved = self.entries.get_mut(from as usize).and_then(Option::take);
            if let Some(place) = self.entries.get_mut(to as usize) {
                *place = moved;
            }
        }
        Ok(())
    }
}
