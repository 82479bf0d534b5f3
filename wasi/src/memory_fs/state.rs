//! [`State`]: the nodes of a file system, and what they take of the quota.
//!
//! Invariants: a node lives as long as a name or a handle refers to it; a directory
//! other than the root has one name; `used` is the sum of what is charged for.

use super::Quota;
use super::content::Content;
use super::entries::Entries;
use crate::fallible::try_push;
use crate::host::Clock;
use crate::resolve::{self, LastLink, Place, Tree};
use crate::types::{Errno, Filestat, Filetype, Result, SetTimes};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

/// The root's number.
pub(super) const ROOT: u32 = 0;
/// The most bytes that links may make of a path.
const PATH_BYTES: usize = 4096;

pub(super) enum Kind {
    File(Content),
    Directory { entries: Entries, parent: u32 },
    Link(String),
}

pub(super) struct Node {
    pub kind: Kind,
    /// Names.
    pub links: u32,
    /// Handles.
    pub handles: u32,
    pub accessed: u64,
    pub modified: u64,
    pub changed: u64,
    /// It is not as it is in the image, or has another name.
    pub is_new: bool,
    /// Bytes charged for it.
    pub charged: u64,
}

/// What is used of a quota.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes of files and links that are not an image's.
    pub bytes: u64,
    /// Names, those of an image included.
    pub entries: u32,
}

/// What is dropped without the lock. An operation frees one node, or the chunks of
/// one file.
#[derive(Default)]
pub(super) struct Garbage {
    pub node: Option<Node>,
    pub chunks: Vec<Vec<u8>>,
}

pub(super) struct State {
    nodes: Vec<Option<Node>>,
    free: Vec<u32>,
    pub quota: Quota,
    pub used: Usage,
    /// Names that an image brought, beside those that the quota allows.
    image_entries: u32,
    pub clock: Option<Box<dyn Clock>>,
    pub device: u64,
    /// What an operation has freed: dropped once the lock is given back.
    pub garbage: Garbage,
    /// What is made now belongs to an image: it is neither charged for nor new.
    pub is_loading: bool,
}

impl State {
    pub fn new(quota: Quota, device: u64) -> Result<Self> {
        let (nodes, free) = (Vec::new(), Vec::new());
        let (used, image_entries, clock) = (Usage::default(), 0, None);
        let garbage = Garbage::default();
        let mut state = Self {
            nodes,
            free,
            quota,
            used,
            image_entries,
            clock,
            device,
            garbage,
            is_loading: false,
        };
        let kind = Kind::Directory { entries: Entries::default(), parent: ROOT };
        let root = state.add(kind, 0)?;
        state.node_mut(root)?.links = 1;
        state.node_mut(root)?.is_new = false;
        Ok(state)
    }

    /// Now, if there is a clock.
    pub fn now(&self) -> u64 {
        self.clock.as_ref().and_then(|clock| clock.now_ns().ok()).unwrap_or(0)
    }

    pub fn node(&self, at: u32) -> Result<&Node> {
        self.nodes.get(at as usize).and_then(Option::as_ref).ok_or(Errno::Io)
    }

    pub fn node_mut(&mut self, at: u32) -> Result<&mut Node> {
        self.nodes.get_mut(at as usize).and_then(Option::as_mut).ok_or(Errno::Io)
    }

    /// What is used once `more` is charged beside `others`.
    fn with_charged(&self, others: u64, more: u64) -> Result<u64> {
        others.checked_add(more).filter(|sum| *sum <= self.quota.bytes).ok_or(Errno::Nospc)
    }

    /// Adds a node without a name.
    fn add(&mut self, kind: Kind, bytes: u64) -> Result<u32> {
        let now = self.now();
        let charged = if self.is_loading { 0 } else { bytes };
        let used = self.with_charged(self.used.bytes, charged)?;
        let is_new = !self.is_loading;
        let node = Node {
            kind,
            links: 0,
            handles: 0,
            accessed: now,
            modified: now,
            changed: now,
            is_new,
            charged,
        };
        let at = match self.free.pop() {
            Some(at) => at,
            None => {
                // Freeing it must not need memory.
                self.free.try_reserve(self.nodes.len() + 1).map_err(|_| Errno::Nomem)?;
                try_push(&mut self.nodes, None)?;
                (self.nodes.len() - 1) as u32
            }
        };
        self.used.bytes = used;
        if let Some(place) = self.nodes.get_mut(at as usize) {
            *place = Some(node);
        }
        Ok(at)
    }

    /// Frees a node to which nothing refers.
    fn free_if_unused(&mut self, at: u32) {
        let Ok(node) = self.node(at) else { return };
        if node.links > 0 || node.handles > 0 {
            return;
        }
        let charged = node.charged;
        self.used.bytes = self.used.bytes.saturating_sub(charged);
        self.garbage.node = self.nodes.get_mut(at as usize).and_then(Option::take);
        self.free.push(at);
    }

    /// Counts a handle.
    pub fn open(&mut self, at: u32) -> Result<()> {
        self.node_mut(at)?.handles += 1;
        Ok(())
    }

    /// Counts a handle less.
    pub fn close(&mut self, at: u32) {
        if let Ok(node) = self.node_mut(at) {
            node.handles = node.handles.saturating_sub(1);
        }
        self.free_if_unused(at);
    }

    pub fn entries(&self, directory: u32) -> Result<&Entries> {
        match &self.node(directory)?.kind {
            Kind::Directory { entries, .. } => Ok(entries),
            _ => Err(Errno::Notdir),
        }
    }

    pub fn entries_mut(&mut self, directory: u32) -> Result<&mut Entries> {
        match &mut self.node_mut(directory)?.kind {
            Kind::Directory { entries, .. } => Ok(entries),
            _ => Err(Errno::Notdir),
        }
    }

    pub fn content(&self, file: u32) -> Result<&Content> {
        match &self.node(file)?.kind {
            Kind::File(content) => Ok(content),
            _ => Err(Errno::Isdir),
        }
    }

    pub fn content_mut(&mut self, file: u32) -> Result<&mut Content> {
        match &mut self.node_mut(file)?.kind {
            Kind::File(content) => Ok(content),
            _ => Err(Errno::Isdir),
        }
    }

    /// Notes that a directory's entries have changed.
    fn touch(&mut self, directory: u32) {
        let now = self.now();
        if let Ok(node) = self.node_mut(directory) {
            (node.modified, node.changed) = (now, now);
        }
    }

    /// Gives a node a name in a directory that still has one itself.
    ///
    /// # Errors
    /// [`Errno::Nospc`], [`Errno::Nametoolong`], [`Errno::Nomem`],
    /// [`Errno::Mlink`]; nothing has changed then.
    pub fn name(&mut self, directory: u32, name: String, node: u32) -> Result<()> {
        if name.len() > self.quota.name_bytes {
            return Err(Errno::Nametoolong);
        }
        if self.node(directory)?.links == 0 {
            return Err(Errno::Noent);
        }
        if self.is_loading {
            self.image_entries = self.image_entries.saturating_add(1);
        }
        if self.used.entries >= self.quota.entries.saturating_add(self.image_entries) {
            return Err(Errno::Nospc);
        }
        let links = self.node(node)?.links.checked_add(1).ok_or(Errno::Mlink)?;
        self.entries_mut(directory)?.insert(name, node)?;
        self.node_mut(node)?.links = links;
        self.used.entries += 1;
        if let Kind::Directory { parent, .. } = &mut self.node_mut(node)?.kind {
            *parent = directory;
        }
        self.touch(directory);
        Ok(())
    }

    /// Takes a name away.
    pub fn unname(&mut self, directory: u32, name: &str) -> Result<()> {
        let node = self.entries_mut(directory)?.remove(name).ok_or(Errno::Noent)?;
        self.used.entries = self.used.entries.saturating_sub(1);
        self.unlink(node);
        self.touch(directory);
        Ok(())
    }

    /// Counts a name less.
    pub fn unlink(&mut self, node: u32) {
        let now = self.now();
        if let Ok(node) = self.node_mut(node) {
            node.links = node.links.saturating_sub(1);
            node.changed = now;
        }
        self.free_if_unused(node);
    }

    /// Makes something under a name.
    ///
    /// # Errors
    /// As for [`Self::name`].
    pub fn make(&mut self, directory: u32, name: String, kind: Kind, bytes: u64) -> Result<u32> {
        let node = self.add(kind, bytes)?;
        match self.name(directory, name, node) {
            Ok(()) => Ok(node),
            Err(errno) => {
                self.free_if_unused(node);
                Err(errno)
            }
        }
    }

    /// Charges for a file of which something differs from the image, and that has
    /// this length afterwards.
    ///
    /// # Errors
    /// [`Errno::Fbig`] if no file may be that long; [`Errno::Nospc`].
    pub fn charge(&mut self, file: u32, len: u64) -> Result<()> {
        if len > self.quota.bytes {
            return Err(Errno::Fbig);
        }
        let wanted = Content::charge_for(len).ok_or(Errno::Fbig)?;
        let charged = self.node(file)?.charged;
        let others = self.used.bytes.saturating_sub(charged);
        self.used.bytes = match wanted <= charged {
            true => others.saturating_add(wanted),
            false => self.with_charged(others, wanted)?,
        };
        let now = self.now();
        let node = self.node_mut(file)?;
        node.charged = wanted;
        (node.modified, node.changed) = (now, now);
        node.is_new = true;
        Ok(())
    }

    /// Gives a file this length, for which it pays. `kept` is empty, with room for
    /// the chunks that are left, or for none if none are to go.
    ///
    /// # Errors
    /// As for [`Self::charge`].
    pub fn set_len(&mut self, file: u32, len: u64, kept: Vec<Vec<u8>>) -> Result<()> {
        self.charge(file, len)?;
        self.garbage.chunks = self.content_mut(file)?.set_len(len, kept);
        Ok(())
    }

    pub fn set_times(&mut self, at: u32, times: SetTimes) -> Result<()> {
        let now = self.now();
        let node = self.node_mut(at)?;
        node.accessed = times.accessed.applied_to(node.accessed);
        node.modified = times.modified.applied_to(node.modified);
        node.changed = now;
        Ok(())
    }

    /// Whether a directory is `directory` or below it. There are no circles: a
    /// directory has one name.
    pub fn contains(&self, directory: u32, mut at: u32) -> bool {
        loop {
            match at {
                _ if at == directory => return true,
                ROOT => return false,
                _ => at = self.parent(at),
            }
        }
    }

    /// Moves what `from` names to `to`, where it replaces what is there.
    ///
    /// # Errors
    /// [`Errno::Nomem`], [`Errno::Nametoolong`]; nothing has changed then.
    pub fn rename(&mut self, node: u32, from: Place<u32>, to: Place<u32>) -> Result<()> {
        if to.name.len() > self.quota.name_bytes {
            return Err(Errno::Nametoolong);
        }
        if self.node(to.parent)?.links == 0 {
            return Err(Errno::Noent);
        }
        let entries = self.entries_mut(to.parent)?;
        match entries.replace(&to.name, node) {
            Some(replaced) => {
                self.used.entries = self.used.entries.saturating_sub(1);
                self.unlink(replaced);
            }
            None => entries.insert(to.name, node)?,
        }
        self.entries_mut(from.parent)?.remove(&from.name);
        let now = self.now();
        let moved = self.node_mut(node)?;
        (moved.changed, moved.is_new) = (now, true);
        if let Kind::Directory { parent, .. } = &mut moved.kind {
            *parent = to.parent;
        }
        self.touch(from.parent);
        self.touch(to.parent);
        Ok(())
    }

    pub fn stat(&self, at: u32) -> Result<Filestat> {
        let node = self.node(at)?;
        let size = match &node.kind {
            Kind::File(content) => content.len(),
            Kind::Directory { .. } => 0,
            Kind::Link(target) => target.len() as u64,
        };
        Ok(Filestat {
            device: self.device,
            inode: u64::from(at) + 1,
            filetype: self.filetype(at),
            links: node.links.into(),
            size,
            accessed: node.accessed,
            modified: node.modified,
            changed: node.changed,
        })
    }

    pub fn resolve(&self, start: u32, path: &str, last: LastLink) -> Result<Place<u32>> {
        resolve::resolve(self, start, path, last, PATH_BYTES)
    }

    /// What a path names.
    ///
    /// # Errors
    /// [`Errno::Noent`]; [`Errno::Notdir`] if a slash follows something that is not
    /// a directory.
    pub fn find(&self, start: u32, path: &str, follow: bool) -> Result<u32> {
        let last = if follow { LastLink::Follow } else { LastLink::FollowBeforeSlash };
        let place = self.resolve(start, path, last)?;
        let node = place.node.ok_or(Errno::Noent)?;
        match place.is_directory && self.filetype(node) != Filetype::Directory {
            true => Err(Errno::Notdir),
            false => Ok(node),
        }
    }
}

impl Tree for State {
    type Node = u32;

    fn filetype(&self, node: u32) -> Filetype {
        match self.node(node).map(|node| &node.kind) {
            Ok(Kind::File(_)) => Filetype::RegularFile,
            Ok(Kind::Directory { .. }) => Filetype::Directory,
            Ok(Kind::Link(_)) => Filetype::SymbolicLink,
            Err(_) => Filetype::Unknown,
        }
    }

    fn parent(&self, directory: u32) -> u32 {
        match self.node(directory).map(|node| &node.kind) {
            Ok(Kind::Directory { parent, .. }) => *parent,
            _ => ROOT,
        }
    }

    fn child(&self, directory: u32, name: &str) -> Result<Option<u32>> {
        Ok(self.entries(directory)?.get(name))
    }

    fn target(&self, link: u32) -> Result<&str> {
        match &self.node(link)?.kind {
            Kind::Link(target) => Ok(target),
            _ => Err(Errno::Inval),
        }
    }
}
