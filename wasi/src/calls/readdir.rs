//! `fd_readdir`: a directory's entries, of which the last may be cut.
//!
//! The cookies of `.` and `..` are 0 and 1; those of the directory itself follow.

use super::{Step, Stop};
use crate::ctx::WasiCtx;
use crate::memory::GuestMemory;
use crate::types::{DIRENT_BYTES, Errno, Filetype, Result, Rights, dirent};
use core::ops::ControlFlow;

/// Cookies below this belong to `.` and `..`.
const OWN_COOKIES: u64 = 2;

/// A call in progress.
pub(crate) struct Listing {
    /// Where the next entry goes.
    start: u32,
    /// Room left.
    left: u32,
    cookie: u64,
    used: u32,
}

impl Listing {
    pub fn new(start: u32, len: u32, cookie: u64) -> Self {
        Self { start, left: len, cookie, used: 0 }
    }

    /// Appends an entry, or as much of it as there is room for.
    fn put(
        &mut self,
        memory: &mut GuestMemory<'_>,
        next: u64,
        inode: u64,
        filetype: Filetype,
        name: &str,
    ) -> Result<ControlFlow<()>> {
        let header = dirent(next, inode, name.len() as u32, filetype);
        debug_assert_eq!(header.len(), DIRENT_BYTES);
        for part in [&header[..], name.as_bytes()] {
            let len = part.len().min(self.left as usize);
            let place = u64::from(self.start) + u64::from(self.used);
            memory.write(place, part.get(..len).unwrap_or_default())?;
            self.used += len as u32;
            self.left -= len as u32;
        }
        self.cookie = next;
        Ok(match self.left {
            0 => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        })
    }

    /// Lists a piece. Writes the number of bytes used to `result` when all is done.
    pub fn step(
        &mut self,
        ctx: &mut WasiCtx,
        memory: &mut GuestMemory<'_>,
        fd: u32,
        result: u32,
    ) -> Step {
        let directory = ctx.table.directory(fd, Rights::FD_READDIR)?;
        memory.check(self.start.into(), u64::from(self.used) + u64::from(self.left))?;
        memory.check(result.into(), 4)?;
        let piece_end = self.used.saturating_add(ctx.limits.piece_bytes.max(1));
        let before = self.used;
        let mut is_full = self.left == 0;
        if self.cookie < OWN_COOKIES && !is_full {
            // What is above is not told; guests need a number that is not 0.
            let inode = directory.stat()?.inode;
            for (cookie, name) in [(0, "."), (1, "..")] {
                if self.cookie == cookie && !is_full {
                    let put = self.put(memory, cookie + 1, inode, Filetype::Directory, name)?;
                    is_full = put.is_break();
                }
            }
        }
        let (mut failure, mut is_paused) = (None, false);
        if !is_full {
            let cookie = self.cookie - OWN_COOKIES;
            directory.read_dir(cookie, &mut |entry| {
                let next = entry.next.checked_add(OWN_COOKIES).ok_or(Errno::Overflow);
                let put = next.and_then(|next| {
                    self.put(memory, next, entry.inode, entry.filetype, entry.name)
                });
                match put {
                    Ok(ControlFlow::Continue(())) if self.used >= piece_end => {
                        is_paused = true;
                        ControlFlow::Break(())
                    }
                    Ok(flow) => flow,
                    Err(errno) => {
                        failure = Some(errno);
                        ControlFlow::Break(())
                    }
                }
            })?;
        }
        ctx.moved_bytes += u64::from(self.used - before);
        match (failure, is_paused) {
            (Some(errno), _) => Err(errno.into()),
            (None, true) => Err(Stop::Pause),
            (None, false) => Ok(memory.write_u32(result, self.used)?),
        }
    }
}
