//! [`add_to_linker`]: the functions by name, and what runs one: it finds the guest's
//! memory, waits, and checks epoch and fuel between pieces and rounds of waiting.

use crate::calls::io::Buffers;
use crate::calls::path::{Open, PathArg, SetTimesArgs};
use crate::calls::poll::{Poll, PollArgs};
use crate::calls::readdir::Listing;
use crate::calls::sock::Recv;
use crate::calls::{Step, Stop, fd as fds, io, path as paths, process, sock};
use crate::ctx::WasiCtx;
use crate::exit::NoMemory;
use crate::memory::GuestMemory;
use crate::types::Errno;
use core::mem::take;
use kernref::{Caller, Error, Linker, Memory, Result};

/// The module whose functions these are.
pub const MODULE: &str = "wasi_snapshot_preview1";

/// Where the context is in a store's data.
type Get<'g, T> = &'g dyn for<'d> Fn(&'d mut T) -> &'d mut WasiCtx;
/// What a function does.
type Body<'b> = &'b mut dyn FnMut(&mut WasiCtx, &mut GuestMemory<'_>) -> Step;

/// The memory of the calling instance: looked up by name once, as long as the same
/// instance calls.
fn memory_of<T: 'static>(caller: &mut Caller<'_, T>, get: Get<'_, T>) -> Result<Memory> {
    let no_memory = || Error::host(NoMemory);
    let instance = caller.instance().ok_or_else(no_memory)?;
    if let Some((known, memory)) = get(caller.data_mut()).memory
        && known == instance
    {
        return Ok(memory);
    }
    let export = caller.get_export("memory").and_then(kernref::Extern::into_memory);
    let memory = export.ok_or_else(no_memory)?;
    get(caller.data_mut()).memory = Some((instance, memory));
    Ok(memory)
}

/// What a round of waiting costs, in bytes that are moved.
const ROUND_BYTES: u64 = 1024;

/// Runs a function to its end.
fn run<T: 'static>(
    caller: &mut Caller<'_, T>,
    get: Get<'_, T>,
    memory: Option<Memory>,
    body: Body<'_>,
) -> Result<u32> {
    loop {
        let step = match memory {
            Some(memory) => {
                let (bytes, data) = memory.data_and_store_mut(&mut *caller)?;
                body(get(data), &mut GuestMemory::new(bytes))
            }
            None => body(get(caller.data_mut()), &mut GuestMemory::new(&mut [])),
        };
        let mut moved = take(&mut get(caller.data_mut()).moved_bytes);
        let outcome = match step {
            Ok(()) => Some(0),
            Err(Stop::Errno(errno)) => Some(errno.raw().into()),
            Err(Stop::Pause) => None,
            Err(Stop::Wait(until)) => {
                moved = moved.saturating_add(ROUND_BYTES);
                let waited = get(caller.data_mut()).wait(until);
                waited.err().map(|errno: Errno| errno.raw().into())
            }
            Err(Stop::End(error)) => return Err(error),
        };
        match outcome {
            Some(errno) if moved == 0 => return Ok(errno),
            _ => caller.checkpoint(moved)?,
        }
        if let Some(errno) = outcome {
            return Ok(errno);
        }
    }
}

/// Defines functions. Those `in memory` read or write the guest's memory.
macro_rules! functions {
    ($linker:ident, $get:ident: $(
        fn $name:ident($($arg:ident: $ty:ty),*) $(with $state:ident = $init:expr;)?
        in memory |$ctx:ident, $memory:ident| $body:expr
    )+) => {$(
        $linker.func_wrap(
            MODULE,
            stringify!($name),
            move |mut caller: Caller<'_, T>, $($arg: $ty),*| -> Result<u32> {
                $(let mut $state = $init;)?
                let memory = memory_of(&mut caller, &$get)?;
                run(&mut caller, &$get, Some(memory), &mut |$ctx, $memory| {
                    $body.map_err(Stop::from)
                })
            },
        )?;
    )+};
    ($linker:ident, $get:ident: $(fn $name:ident($($arg:ident: $ty:ty),*) |$ctx:ident| $body:expr)+) => {$(
        $linker.func_wrap(
            MODULE,
            stringify!($name),
            move |mut caller: Caller<'_, T>, $($arg: $ty),*| -> Result<u32> {
                run(&mut caller, &$get, None, &mut |$ctx, _| $body.map_err(Stop::from))
            },
        )?;
    )+};
}

/// Defines all functions of WASI preview 1 ([`MODULE`]). `get` says where the
/// context is in the data of a store.
///
/// ```no_run
/// # fn example(engine: &kernref::Engine) -> kernref::Result<()> {
/// use kernref::Linker;
/// use kernref_wasi::{WasiCtx, add_to_linker};
///
/// struct Process {
///     wasi: WasiCtx,
/// }
/// let mut linker: Linker<Process> = Linker::new(engine);
/// add_to_linker(&mut linker, |process| &mut process.wasi)?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`kernref::Error::Link`] if a name is taken; [`kernref::Error::OutOfMemory`].
pub fn add_to_linker<T: 'static>(
    linker: &mut Linker<T>,
    get: impl Fn(&mut T) -> &mut WasiCtx + Copy + Send + Sync + 'static,
) -> Result<()> {
    add_process(linker, get)?;
    add_descriptors(linker, get)?;
    add_paths(linker, get)?;
    add_sockets(linker, get)
}

/// Arguments, environment, clocks, randomness, waiting, the end.
fn add_process<T: 'static>(
    linker: &mut Linker<T>,
    get: impl Fn(&mut T) -> &mut WasiCtx + Copy + Send + Sync + 'static,
) -> Result<()> {
    functions! { linker, get:
        fn args_sizes_get(count: u32, bytes: u32) in memory |ctx, memory|
            ctx.args.write_sizes(memory, count, bytes)
        fn args_get(list: u32, buffer: u32) in memory |ctx, memory|
            ctx.args.write(memory, list, buffer)
        fn environ_sizes_get(count: u32, bytes: u32) in memory |ctx, memory|
            ctx.env.write_sizes(memory, count, bytes)
        fn environ_get(list: u32, buffer: u32) in memory |ctx, memory|
            ctx.env.write(memory, list, buffer)
        fn clock_res_get(id: u32, result: u32) in memory |ctx, memory|
            process::clock_res_get(ctx, memory, id, result)
        fn clock_time_get(id: u32, _precision: u64, result: u32) in memory |ctx, memory|
            process::clock_time_get(ctx, memory, id, result)
        fn random_get(start: u32, len: u32) with done = 0; in memory |ctx, memory|
            process::random_get(ctx, memory, start, len, &mut done)
        fn poll_oneoff(subscriptions: u32, events: u32, count: u32, result: u32)
            with poll = Poll::default(); in memory |ctx, memory|
            poll.step(ctx, memory, PollArgs { subscriptions, events, count, result })
    }
    functions! { linker, get:
        fn proc_raise(signal: u32) |_ctx| process::proc_raise(signal)
        fn sched_yield() |ctx| { process::sched_yield(ctx); Ok::<(), Stop>(()) }
    }
    linker.func_wrap(MODULE, "proc_exit", |status: i32| -> Result<()> {
        Err(process::proc_exit(status))
    })?;
    Ok(())
}

/// Descriptors.
fn add_descriptors<T: 'static>(
    linker: &mut Linker<T>,
    get: impl Fn(&mut T) -> &mut WasiCtx + Copy + Send + Sync + 'static,
) -> Result<()> {
    functions! { linker, get:
        fn fd_fdstat_get(fd: u32, result: u32) in memory |ctx, memory|
            fds::fdstat_get(ctx, memory, fd, result)
        fn fd_filestat_get(fd: u32, result: u32) in memory |ctx, memory|
            fds::filestat_get(ctx, memory, fd, result)
        fn fd_prestat_get(fd: u32, result: u32) in memory |ctx, memory|
            fds::prestat_get(ctx, memory, fd, result)
        fn fd_prestat_dir_name(fd: u32, buffer: u32, len: u32) in memory |ctx, memory|
            fds::prestat_dir_name(ctx, memory, fd, buffer, len)
        fn fd_read(fd: u32, list: u32, count: u32, result: u32) in memory |ctx, memory|
            io::read(ctx, memory, fd, Buffers { list, count }, result)
        fn fd_write(fd: u32, list: u32, count: u32, result: u32) in memory |ctx, memory|
            io::write(ctx, memory, fd, Buffers { list, count }, result)
        fn fd_pread(fd: u32, list: u32, count: u32, offset: u64, result: u32)
            in memory |ctx, memory|
            io::pread(ctx, memory, fd, Buffers { list, count }, offset, result)
        fn fd_pwrite(fd: u32, list: u32, count: u32, offset: u64, result: u32)
            in memory |ctx, memory|
            io::pwrite(ctx, memory, fd, Buffers { list, count }, offset, result)
        fn fd_seek(fd: u32, delta: i64, whence: u32, result: u32) in memory |ctx, memory|
            io::seek(ctx, memory, fd, delta, whence, result)
        fn fd_tell(fd: u32, result: u32) in memory |ctx, memory|
            io::tell(ctx, memory, fd, result)
        fn fd_readdir(fd: u32, start: u32, len: u32, cookie: u64, result: u32)
            with listing = Listing::new(start, len, cookie); in memory |ctx, memory|
            listing.step(ctx, memory, fd, result)
    }
    functions! { linker, get:
        fn fd_advise(fd: u32, offset: u64, len: u64, advice: u32) |ctx|
            fds::advise(ctx, fd, offset, len, advice)
        fn fd_allocate(fd: u32, offset: u64, len: u64) |ctx|
            fds::allocate(ctx, fd, offset, len)
        fn fd_close(fd: u32) |ctx| ctx.table.close(fd)
        fn fd_datasync(fd: u32) |ctx| fds::sync(ctx, fd, true)
        fn fd_sync(fd: u32) |ctx| fds::sync(ctx, fd, false)
        fn fd_fdstat_set_flags(fd: u32, flags: u32) |ctx|
            fds::fdstat_set_flags(ctx, fd, flags)
        fn fd_fdstat_set_rights(fd: u32, rights: u64, inheriting: u64) |ctx|
            fds::fdstat_set_rights(ctx, fd, rights, inheriting)
        fn fd_filestat_set_size(fd: u32, size: u64) |ctx|
            fds::filestat_set_size(ctx, fd, size)
        fn fd_filestat_set_times(fd: u32, accessed: u64, modified: u64, flags: u32) |ctx|
            fds::filestat_set_times(ctx, fd, accessed, modified, flags)
        fn fd_renumber(from: u32, to: u32) |ctx| ctx.table.renumber(from, to)
    }
    Ok(())
}

/// What is below directories.
fn add_paths<T: 'static>(
    linker: &mut Linker<T>,
    get: impl Fn(&mut T) -> &mut WasiCtx + Copy + Send + Sync + 'static,
) -> Result<()> {
    functions! { linker, get:
        fn path_create_directory(fd: u32, start: u32, len: u32) in memory |ctx, memory|
            paths::create_directory(ctx, memory, fd, PathArg { start, len })
        fn path_remove_directory(fd: u32, start: u32, len: u32) in memory |ctx, memory|
            paths::remove_directory(ctx, memory, fd, PathArg { start, len })
        fn path_unlink_file(fd: u32, start: u32, len: u32) in memory |ctx, memory|
            paths::unlink_file(ctx, memory, fd, PathArg { start, len })
        fn path_filestat_get(fd: u32, lookup: u32, start: u32, len: u32, result: u32)
            in memory |ctx, memory|
            paths::filestat_get(ctx, memory, fd, lookup, PathArg { start, len }, result)
        fn path_filestat_set_times(
            fd: u32, lookup: u32, start: u32, len: u32, accessed: u64, modified: u64, flags: u32
        ) in memory |ctx, memory| {
            let path = PathArg { start, len };
            let args = SetTimesArgs { lookup, path, accessed, modified, flags };
            paths::filestat_set_times(ctx, memory, fd, &args)
        }
        fn path_link(
            fd: u32, lookup: u32, start: u32, len: u32, to_fd: u32, to_start: u32, to_len: u32
        ) in memory |ctx, memory| {
            let from = (fd, PathArg { start, len });
            let to = (to_fd, PathArg { start: to_start, len: to_len });
            paths::link(ctx, memory, lookup, from, to)
        }
        fn path_rename(fd: u32, start: u32, len: u32, to_fd: u32, to_start: u32, to_len: u32)
            in memory |ctx, memory| {
            let from = (fd, PathArg { start, len });
            paths::rename(ctx, memory, from, (to_fd, PathArg { start: to_start, len: to_len }))
        }
        fn path_symlink(target: u32, target_len: u32, fd: u32, start: u32, len: u32)
            in memory |ctx, memory| {
            let target = PathArg { start: target, len: target_len };
            paths::symlink(ctx, memory, target, fd, PathArg { start, len })
        }
        fn path_readlink(fd: u32, start: u32, len: u32, buffer: u32, buffer_len: u32, result: u32)
            in memory |ctx, memory| {
            let buffer = PathArg { start: buffer, len: buffer_len };
            paths::readlink(ctx, memory, fd, PathArg { start, len }, buffer, result)
        }
        fn path_open(
            fd: u32, lookup: u32, start: u32, len: u32, oflags: u32,
            rights: u64, inheriting: u64, fdflags: u32, result: u32
        ) in memory |ctx, memory| {
            let path = PathArg { start, len };
            let args = Open { lookup, path, oflags, rights, inheriting, fdflags, result };
            paths::open(ctx, memory, fd, &args)
        }
    }
    Ok(())
}

/// Sockets.
fn add_sockets<T: 'static>(
    linker: &mut Linker<T>,
    get: impl Fn(&mut T) -> &mut WasiCtx + Copy + Send + Sync + 'static,
) -> Result<()> {
    functions! { linker, get:
        fn sock_accept(fd: u32, flags: u32, result: u32) in memory |ctx, memory|
            sock::accept(ctx, memory, fd, flags, result)
        fn sock_recv(fd: u32, list: u32, count: u32, flags: u32, result: u32, result_flags: u32)
            with done = 0; in memory |ctx, memory| {
            let buffers = Buffers { list, count };
            sock::recv(ctx, memory, fd, Recv { buffers, flags, result, result_flags }, &mut done)
        }
        fn sock_send(fd: u32, list: u32, count: u32, flags: u32, result: u32)
            in memory |ctx, memory|
            sock::send(ctx, memory, fd, Buffers { list, count }, flags, result)
    }
    functions! { linker, get:
        fn sock_shutdown(fd: u32, how: u32) |ctx| sock::shutdown(ctx, fd, how)
    }
    Ok(())
}
