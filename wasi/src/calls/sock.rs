//! `sock_*`: sockets that were handed over, and what they accept.

use super::io::{Buffers, or_wait};
use super::{Step, Stop, flags};
use crate::ctx::WasiCtx;
use crate::memory::GuestMemory;
use crate::table::{Entry, Object};
use crate::types::{Errno, FdFlags, Filetype, Result, RiFlags, Rights, RoFlags, SdFlags};

/// A socket that may do what is needed.
fn entry(ctx: &mut WasiCtx, fd: u32, needed: Rights) -> Result<&mut Entry> {
    ctx.table.get_mut(fd, Rights::empty())?.socket()?;
    ctx.table.get_mut(fd, needed)
}

pub(crate) fn accept(
    ctx: &mut WasiCtx,
    memory: &mut GuestMemory<'_>,
    fd: u32,
    fdflags: u32,
    result: u32,
) -> Step {
    entry(ctx, fd, Rights::SOCK_ACCEPT)?;
    let fdflags = flags!(FdFlags, fdflags)?;
    if !FdFlags::NONBLOCK.contains(fdflags) {
        return Err(Errno::Inval.into());
    }
    memory.check(result.into(), 4)?;
    // A connection that was accepted must not be lost.
    ctx.table.reserve()?;
    let listener = entry(ctx, fd, Rights::SOCK_ACCEPT)?;
    let (inheriting, is_nonblocking) = (listener.inheriting, listener.is_nonblocking());
    let socket = or_wait(listener.socket()?.accept(), is_nonblocking)?;
    let mut entry = Entry::new(Object::Socket(socket), inheriting, inheriting);
    entry.flags = fdflags;
    let fd = ctx.table.insert(entry)?;
    Ok(memory.write_u32(result, fd)?)
}

/// Arguments of `sock_recv`.
#[derive(Clone, Copy)]
pub(crate) struct Recv {
    pub buffers: Buffers,
    pub flags: u32,
    pub result: u32,
    pub result_flags: u32,
}

/// `done` bytes have been received by earlier steps of a call that waits for all.
pub(crate) fn recv(
    ctx: &mut WasiCtx,
    memory: &mut GuestMemory<'_>,
    fd: u32,
    args: Recv,
    done: &mut u32,
) -> Step {
    entry(ctx, fd, Rights::FD_READ)?;
    let flags = flags!(RiFlags, args.flags)?;
    let total = args.buffers.check(ctx, memory, args.result)?;
    memory.check(args.result_flags.into(), 2)?;
    let limit = total.min(ctx.limits.transfer_bytes);
    let entry = entry(ctx, fd, Rights::FD_READ)?;
    let is_nonblocking = entry.is_nonblocking();
    let socket = entry.socket()?;
    let peek = flags.contains(RiFlags::PEEK);
    // One message or one look fills one buffer; a stream goes on.
    let goes_on = !peek && socket.filetype() == Filetype::SocketStream;
    let (mut skip, mut is_first, mut result_flags) = (*done, true, RoFlags::empty());
    let (mut is_blocked, mut has_ended) = (false, false);
    let outcome = args.buffers.read(memory, limit, |buffer| {
        let skipped = (skip as usize).min(buffer.len());
        skip -= skipped as u32;
        let rest = buffer.get_mut(skipped..).unwrap_or_default();
        if rest.is_empty() || !(is_first || goes_on) {
            return Ok(skipped);
        }
        is_first = false;
        match socket.recv(rest, peek) {
            Ok((received, flags)) => {
                result_flags |= flags;
                has_ended = received == 0;
                Ok(skipped + received.min(rest.len()))
            }
            Err(errno) => {
                is_blocked = errno == Errno::Again;
                has_ended = !is_blocked;
                if skipped > 0 { Ok(skipped) } else { Err(errno) }
            }
        }
    });
    let waits = flags.contains(RiFlags::WAITALL) && goes_on && !is_nonblocking;
    let received = or_wait(outcome, is_nonblocking)?;
    ctx.moved_bytes += u64::from(received.saturating_sub(*done));
    if waits && received < limit && !has_ended {
        *done = received;
        return Err(if is_blocked { Stop::Wait(None) } else { Stop::Pause });
    }
    memory.write(args.result_flags.into(), &result_flags.bits().to_le_bytes())?;
    Ok(memory.write_u32(args.result, received)?)
}

pub(crate) fn send(
    ctx: &mut WasiCtx,
    memory: &mut GuestMemory<'_>,
    fd: u32,
    buffers: Buffers,
    flags: u32,
    result: u32,
) -> Step {
    entry(ctx, fd, Rights::FD_WRITE)?;
    if flags != 0 {
        return Err(Errno::Inval.into());
    }
    buffers.check(ctx, memory, result)?;
    let limit = ctx.limits.transfer_bytes;
    let entry = entry(ctx, fd, Rights::FD_WRITE)?;
    let is_nonblocking = entry.is_nonblocking();
    let socket = entry.socket()?;
    let sent = buffers.write(memory, limit, |buffer| socket.write(buffer));
    let sent = or_wait(sent, is_nonblocking)?;
    ctx.moved_bytes += u64::from(sent);
    Ok(memory.write_u32(result, sent)?)
}

pub(crate) fn shutdown(ctx: &mut WasiCtx, fd: u32, how: u32) -> Result<()> {
    let entry = entry(ctx, fd, Rights::SOCK_SHUTDOWN)?;
    let how = flags!(SdFlags, how)?;
    match how.is_empty() {
        true => Err(Errno::Inval),
        false => entry.socket()?.shutdown(how),
    }
}
