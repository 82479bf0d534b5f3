//! Arguments, environment, clocks, randomness, and the program's end.

use super::{Step, Stop};
use crate::ctx::WasiCtx;
use crate::exit::{I32Exit, Raised};
use crate::memory::GuestMemory;
use crate::types::{ClockId, Errno, Result, Signal};
use kernref::Error;

fn clock(raw: u32) -> Result<ClockId> {
    ClockId::from_raw(raw).ok_or(Errno::Inval)
}

pub(crate) fn clock_res_get(
    ctx: &WasiCtx,
    memory: &mut GuestMemory<'_>,
    id: u32,
    result: u32,
) -> Result<()> {
    let resolution = ctx.clocks.get(clock(id)?)?.resolution_ns();
    memory.write_u64(result, resolution.max(1))
}

pub(crate) fn clock_time_get(
    ctx: &WasiCtx,
    memory: &mut GuestMemory<'_>,
    id: u32,
    result: u32,
) -> Result<()> {
    memory.write_u64(result, ctx.clocks.now(clock(id)?)?)
}

/// `done` bytes have been filled by earlier pieces.
pub(crate) fn random_get(
    ctx: &mut WasiCtx,
    memory: &mut GuestMemory<'_>,
    start: u32,
    len: u32,
    done: &mut u32,
) -> Step {
    memory.check(start.into(), len.into())?;
    let random = ctx.random.as_mut().ok_or(Errno::Notsup)?;
    let piece = (len - *done).min(ctx.limits.piece_bytes.max(1));
    random.fill(memory.slice_mut(u64::from(start) + u64::from(*done), piece.into())?)?;
    *done += piece;
    ctx.moved_bytes += u64::from(piece);
    match *done < len {
        true => Err(Stop::Pause),
        false => Ok(()),
    }
}

pub(crate) fn proc_exit(status: i32) -> Error {
    Error::host(I32Exit(status))
}

/// Signals whose default is to be ignored are; all others end the program, which has
/// no handlers.
pub(crate) fn proc_raise(signal: u32) -> Step {
    match Signal::from_raw(signal).ok_or(Errno::Inval)? {
        Signal::None | Signal::Chld | Signal::Cont | Signal::Urg | Signal::Winch => Ok(()),
        signal => Err(Stop::End(Error::host(Raised(signal)))),
    }
}

pub(crate) fn sched_yield(ctx: &mut WasiCtx) {
    if let Some(wait) = &mut ctx.wait {
        wait.yield_now();
    }
}
