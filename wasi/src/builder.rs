//! [`WasiCtxBuilder`]: hands capabilities over.

use crate::ctx::{Clocks, WasiCtx};
use crate::fallible::{try_box, try_push, try_string};
use crate::host::{Clock, Directory, Random, Socket, Stream, Wait};
use crate::limits::Limits;
use crate::strings::Strings;
use crate::table::{Entry, Object, Table};
use crate::types::{Errno, Result, Rights};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
use core::mem::take;
use kernref::Misuse;

/// Builds a [`WasiCtx`]. Whatever is not handed over here does not exist for the
/// guest. What cannot be added is reported by [`Self::build`].
#[derive(Default)]
pub struct WasiCtxBuilder {
    args: Strings,
    env: Strings,
    clocks: Clocks,
    random: Option<Box<dyn Random>>,
    wait: Option<Box<dyn Wait>>,
    streams: [Option<Box<dyn Stream>>; 3],
    preopens: Vec<Entry>,
    sockets: Vec<Entry>,
    limits: Limits,
    failure: Option<Errno>,
}

impl WasiCtxBuilder {
    /// A builder with nothing in it.
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes the first failure.
    fn note(&mut self, outcome: Result<()>) -> &mut Self {
        self.failure = self.failure.or(outcome.err());
        self
    }

    /// Boxes a capability and puts it where `place` says.
    fn hand<T, B>(&mut self, value: T, place: impl FnOnce(&mut Self, Box<T>) -> B) -> &mut Self {
        let boxed = try_box(value).map(|boxed| drop(place(self, boxed)));
        self.note(boxed)
    }

    /// Appends an argument. The first one is the program's name.
    pub fn arg(&mut self, arg: &str) -> &mut Self {
        let pushed = self.args.push(&[arg]);
        self.note(pushed)
    }

    /// Appends arguments.
    pub fn args(&mut self, args: &[impl AsRef<str>]) -> &mut Self {
        args.iter().fold(self, |this, arg| this.arg(arg.as_ref()))
    }

    /// Appends a variable of the environment.
    pub fn env(&mut self, name: &str, value: &str) -> &mut Self {
        let pushed = match name.contains('=') {
            true => Err(Errno::Inval),
            false => self.env.push(&[name, "=", value]),
        };
        self.note(pushed)
    }

    /// Appends variables of the environment.
    pub fn envs(&mut self, envs: &[(impl AsRef<str>, impl AsRef<str>)]) -> &mut Self {
        envs.iter().fold(self, |this, (name, value)| this.env(name.as_ref(), value.as_ref()))
    }

    /// Hands standard input over: descriptor 0, to be read.
    pub fn stdin(&mut self, stream: impl Stream + 'static) -> &mut Self {
        self.hand(stream, |this, stream| this.streams[0] = Some(stream))
    }

    /// Hands standard output over: descriptor 1, to be written.
    pub fn stdout(&mut self, stream: impl Stream + 'static) -> &mut Self {
        self.hand(stream, |this, stream| this.streams[1] = Some(stream))
    }

    /// Hands standard error over: descriptor 2, to be written.
    pub fn stderr(&mut self, stream: impl Stream + 'static) -> &mut Self {
        self.hand(stream, |this, stream| this.streams[2] = Some(stream))
    }

    /// Hands the time of day over: nanoseconds since 1970.
    pub fn realtime_clock(&mut self, clock: impl Clock + 'static) -> &mut Self {
        self.hand(clock, |this, clock| this.clocks.realtime = Some(clock))
    }

    /// Hands a clock over that never goes back. Waiting until some time needs it.
    pub fn monotonic_clock(&mut self, clock: impl Clock + 'static) -> &mut Self {
        self.hand(clock, |this, clock| this.clocks.monotonic = Some(clock))
    }

    /// Hands the clock of the processor time over that the guest has used.
    pub fn process_cpu_clock(&mut self, clock: impl Clock + 'static) -> &mut Self {
        self.hand(clock, |this, clock| this.clocks.process_cpu = Some(clock))
    }

    /// Hands the clock of the processor time over that the guest's thread has used.
    pub fn thread_cpu_clock(&mut self, clock: impl Clock + 'static) -> &mut Self {
        self.hand(clock, |this, clock| this.clocks.thread_cpu = Some(clock))
    }

    /// Hands a source of random bytes over.
    pub fn random(&mut self, random: impl Random + 'static) -> &mut Self {
        self.hand(random, |this, random| this.random = Some(random))
    }

    /// Lets the guest wait: for time to pass, and for its streams.
    pub fn wait(&mut self, wait: impl Wait + 'static) -> &mut Self {
        self.hand(wait, |this, wait| this.wait = Some(wait))
    }

    /// Hands a directory over, with all that can be done in it. The guest finds it
    /// under `guest_path`; directories get the descriptors from 3 on, in order.
    pub fn preopened_dir(&mut self, directory: impl Directory, guest_path: &str) -> &mut Self {
        let inheriting = Rights::DIRECTORY | Rights::FILE;
        self.preopened_dir_with_rights(directory, guest_path, Rights::DIRECTORY, inheriting)
    }

    /// Hands a directory over in which nothing can be changed.
    pub fn preopened_dir_read_only(
        &mut self,
        directory: impl Directory,
        guest_path: &str,
    ) -> &mut Self {
        let rights = Rights::DIRECTORY - Rights::CHANGING;
        let inheriting = (Rights::DIRECTORY | Rights::FILE) - Rights::CHANGING;
        self.preopened_dir_with_rights(directory, guest_path, rights, inheriting)
    }

    /// Hands a directory over with these rights for itself and for what is opened
    /// through it.
    pub fn preopened_dir_with_rights(
        &mut self,
        directory: impl Directory,
        guest_path: &str,
        rights: Rights,
        inheriting: Rights,
    ) -> &mut Self {
        let preopen = || -> Result<Entry> {
            if guest_path.contains('\0') {
                return Err(Errno::Inval);
            }
            let mut entry = Entry::new(Object::Directory(try_box(directory)?), rights, inheriting);
            entry.preopen = Some(try_string(guest_path)?);
            Ok(entry)
        };
        let pushed = preopen().and_then(|entry| try_push(&mut self.preopens, entry));
        self.note(pushed)
    }

    /// Hands a socket over: connected, or listening. Sockets get the descriptors
    /// after those of the directories, in order.
    pub fn preopened_socket(&mut self, socket: impl Socket + 'static) -> &mut Self {
        let pushed = try_box(socket).and_then(|socket| {
            let (rights, inheriting) = (Rights::SOCKET, Rights::SOCKET);
            try_push(&mut self.sockets, Entry::new(Object::Socket(socket), rights, inheriting))
        });
        self.note(pushed)
    }

    /// Sets limits other than the defaults.
    pub fn limits(&mut self, limits: Limits) -> &mut Self {
        self.limits = limits;
        self
    }

    /// The context. The builder is empty afterwards.
    ///
    /// # Errors
    /// [`kernref::Error::OutOfMemory`]; [`Misuse::InvalidConfig`] for an argument, a
    /// variable or a path with a NUL, a variable's name with an equals sign, more than
    /// 4 GiB of them, or more descriptors than [`Limits::descriptors`].
    pub fn build(&mut self) -> kernref::Result<WasiCtx> {
        let this = take(self);
        this.assemble().map_err(|errno| match errno {
            Errno::Nomem => kernref::Error::OutOfMemory { bytes: size_of::<WasiCtx>() },
            Errno::Mfile => {
                Misuse::InvalidConfig("more descriptors than the guest may have").into()
            }
            Errno::Overflow => {
                Misuse::InvalidConfig("arguments or environment of more than 4 GiB").into()
            }
            _ => Misuse::InvalidConfig("a NUL in a string, or `=` in a variable's name").into(),
        })
    }

    fn assemble(self) -> Result<WasiCtx> {
        if let Some(errno) = self.failure {
            return Err(errno);
        }
        let mut table = Table::new(self.limits.descriptors);
        for (at, stream) in self.streams.into_iter().enumerate() {
            let Some(stream) = stream else {
                table.skip()?;
                continue;
            };
            let other = if at == 0 { Rights::FD_WRITE } else { Rights::FD_READ };
            let entry = Entry::new(Object::Stream(stream), Rights::STREAM - other, Rights::empty());
            table.append(entry)?;
        }
        for entry in self.preopens.into_iter().chain(self.sockets) {
            table.append(entry)?;
        }
        Ok(WasiCtx {
            args: self.args,
            env: self.env,
            clocks: self.clocks,
            random: self.random,
            wait: self.wait,
            table,
            limits: self.limits,
            memory: None,
            moved_bytes: 0,
        })
    }
}

impl fmt::Debug for WasiCtxBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WasiCtxBuilder").field("failure", &self.failure).finish_non_exhaustive()
    }
}
