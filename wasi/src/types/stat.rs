//! Attributes of files and descriptors, and the layouts in which guests see them.

use super::flags::{EventRwFlags, FdFlags, Rights};
use super::kinds::Filetype;

/// Attributes of a file. Times are nanoseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Filestat {
    /// Number of the file system; equal for two files only if they are on the same one.
    pub device: u64,
    /// Number of the file within it.
    pub inode: u64,
    /// What it is.
    pub filetype: Filetype,
    /// How many names it has.
    pub links: u64,
    /// Size in bytes.
    pub size: u64,
    /// Last access.
    pub accessed: u64,
    /// Last change of the content.
    pub modified: u64,
    /// Last change of the content or the attributes.
    pub changed: u64,
}

impl Filestat {
    /// Attributes of something that has none but its kind.
    pub const fn of_kind(filetype: Filetype) -> Self {
        let (device, inode, links, size) = (0, 0, 1, 0);
        let (accessed, modified, changed) = (0, 0, 0);
        Self { device, inode, filetype, links, size, accessed, modified, changed }
    }

    /// As guests see it.
    pub(crate) fn to_bytes(self) -> [u8; 64] {
        let mut bytes = [0; 64];
        put(&mut bytes, 0, &self.device.to_le_bytes());
        put(&mut bytes, 8, &self.inode.to_le_bytes());
        put(&mut bytes, 16, &[self.filetype as u8]);
        put(&mut bytes, 24, &self.links.to_le_bytes());
        put(&mut bytes, 32, &self.size.to_le_bytes());
        put(&mut bytes, 40, &self.accessed.to_le_bytes());
        put(&mut bytes, 48, &self.modified.to_le_bytes());
        put(&mut bytes, 56, &self.changed.to_le_bytes());
        bytes
    }
}

/// Attributes of a descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fdstat {
    /// What is open.
    pub filetype: Filetype,
    /// How it reads and writes.
    pub flags: FdFlags,
    /// What may be done with it.
    pub rights: Rights,
    /// What may be done with what is opened through it.
    pub inheriting: Rights,
}

impl Fdstat {
    /// As guests see it.
    pub(crate) fn to_bytes(self) -> [u8; 24] {
        let mut bytes = [0; 24];
        put(&mut bytes, 0, &[self.filetype as u8]);
        put(&mut bytes, 2, &self.flags.bits().to_le_bytes());
        put(&mut bytes, 8, &self.rights.bits().to_le_bytes());
        put(&mut bytes, 16, &self.inheriting.bits().to_le_bytes());
        bytes
    }
}

/// What a time becomes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SetTime {
    /// It stays as it is.
    #[default]
    Keep,
    /// This many nanoseconds since 1970.
    To(u64),
}

impl SetTime {
    /// The new time where the old one is `old`.
    pub const fn applied_to(self, old: u64) -> u64 {
        match self {
            SetTime::Keep => old,
            SetTime::To(new) => new,
        }
    }
}

/// What a file's times become.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SetTimes {
    /// Last access.
    pub accessed: SetTime,
    /// Last change of the content.
    pub modified: SetTime,
}

/// Size of the header of a directory's entry; its name follows.
pub(crate) const DIRENT_BYTES: usize = 24;

/// The header of a directory's entry.
pub(crate) fn dirent(next: u64, inode: u64, name: u32, filetype: Filetype) -> [u8; DIRENT_BYTES] {
    let mut bytes = [0; DIRENT_BYTES];
    put(&mut bytes, 0, &next.to_le_bytes());
    put(&mut bytes, 8, &inode.to_le_bytes());
    put(&mut bytes, 16, &name.to_le_bytes());
    put(&mut bytes, 20, &[filetype as u8]);
    bytes
}

/// Size of a subscription.
pub(crate) const SUBSCRIPTION_BYTES: u64 = 48;
/// Size of an event.
pub(crate) const EVENT_BYTES: u64 = 32;

/// What a subscription led to.
pub(crate) struct Event {
    pub userdata: u64,
    /// 0, or an error code.
    pub errno: u16,
    /// The subscription's kind.
    pub kind: u8,
    pub bytes: u64,
    pub flags: EventRwFlags,
}

impl Event {
    /// As guests see it.
    pub(crate) fn to_bytes(&self) -> [u8; EVENT_BYTES as usize] {
        let mut bytes = [0; EVENT_BYTES as usize];
        put(&mut bytes, 0, &self.userdata.to_le_bytes());
        put(&mut bytes, 8, &self.errno.to_le_bytes());
        put(&mut bytes, 10, &[self.kind]);
        put(&mut bytes, 16, &self.bytes.to_le_bytes());
        put(&mut bytes, 24, &self.flags.bits().to_le_bytes());
        bytes
    }
}

/// Writes a field; fields outside the bytes would be left out.
fn put(bytes: &mut [u8], at: usize, field: &[u8]) {
    if let Some(place) = bytes.get_mut(at..at + field.len()) {
        place.copy_from_slice(field);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_where_the_standard_puts_them() {
        let stat = Filestat { size: 0x0102, ..Filestat::of_kind(Filetype::RegularFile) };
        let bytes = stat.to_bytes();
        assert_eq!((bytes[16], &bytes[32..34]), (4, &[2, 1][..]));
        let (flags, inheriting) = (FdFlags::NONBLOCK, Rights::FD_READ);
        let rights = Rights::SOCK_ACCEPT;
        let stat = Fdstat { filetype: Filetype::Directory, flags, rights, inheriting };
        let bytes = stat.to_bytes();
        assert_eq!((bytes[0], bytes[2], bytes[8 + 3], bytes[16]), (3, 4, 0x20, 2));
    }
}
