//! `poll_oneoff`: waiting for time and for descriptors.
//!
//! Subscriptions are read from the guest's memory each time they are looked at, so
//! that waiting takes no memory of the host's.

use super::{Step, Stop, flags};
use crate::ctx::WasiCtx;
use crate::host::{Interest, Readiness};
use crate::memory::GuestMemory;
use crate::table::Object;
use crate::types::{
    ClockId, EVENT_BYTES, Errno, Event, EventRwFlags, Result, Rights, SUBSCRIPTION_BYTES,
    SubclockFlags,
};

const CLOCK: u8 = 0;
const FD_READ: u8 = 1;
const FD_WRITE: u8 = 2;

/// A call in progress: when it began, by the clocks that it was asked for.
#[derive(Default)]
pub(crate) struct Poll {
    realtime: Option<u64>,
    monotonic: Option<u64>,
}

/// What a subscription has come to.
enum State {
    /// Nothing has happened; something will when the monotonic clock reaches this.
    Pending(Option<u64>),
    Ready {
        bytes: u64,
        flags: EventRwFlags,
    },
}

/// Arguments of the call.
#[derive(Clone, Copy)]
pub(crate) struct PollArgs {
    pub subscriptions: u32,
    pub events: u32,
    pub count: u32,
    pub result: u32,
}

impl Poll {
    /// Looks at all subscriptions once.
    pub fn step(
        &mut self,
        ctx: &mut WasiCtx,
        memory: &mut GuestMemory<'_>,
        args: PollArgs,
    ) -> Step {
        let count = u64::from(args.count);
        if count == 0 || args.count > ctx.limits.subscriptions {
            return Err(Errno::Inval.into());
        }
        memory.check(args.subscriptions.into(), count * SUBSCRIPTION_BYTES)?;
        memory.check(args.events.into(), count * EVENT_BYTES)?;
        memory.check(args.result.into(), 4)?;
        // Looking at many takes its time as well.
        ctx.moved_bytes += count * SUBSCRIPTION_BYTES;
        let (mut events, mut until) = (0u32, None::<u64>);
        for at in 0..count {
            let place = u64::from(args.subscriptions) + at * SUBSCRIPTION_BYTES;
            let (userdata, kind) = (memory.u64(place)?, memory.u8(place + 8)?);
            let state = match kind {
                CLOCK => self.clock(ctx, memory, place + 16),
                FD_READ => descriptor(ctx, memory.u32(place + 16)?, Interest::Read),
                FD_WRITE => descriptor(ctx, memory.u32(place + 16)?, Interest::Write),
                _ => return Err(Errno::Inval.into()),
            };
            let (errno, bytes, flags) = match state {
                Ok(State::Pending(deadline)) => {
                    until = match (until, deadline) {
                        (Some(until), Some(deadline)) => Some(until.min(deadline)),
                        (until, deadline) => until.or(deadline),
                    };
                    continue;
                }
                Ok(State::Ready { bytes, flags }) => (0, bytes, flags),
                Err(errno) => (errno.raw(), 0, EventRwFlags::empty()),
            };
            let event = Event { userdata, errno, kind, bytes, flags };
            let place = u64::from(args.events) + u64::from(events) * EVENT_BYTES;
            memory.write(place, &event.to_bytes())?;
            events += 1;
        }
        match events {
            0 => Err(Stop::Wait(until)),
            _ => Ok(memory.write_u32(args.result, events)?),
        }
    }

    fn clock(&mut self, ctx: &WasiCtx, memory: &GuestMemory<'_>, place: u64) -> Result<State> {
        let id = ClockId::from_raw(memory.u32(place)?).ok_or(Errno::Inval)?;
        let timeout = memory.u64(place + 8)?;
        let flags = flags!(SubclockFlags, memory.u16(place + 24)?.into())?;
        let began = match id {
            ClockId::Realtime => &mut self.realtime,
            ClockId::Monotonic => &mut self.monotonic,
            // How long a guest that waits will have used the processor is never.
            ClockId::ProcessCpu | ClockId::ThreadCpu => return Err(Errno::Notsup),
        };
        let now = ctx.clocks.now(id)?;
        let began = *began.get_or_insert(now);
        let deadline = match flags.contains(SubclockFlags::ABSTIME) {
            true => timeout,
            false => began.saturating_add(timeout),
        };
        if now >= deadline {
            return Ok(State::Ready { bytes: 0, flags: EventRwFlags::empty() });
        }
        let left = deadline - now;
        let until = match id {
            ClockId::Monotonic => deadline,
            _ => ctx.clocks.now(ClockId::Monotonic)?.saturating_add(left),
        };
        Ok(State::Pending(Some(until)))
    }
}

fn descriptor(ctx: &mut WasiCtx, fd: u32, interest: Interest) -> Result<State> {
    let right = match interest {
        Interest::Read => Rights::FD_READ,
        Interest::Write => Rights::FD_WRITE,
    };
    let entry = ctx.table.get_mut(fd, Rights::POLL_FD_READWRITE | right)?;
    let readiness = match &mut entry.object {
        Object::File(file) => {
            let left = file.stat()?.size.saturating_sub(entry.offset);
            let bytes = if interest == Interest::Read { left } else { 1 };
            Readiness::Ready { bytes, hangup: false }
        }
        Object::Directory(_) => return Err(Errno::Badf),
        Object::Stream(stream) => stream.readiness(interest)?,
        Object::Socket(socket) => socket.readiness(interest)?,
    };
    Ok(match readiness {
        Readiness::Pending => State::Pending(None),
        Readiness::Ready { bytes, hangup } => {
            let flags = if hangup { EventRwFlags::HANGUP } else { EventRwFlags::empty() };
            State::Ready { bytes, flags }
        }
    })
}
