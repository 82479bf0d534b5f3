//! [`Stream`] and [`Socket`]: bytes that come and go, without an offset.

use crate::types::{Errno, Filestat, Filetype, Result, RoFlags, SdFlags};
use alloc::boxed::Box;

/// A direction that a guest waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// Something can be read.
    Read,
    /// Something can be written.
    Write,
}

/// Whether a stream is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// Reading or writing would give [`Errno::Again`].
    Pending,
    /// It would give something, be it an error.
    Ready {
        /// Bytes that are there to be read, or that there is room for, if it is known.
        bytes: u64,
        /// The other side is gone.
        hangup: bool,
    },
}

/// A stream of bytes: standard input or output, a console, a pipe.
///
/// No call waits: what would have to wait gives [`Errno::Again`]. Waiting is up to
/// [`crate::Wait`].
pub trait Stream: Send {
    /// What guests take it for. They take a [`Filetype::CharacterDevice`] for a
    /// terminal.
    fn filetype(&self) -> Filetype {
        Filetype::Unknown
    }

    /// Reads some bytes; 0 at the end.
    ///
    /// # Errors
    /// [`Errno::Again`] when there are none yet.
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let _ = buffer;
        Err(Errno::Badf)
    }

    /// Writes some bytes and returns how many.
    ///
    /// # Errors
    /// [`Errno::Again`] when there is no room yet; [`Errno::Pipe`] when nobody reads.
    fn write(&mut self, buffer: &[u8]) -> Result<usize> {
        let _ = buffer;
        Err(Errno::Badf)
    }

    /// Hands on what is buffered.
    ///
    /// # Errors
    /// Whatever the guest is to be told.
    fn sync(&mut self) -> Result<()> {
        Ok(())
    }

    /// Whether it can be read or written.
    ///
    /// # Errors
    /// Whatever the guest is to be told.
    fn readiness(&mut self, interest: Interest) -> Result<Readiness> {
        let _ = interest;
        Ok(Readiness::Ready { bytes: 0, hangup: false })
    }

    /// Its attributes.
    ///
    /// # Errors
    /// Whatever the guest is to be told.
    fn stat(&self) -> Result<Filestat> {
        Ok(Filestat::of_kind(self.filetype()))
    }
}

/// A socket that is connected, or that listens. [`Stream::filetype`] says whether
/// it is for byte streams or for datagrams.
pub trait Socket: Stream {
    /// Accepts a connection.
    ///
    /// # Errors
    /// [`Errno::Again`] when there is none yet; [`Errno::Inval`] unless it listens.
    fn accept(&mut self) -> Result<Box<dyn Socket>> {
        Err(Errno::Inval)
    }

    /// Receives into one buffer; 0 at the end. With `peek` what is received stays.
    ///
    /// # Errors
    /// [`Errno::Again`] when there is nothing yet; [`Errno::Notconn`].
    fn recv(&mut self, buffer: &mut [u8], peek: bool) -> Result<(usize, RoFlags)>;

    /// Shuts directions down.
    ///
    /// # Errors
    /// [`Errno::Notconn`].
    fn shutdown(&mut self, how: SdFlags) -> Result<()>;
}
