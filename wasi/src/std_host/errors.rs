//! Error codes of Linux as those of the standard.

use crate::types::Errno;
use rustix::io::Errno as Os;
use std::io::{self, ErrorKind};

const CODES: [(Os, Errno); 38] = [
    (Os::TOOBIG, Errno::TooBig),
    (Os::ACCESS, Errno::Acces),
    (Os::AGAIN, Errno::Again),
    (Os::BADF, Errno::Badf),
    (Os::BUSY, Errno::Busy),
    (Os::DEADLK, Errno::Deadlk),
    (Os::DQUOT, Errno::Dquot),
    (Os::EXIST, Errno::Exist),
    (Os::FAULT, Errno::Fault),
    (Os::FBIG, Errno::Fbig),
    (Os::ILSEQ, Errno::Ilseq),
    (Os::INTR, Errno::Intr),
    (Os::INVAL, Errno::Inval),
    (Os::IO, Errno::Io),
    (Os::ISDIR, Errno::Isdir),
    (Os::LOOP, Errno::Loop),
    (Os::MFILE, Errno::Mfile),
    (Os::MLINK, Errno::Mlink),
    (Os::NAMETOOLONG, Errno::Nametoolong),
    (Os::NFILE, Errno::Nfile),
    (Os::NODEV, Errno::Nodev),
    (Os::NOENT, Errno::Noent),
    (Os::NOMEM, Errno::Nomem),
    (Os::NOSPC, Errno::Nospc),
    (Os::NOSYS, Errno::Nosys),
    (Os::NOTDIR, Errno::Notdir),
    (Os::NOTEMPTY, Errno::Notempty),
    (Os::NOTSUP, Errno::Notsup),
    (Os::NXIO, Errno::Nxio),
    (Os::OVERFLOW, Errno::Overflow),
    (Os::PERM, Errno::Perm),
    (Os::PIPE, Errno::Pipe),
    (Os::ROFS, Errno::Rofs),
    (Os::SPIPE, Errno::Spipe),
    (Os::STALE, Errno::Stale),
    (Os::TIMEDOUT, Errno::Timedout),
    (Os::TXTBSY, Errno::Txtbsy),
    (Os::XDEV, Errno::Xdev),
];

pub(super) fn of_rustix(error: Os) -> Errno {
    CODES.iter().find(|(os, _)| *os == error).map_or(Errno::Io, |(_, errno)| *errno)
}

/// An error without a code is cap-std's own: of a path that leads out, or of
/// arguments that do not fit.
pub(super) fn of_io(error: io::Error) -> Errno {
    match error.raw_os_error() {
        Some(code) => of_rustix(Os::from_raw_os_error(code)),
        None => match error.kind() {
            ErrorKind::PermissionDenied => Errno::Perm,
            ErrorKind::InvalidInput => Errno::Inval,
            ErrorKind::NotFound => Errno::Noent,
            ErrorKind::AlreadyExists => Errno::Exist,
            ErrorKind::NotADirectory => Errno::Notdir,
            ErrorKind::IsADirectory => Errno::Isdir,
            ErrorKind::Unsupported => Errno::Notsup,
            _ => Errno::Io,
        },
    }
}
