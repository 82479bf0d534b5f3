//! Streams in memory: [`InputPipe`], [`OutputPipe`], [`Closed`], and [`SocketPair`].

use crate::fallible::try_zeros;
use crate::host::{Interest, Readiness, Socket, Stream};
use crate::types::{Errno, Filetype, Result, RoFlags, SdFlags};
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use spin::Mutex;

/// Reads nothing, writes nothing: at its end from the start.
#[derive(Clone, Copy, Debug, Default)]
pub struct Closed;

impl Stream for Closed {
    fn read(&mut self, _: &mut [u8]) -> Result<usize> {
        Ok(0)
    }

    fn write(&mut self, _: &[u8]) -> Result<usize> {
        Err(Errno::Pipe)
    }

    fn readiness(&mut self, _: Interest) -> Result<Readiness> {
        Ok(Readiness::Ready { bytes: 0, hangup: true })
    }
}

/// Reads bytes that are there from the start, and then is at its end.
#[derive(Clone, Debug)]
pub struct InputPipe<B> {
    bytes: B,
    at: usize,
}

impl<B: AsRef<[u8]> + Send> InputPipe<B> {
    /// A stream of these bytes.
    pub fn new(bytes: B) -> Self {
        Self { bytes, at: 0 }
    }

    fn left(&self) -> &[u8] {
        self.bytes.as_ref().get(self.at..).unwrap_or_default()
    }
}

impl<B: AsRef<[u8]> + Send> Stream for InputPipe<B> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let len = self.left().len().min(buffer.len());
        let (Some(target), Some(part)) = (buffer.get_mut(..len), self.left().get(..len)) else {
            return Err(Errno::Io);
        };
        target.copy_from_slice(part);
        self.at += len;
        Ok(len)
    }

    fn readiness(&mut self, interest: Interest) -> Result<Readiness> {
        match interest {
            Interest::Read => {
                let bytes = self.left().len() as u64;
                Ok(Readiness::Ready { bytes, hangup: bytes == 0 })
            }
            Interest::Write => Err(Errno::Badf),
        }
    }
}

/// Keeps what is written, up to a limit: beyond it is `ENOSPC`. Clones are the same
/// stream.
#[derive(Clone, Debug)]
pub struct OutputPipe {
    bytes: Arc<Mutex<Vec<u8>>>,
    limit: usize,
}

impl OutputPipe {
    /// A stream that keeps up to this many bytes.
    pub fn new(limit_bytes: usize) -> Self {
        Self { bytes: Arc::new(Mutex::new(Vec::new())), limit: limit_bytes }
    }

    /// Takes out what was written.
    pub fn take(&self) -> Vec<u8> {
        core::mem::take(&mut *self.bytes.lock())
    }
}

impl Stream for OutputPipe {
    fn write(&mut self, buffer: &[u8]) -> Result<usize> {
        let mut bytes = self.bytes.lock();
        let len = buffer.len().min(self.limit.saturating_sub(bytes.len()));
        if len == 0 && !buffer.is_empty() {
            return Err(Errno::Nospc);
        }
        bytes.try_reserve(len).map_err(|_| Errno::Nomem)?;
        bytes.extend_from_slice(buffer.get(..len).unwrap_or_default());
        Ok(len)
    }

    fn readiness(&mut self, interest: Interest) -> Result<Readiness> {
        match interest {
            Interest::Read => Err(Errno::Badf),
            Interest::Write => {
                let bytes = self.limit.saturating_sub(self.bytes.lock().len()) as u64;
                Ok(Readiness::Ready { bytes, hangup: false })
            }
        }
    }
}

/// One direction of a [`SocketPair`].
#[derive(Debug)]
struct Direction {
    bytes: VecDeque<u8>,
    limit: usize,
    /// Nothing more will be written.
    has_ended: bool,
    /// Nobody reads.
    is_deaf: bool,
}

type Shared = Arc<Mutex<Direction>>;

/// One end of a connection in memory. What one end writes the other reads.
#[derive(Debug)]
pub struct SocketPair {
    incoming: Shared,
    outgoing: Shared,
}

impl SocketPair {
    /// Two ends, with room for so many bytes in each direction.
    ///
    /// # Errors
    /// [`Errno::Nomem`].
    pub fn new(limit_bytes: usize) -> Result<(Self, Self)> {
        let direction = || -> Result<Shared> {
            let bytes = VecDeque::from(try_zeros(limit_bytes)?);
            let (limit, has_ended, is_deaf) = (limit_bytes, false, false);
            let mut direction = Direction { bytes, limit, has_ended, is_deaf };
            direction.bytes.clear();
            Ok(Arc::new(Mutex::new(direction)))
        };
        let (there, back) = (direction()?, direction()?);
        let first = Self { incoming: there.clone(), outgoing: back.clone() };
        Ok((first, Self { incoming: back, outgoing: there }))
    }
}

impl Stream for SocketPair {
    fn filetype(&self) -> Filetype {
        Filetype::SocketStream
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        self.recv(buffer, false).map(|(read, _)| read)
    }

    fn write(&mut self, buffer: &[u8]) -> Result<usize> {
        let mut outgoing = self.outgoing.lock();
        if outgoing.has_ended || outgoing.is_deaf {
            return Err(Errno::Pipe);
        }
        let len = buffer.len().min(outgoing.limit.saturating_sub(outgoing.bytes.len()));
        if len == 0 && !buffer.is_empty() {
            return Err(Errno::Again);
        }
        outgoing.bytes.extend(buffer.iter().take(len));
        Ok(len)
    }

    fn readiness(&mut self, interest: Interest) -> Result<Readiness> {
        let (direction, room) = match interest {
            Interest::Read => (self.incoming.lock(), false),
            Interest::Write => (self.outgoing.lock(), true),
        };
        let used = direction.bytes.len();
        let bytes = if room { direction.limit.saturating_sub(used) } else { used } as u64;
        let hangup = direction.has_ended || direction.is_deaf;
        Ok(match bytes > 0 || hangup {
            true => Readiness::Ready { bytes, hangup },
            false => Readiness::Pending,
        })
    }
}

impl Socket for SocketPair {
    fn recv(&mut self, buffer: &mut [u8], peek: bool) -> Result<(usize, RoFlags)> {
        let mut incoming = self.incoming.lock();
        if incoming.bytes.is_empty() && !incoming.has_ended && !buffer.is_empty() {
            return Err(Errno::Again);
        }
        let len = buffer.len().min(incoming.bytes.len());
        for (place, byte) in buffer.iter_mut().zip(incoming.bytes.iter()) {
            *place = *byte;
        }
        if !peek {
            incoming.bytes.drain(..len);
        }
        Ok((len, RoFlags::empty()))
    }

    fn shutdown(&mut self, how: SdFlags) -> Result<()> {
        if how.contains(SdFlags::RD) {
            let mut incoming = self.incoming.lock();
            incoming.is_deaf = true;
            incoming.has_ended = true;
            incoming.bytes.clear();
        }
        if how.contains(SdFlags::WR) {
            self.outgoing.lock().has_ended = true;
        }
        Ok(())
    }
}

impl Drop for SocketPair {
    fn drop(&mut self) {
        self.outgoing.lock().has_ended = true;
        self.incoming.lock().is_deaf = true;
    }
}
