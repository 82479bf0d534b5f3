//! [`Errno`]: the standard's error codes.

use core::fmt;

/// An error code of WASI preview 1 (`errno` in the standard's `typenames`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum Errno {
    /// Argument list too long.
    TooBig = 1,
    /// Permission denied.
    Acces = 2,
    /// Address in use.
    Addrinuse = 3,
    /// Address not available.
    Addrnotavail = 4,
    /// Address family not supported.
    Afnosupport = 5,
    /// Resource unavailable, or the operation would block.
    Again = 6,
    /// Connection already in progress.
    Already = 7,
    /// Bad file descriptor.
    Badf = 8,
    /// Bad message.
    Badmsg = 9,
    /// Device or resource busy.
    Busy = 10,
    /// Operation canceled.
    Canceled = 11,
    /// No child processes.
    Child = 12,
    /// Connection aborted.
    Connaborted = 13,
    /// Connection refused.
    Connrefused = 14,
    /// Connection reset.
    Connreset = 15,
    /// Resource deadlock would occur.
    Deadlk = 16,
    /// Destination address required.
    Destaddrreq = 17,
    /// Argument out of the function's domain.
    Dom = 18,
    /// Disk quota exceeded.
    Dquot = 19,
    /// File exists.
    Exist = 20,
    /// Bad address.
    Fault = 21,
    /// File too large.
    Fbig = 22,
    /// Host is unreachable.
    Hostunreach = 23,
    /// Identifier removed.
    Idrm = 24,
    /// Illegal byte sequence.
    Ilseq = 25,
    /// Operation in progress.
    Inprogress = 26,
    /// Interrupted.
    Intr = 27,
    /// Invalid argument.
    Inval = 28,
    /// Input or output error.
    Io = 29,
    /// Socket is connected.
    Isconn = 30,
    /// Is a directory.
    Isdir = 31,
    /// Too many levels of symbolic links.
    Loop = 32,
    /// File descriptors exhausted.
    Mfile = 33,
    /// Too many links.
    Mlink = 34,
    /// Message too large.
    Msgsize = 35,
    /// Reserved (multihop).
    Multihop = 36,
    /// File name too long.
    Nametoolong = 37,
    /// Network is down.
    Netdown = 38,
    /// Connection aborted by network.
    Netreset = 39,
    /// Network unreachable.
    Netunreach = 40,
    /// Too many files open in the system.
    Nfile = 41,
    /// No buffer space available.
    Nobufs = 42,
    /// No such device.
    Nodev = 43,
    /// No such file or directory.
    Noent = 44,
    /// Executable file format error.
    Noexec = 45,
    /// No locks available.
    Nolck = 46,
    /// Reserved (link severed).
    Nolink = 47,
    /// Not enough memory.
    Nomem = 48,
    /// No message of the desired type.
    Nomsg = 49,
    /// Protocol not available.
    Noprotoopt = 50,
    /// No space left on device.
    Nospc = 51,
    /// Function not supported.
    Nosys = 52,
    /// Socket is not connected.
    Notconn = 53,
    /// Not a directory.
    Notdir = 54,
    /// Directory not empty.
    Notempty = 55,
    /// State not recoverable.
    Notrecoverable = 56,
    /// Not a socket.
    Notsock = 57,
    /// Not supported, or not handed over.
    Notsup = 58,
    /// Inappropriate I/O control operation.
    Notty = 59,
    /// No such device or address.
    Nxio = 60,
    /// Value too large.
    Overflow = 61,
    /// Previous owner died.
    Ownerdead = 62,
    /// Operation not permitted.
    Perm = 63,
    /// Broken pipe.
    Pipe = 64,
    /// Protocol error.
    Proto = 65,
    /// Protocol not supported.
    Protonosupport = 66,
    /// Protocol wrong type for socket.
    Prototype = 67,
    /// Result too large.
    Range = 68,
    /// Read-only file system.
    Rofs = 69,
    /// Invalid seek.
    Spipe = 70,
    /// No such process.
    Srch = 71,
    /// Reserved (stale handle).
    Stale = 72,
    /// Connection timed out.
    Timedout = 73,
    /// Text file busy.
    Txtbsy = 74,
    /// Cross-device link.
    Xdev = 75,
    /// Capabilities insufficient.
    Notcapable = 76,
}

impl Errno {
    /// The code as guests see it; 0 is success, which is not an error.
    pub const fn raw(self) -> u16 {
        self as u16
    }

    /// What it means, in few words.
    pub const fn message(self) -> &'static str {
        match self {
            Errno::TooBig => "argument list too long",
            Errno::Acces => "permission denied",
            Errno::Addrinuse => "address in use",
            Errno::Addrnotavail => "address not available",
            Errno::Afnosupport => "address family not supported",
            Errno::Again => "resource unavailable, or the operation would block",
            Errno::Already => "connection already in progress",
            Errno::Badf => "bad file descriptor",
            Errno::Badmsg => "bad message",
            Errno::Busy => "device or resource busy",
            Errno::Canceled => "operation canceled",
            Errno::Child => "no child processes",
            Errno::Connaborted => "connection aborted",
            Errno::Connrefused => "connection refused",
            Errno::Connreset => "connection reset",
            Errno::Deadlk => "resource deadlock would occur",
            Errno::Destaddrreq => "destination address required",
            Errno::Dom => "argument out of the function's domain",
            Errno::Dquot => "disk quota exceeded",
            Errno::Exist => "file exists",
            Errno::Fault => "bad address",
            Errno::Fbig => "file too large",
            Errno::Hostunreach => "host is unreachable",
            Errno::Idrm => "identifier removed",
            Errno::Ilseq => "illegal byte sequence",
            Errno::Inprogress => "operation in progress",
            Errno::Intr => "interrupted",
            Errno::Inval => "invalid argument",
            Errno::Io => "input or output error",
            Errno::Isconn => "socket is connected",
            Errno::Isdir => "is a directory",
            Errno::Loop => "too many levels of symbolic links",
            Errno::Mfile => "file descriptors exhausted",
            Errno::Mlink => "too many links",
            Errno::Msgsize => "message too large",
            Errno::Multihop => "reserved (multihop)",
            Errno::Nametoolong => "file name too long",
            Errno::Netdown => "network is down",
            Errno::Netreset => "connection aborted by network",
            Errno::Netunreach => "network unreachable",
            Errno::Nfile => "too many files open in the system",
            Errno::Nobufs => "no buffer space available",
            Errno::Nodev => "no such device",
            Errno::Noent => "no such file or directory",
            Errno::Noexec => "executable file format error",
            Errno::Nolck => "no locks available",
            Errno::Nolink => "reserved (link severed)",
            Errno::Nomem => "not enough memory",
            Errno::Nomsg => "no message of the desired type",
            Errno::Noprotoopt => "protocol not available",
            Errno::Nospc => "no space left on device",
            Errno::Nosys => "function not supported",
            Errno::Notconn => "socket is not connected",
            Errno::Notdir => "not a directory",
            Errno::Notempty => "directory not empty",
            Errno::Notrecoverable => "state not recoverable",
            Errno::Notsock => "not a socket",
            Errno::Notsup => "not supported, or not handed over",
            Errno::Notty => "inappropriate I/O control operation",
            Errno::Nxio => "no such device or address",
            Errno::Overflow => "value too large",
            Errno::Ownerdead => "previous owner died",
            Errno::Perm => "operation not permitted",
            Errno::Pipe => "broken pipe",
            Errno::Proto => "protocol error",
            Errno::Protonosupport => "protocol not supported",
            Errno::Prototype => "protocol wrong type for socket",
            Errno::Range => "result too large",
            Errno::Rofs => "read-only file system",
            Errno::Spipe => "invalid seek",
            Errno::Srch => "no such process",
            Errno::Stale => "reserved (stale handle)",
            Errno::Timedout => "connection timed out",
            Errno::Txtbsy => "text file busy",
            Errno::Xdev => "cross-device link",
            Errno::Notcapable => "capabilities insufficient",
        }
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl core::error::Error for Errno {}

#[cfg(test)]
mod tests {
    use super::Errno;

    #[test]
    fn codes_are_the_standards() {
        for (errno, code) in [
            (Errno::TooBig, 1),
            (Errno::Badf, 8),
            (Errno::Inval, 28),
            (Errno::Noent, 44),
            (Errno::Perm, 63),
            (Errno::Notcapable, 76),
        ] {
            assert_eq!(errno.raw(), code);
        }
    }
}
