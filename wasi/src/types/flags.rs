//! Rights and the sets of flags of the standard.

use super::kinds::Filetype;
use bitflags::bitflags;

bitflags! {
    /// What may be done with a descriptor.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Rights: u64 {
        /// Synchronize a file's data.
        const FD_DATASYNC = 1 << 0;
        /// Read; with `FD_SEEK`, at an offset.
        const FD_READ = 1 << 1;
        /// Move the offset.
        const FD_SEEK = 1 << 2;
        /// Change a descriptor's flags.
        const FDSTAT_SET_FLAGS = 1 << 3;
        /// Synchronize a file.
        const FD_SYNC = 1 << 4;
        /// Ask for the offset.
        const FD_TELL = 1 << 5;
        /// Write; with `FD_SEEK`, at an offset.
        const FD_WRITE = 1 << 6;
        /// Announce how a file is used.
        const FD_ADVISE = 1 << 7;
        /// Reserve space.
        const FD_ALLOCATE = 1 << 8;
        /// Make a directory.
        const PATH_CREATE_DIRECTORY = 1 << 9;
        /// Make a file by opening it.
        const PATH_CREATE_FILE = 1 << 10;
        /// Give a file of the directory another name.
        const PATH_LINK_SOURCE = 1 << 11;
        /// Put another name of a file into the directory.
        const PATH_LINK_TARGET = 1 << 12;
        /// Open something in the directory.
        const PATH_OPEN = 1 << 13;
        /// List the directory.
        const FD_READDIR = 1 << 14;
        /// Read a symbolic link.
        const PATH_READLINK = 1 << 15;
        /// Move something out of the directory.
        const PATH_RENAME_SOURCE = 1 << 16;
        /// Move something into the directory.
        const PATH_RENAME_TARGET = 1 << 17;
        /// Ask for attributes by path.
        const PATH_FILESTAT_GET = 1 << 18;
        /// Truncate by path.
        const PATH_FILESTAT_SET_SIZE = 1 << 19;
        /// Set times by path.
        const PATH_FILESTAT_SET_TIMES = 1 << 20;
        /// Ask for attributes.
        const FD_FILESTAT_GET = 1 << 21;
        /// Set the size.
        const FD_FILESTAT_SET_SIZE = 1 << 22;
        /// Set times.
        const FD_FILESTAT_SET_TIMES = 1 << 23;
        /// Make a symbolic link.
        const PATH_SYMLINK = 1 << 24;
        /// Remove a directory.
        const PATH_REMOVE_DIRECTORY = 1 << 25;
        /// Remove a file.
        const PATH_UNLINK_FILE = 1 << 26;
        /// Wait for a descriptor.
        const POLL_FD_READWRITE = 1 << 27;
        /// Shut a socket down.
        const SOCK_SHUTDOWN = 1 << 28;
        /// Accept connections.
        const SOCK_ACCEPT = 1 << 29;
    }

    /// How a descriptor reads and writes.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct FdFlags: u16 {
        /// Writes go to the end.
        const APPEND = 1 << 0;
        /// Each write waits until its data are stored.
        const DSYNC = 1 << 1;
        /// Reading and writing never wait.
        const NONBLOCK = 1 << 2;
        /// Reading waits for writes to be stored.
        const RSYNC = 1 << 3;
        /// Each write waits until all of it is stored.
        const SYNC = 1 << 4;
    }

    /// What opening a path may do.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct OFlags: u16 {
        /// Make the file if there is none.
        const CREAT = 1 << 0;
        /// Fail unless it is a directory.
        const DIRECTORY = 1 << 1;
        /// Fail if there is one.
        const EXCL = 1 << 2;
        /// Make the file empty.
        const TRUNC = 1 << 3;
    }

    /// How a path is resolved.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct LookupFlags: u32 {
        /// Follow a symbolic link at the path's end.
        const SYMLINK_FOLLOW = 1 << 0;
    }

    /// Which times are set, and to what.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct FstFlags: u16 {
        /// The time of the last access, as given.
        const ATIM = 1 << 0;
        /// The time of the last access, to now.
        const ATIM_NOW = 1 << 1;
        /// The time of the last change, as given.
        const MTIM = 1 << 2;
        /// The time of the last change, to now.
        const MTIM_NOW = 1 << 3;
    }

    /// How a subscription's time is meant.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct SubclockFlags: u16 {
        /// It is absolute.
        const ABSTIME = 1 << 0;
    }

    /// What became of a descriptor that is waited for.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct EventRwFlags: u16 {
        /// The other side is gone.
        const HANGUP = 1 << 0;
    }

    /// How a socket receives.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct RiFlags: u16 {
        /// Leave the data where they are.
        const PEEK = 1 << 0;
        /// Wait until all buffers are full.
        const WAITALL = 1 << 1;
    }

    /// What came with the data.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct RoFlags: u16 {
        /// The message was longer than the buffers.
        const DATA_TRUNCATED = 1 << 0;
    }

    /// Which directions of a socket are shut down.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct SdFlags: u8 {
        /// Receiving.
        const RD = 1 << 0;
        /// Sending.
        const WR = 1 << 1;
    }
}

impl Rights {
    /// All that a regular file can give.
    pub const FILE: Self = Self::FD_DATASYNC
        .union(Self::FD_READ)
        .union(Self::FD_SEEK)
        .union(Self::FDSTAT_SET_FLAGS)
        .union(Self::FD_SYNC)
        .union(Self::FD_TELL)
        .union(Self::FD_WRITE)
        .union(Self::FD_ADVISE)
        .union(Self::FD_ALLOCATE)
        .union(Self::FD_FILESTAT_GET)
        .union(Self::FD_FILESTAT_SET_SIZE)
        .union(Self::FD_FILESTAT_SET_TIMES)
        .union(Self::POLL_FD_READWRITE);

    /// All that a directory can give.
    pub const DIRECTORY: Self = Self::FDSTAT_SET_FLAGS
        .union(Self::FD_SYNC)
        .union(Self::FD_ADVISE)
        .union(Self::PATH_CREATE_DIRECTORY)
        .union(Self::PATH_CREATE_FILE)
        .union(Self::PATH_LINK_SOURCE)
        .union(Self::PATH_LINK_TARGET)
        .union(Self::PATH_OPEN)
        .union(Self::FD_READDIR)
        .union(Self::PATH_READLINK)
        .union(Self::PATH_RENAME_SOURCE)
        .union(Self::PATH_RENAME_TARGET)
        .union(Self::PATH_FILESTAT_GET)
        .union(Self::PATH_FILESTAT_SET_SIZE)
        .union(Self::PATH_FILESTAT_SET_TIMES)
        .union(Self::FD_FILESTAT_GET)
        .union(Self::FD_FILESTAT_SET_TIMES)
        .union(Self::PATH_SYMLINK)
        .union(Self::PATH_REMOVE_DIRECTORY)
        .union(Self::PATH_UNLINK_FILE)
        .union(Self::POLL_FD_READWRITE);

    /// All that a stream can give: a terminal, a pipe.
    pub const STREAM: Self = Self::FD_READ
        .union(Self::FDSTAT_SET_FLAGS)
        .union(Self::FD_WRITE)
        .union(Self::FD_FILESTAT_GET)
        .union(Self::FD_SYNC)
        .union(Self::FD_DATASYNC)
        .union(Self::POLL_FD_READWRITE);

    /// All that a socket can give.
    pub const SOCKET: Self = Self::FD_READ
        .union(Self::FDSTAT_SET_FLAGS)
        .union(Self::FD_WRITE)
        .union(Self::FD_FILESTAT_GET)
        .union(Self::POLL_FD_READWRITE)
        .union(Self::SOCK_SHUTDOWN)
        .union(Self::SOCK_ACCEPT);

    /// What changes the directory or what is below it.
    pub const CHANGING: Self = Self::FD_WRITE
        .union(Self::FD_ALLOCATE)
        .union(Self::FD_FILESTAT_SET_SIZE)
        .union(Self::FD_FILESTAT_SET_TIMES)
        .union(Self::PATH_CREATE_DIRECTORY)
        .union(Self::PATH_CREATE_FILE)
        .union(Self::PATH_LINK_SOURCE)
        .union(Self::PATH_LINK_TARGET)
        .union(Self::PATH_RENAME_SOURCE)
        .union(Self::PATH_RENAME_TARGET)
        .union(Self::PATH_FILESTAT_SET_SIZE)
        .union(Self::PATH_FILESTAT_SET_TIMES)
        .union(Self::PATH_SYMLINK)
        .union(Self::PATH_REMOVE_DIRECTORY)
        .union(Self::PATH_UNLINK_FILE);

    /// All that a descriptor of this kind can give.
    pub const fn of(filetype: Filetype) -> Self {
        match filetype {
            Filetype::Directory => Self::DIRECTORY,
            Filetype::RegularFile => Self::FILE,
            Filetype::SocketStream | Filetype::SocketDgram => Self::SOCKET,
            _ => Self::STREAM,
        }
    }
}
