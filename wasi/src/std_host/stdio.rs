//! The process's standard streams.

use crate::host::{Interest, Readiness, Stream};
use crate::types::{Errno, Filetype, Result};
use std::io::{self, ErrorKind, IsTerminal, Write};

fn errno(error: &io::Error) -> Errno {
    match error.kind() {
        ErrorKind::WouldBlock => Errno::Again,
        ErrorKind::Interrupted => Errno::Intr,
        ErrorKind::BrokenPipe => Errno::Pipe,
        ErrorKind::StorageFull => Errno::Nospc,
        _ => Errno::Io,
    }
}

fn filetype(is_terminal: bool) -> Filetype {
    match is_terminal {
        true => Filetype::CharacterDevice,
        false => Filetype::Unknown,
    }
}

/// The process's standard input. Reading blocks the thread; on Linux only if it was
/// not asked first whether there is something ([`Stream::readiness`]). There it is read
/// past the buffer of [`std::io::Stdin`], so that what has come is ready; the process
/// should read nothing through that.
#[derive(Clone, Copy, Debug, Default)]
pub struct HostStdin;

impl Stream for HostStdin {
    fn filetype(&self) -> Filetype {
        filetype(io::stdin().is_terminal())
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        if self.readiness(Interest::Read)? == Readiness::Pending {
            return Err(Errno::Again);
        }
        #[cfg(target_os = "linux")]
        return rustix::io::read(io::stdin(), buffer).map_err(super::errors::of_rustix);
        #[cfg(not(target_os = "linux"))]
        io::Read::read(&mut io::stdin(), buffer).map_err(|error| errno(&error))
    }

    #[cfg(target_os = "linux")]
    fn readiness(&mut self, interest: Interest) -> Result<Readiness> {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        if interest == Interest::Write {
            return Err(Errno::Badf);
        }
        let stdin = io::stdin();
        let mut fds = [PollFd::new(&stdin, PollFlags::IN)];
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        let count = poll(&mut fds, Some(&at_once)).map_err(super::errors::of_rustix)?;
        let hangup = fds.iter().any(|fd| fd.revents().contains(PollFlags::HUP));
        Ok(match count {
            0 => Readiness::Pending,
            _ => Readiness::Ready { bytes: 1, hangup },
        })
    }
}

macro_rules! output {
    ($(#[$doc:meta])* $name:ident, $stream:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default)]
        pub struct $name;

        impl Stream for $name {
            fn filetype(&self) -> Filetype {
                filetype($stream.is_terminal())
            }

            fn write(&mut self, buffer: &[u8]) -> Result<usize> {
                let mut stream = $stream.lock();
                let written = stream.write(buffer).and_then(|n| stream.flush().map(|()| n));
                written.map_err(|error| errno(&error))
            }

            fn readiness(&mut self, interest: Interest) -> Result<Readiness> {
                match interest {
                    Interest::Read => Err(Errno::Badf),
                    Interest::Write => Ok(Readiness::Ready { bytes: 1, hangup: false }),
                }
            }
        }
    };
}

output! {
    /// The process's standard output. Nothing is kept back.
    HostStdout, io::stdout()
}
output! {
    /// The process's standard error.
    HostStderr, io::stderr()
}
