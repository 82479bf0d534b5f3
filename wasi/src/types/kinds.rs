//! Enumerations of the standard.

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Filetype {
    /// None of the others: a pipe, for instance.
    Unknown = 0,
    /// Block device.
    BlockDevice = 1,
    /// Character device, such as a terminal.
    CharacterDevice = 2,
    /// Directory.
    Directory = 3,
    /// Regular file.
    RegularFile = 4,
    /// Socket for datagrams.
    SocketDgram = 5,
    /// Socket for byte streams.
    SocketStream = 6,
    /// Symbolic link.
    SymbolicLink = 7,
}

impl Filetype {
    const ALL: [Self; 8] = [
        Self::Unknown,
        Self::BlockDevice,
        Self::CharacterDevice,
        Self::Directory,
        Self::RegularFile,
        Self::SocketDgram,
        Self::SocketStream,
        Self::SymbolicLink,
    ];

    /// The one with this number.
    pub fn from_raw(raw: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|known| *known as u32 == raw)
    }
}

/// Where an offset counts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Whence {
    /// The start.
    Set = 0,
    /// The present offset.
    Cur = 1,
    /// The end.
    End = 2,
}

impl Whence {
    const ALL: [Self; 3] = [Self::Set, Self::Cur, Self::End];

    /// The one with this number.
    pub fn from_raw(raw: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|known| *known as u32 == raw)
    }
}

/// A clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ClockId {
    /// Time since 1970.
    Realtime = 0,
    /// Time that never goes back.
    Monotonic = 1,
    /// Processor time of the process.
    ProcessCpu = 2,
    /// Processor time of the thread.
    ThreadCpu = 3,
}

impl ClockId {
    const ALL: [Self; 4] = [Self::Realtime, Self::Monotonic, Self::ProcessCpu, Self::ThreadCpu];

    /// The one with this number.
    pub fn from_raw(raw: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|known| *known as u32 == raw)
    }
}

/// How a file is going to be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Advice {
    /// Nothing is known.
    Normal = 0,
    /// In order.
    Sequential = 1,
    /// In no order.
    Random = 2,
    /// Soon.
    WillNeed = 3,
    /// Not soon.
    DontNeed = 4,
    /// Once.
    NoReuse = 5,
}

impl Advice {
    const ALL: [Self; 6] = [
        Self::Normal,
        Self::Sequential,
        Self::Random,
        Self::WillNeed,
        Self::DontNeed,
        Self::NoReuse,
    ];

    /// The one with this number.
    pub fn from_raw(raw: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|known| *known as u32 == raw)
    }
}

/// A signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Signal {
    /// Not a signal: asks whether one could be sent.
    None = 0,
    /// Hangup.
    Hup = 1,
    /// Terminal interrupt.
    Int = 2,
    /// Terminal quit.
    Quit = 3,
    /// Illegal instruction.
    Ill = 4,
    /// Trace trap.
    Trap = 5,
    /// Abort.
    Abrt = 6,
    /// Access to an undefined part of a memory object.
    Bus = 7,
    /// Erroneous arithmetic operation.
    Fpe = 8,
    /// Kill.
    Kill = 9,
    /// User-defined 1.
    Usr1 = 10,
    /// Invalid memory reference.
    Segv = 11,
    /// User-defined 2.
    Usr2 = 12,
    /// Write on a pipe that nobody reads.
    Pipe = 13,
    /// Alarm clock.
    Alrm = 14,
    /// Termination.
    Term = 15,
    /// Child ended or stopped.
    Chld = 16,
    /// Continue.
    Cont = 17,
    /// Stop.
    Stop = 18,
    /// Terminal stop.
    Tstp = 19,
    /// Background process reads.
    Ttin = 20,
    /// Background process writes.
    Ttou = 21,
    /// High bandwidth data at a socket.
    Urg = 22,
    /// Limit of processor time exceeded.
    Xcpu = 23,
    /// Limit of file size exceeded.
    Xfsz = 24,
    /// Virtual timer expired.
    Vtalrm = 25,
    /// Profiling timer expired.
    Prof = 26,
    /// Window changed.
    Winch = 27,
    /// Pollable event.
    Poll = 28,
    /// Power failure.
    Pwr = 29,
    /// Bad system call.
    Sys = 30,
}

impl Signal {
    const ALL: [Self; 31] = [
        Self::None,
        Self::Hup,
        Self::Int,
        Self::Quit,
        Self::Ill,
        Self::Trap,
        Self::Abrt,
        Self::Bus,
        Self::Fpe,
        Self::Kill,
        Self::Usr1,
        Self::Segv,
        Self::Usr2,
        Self::Pipe,
        Self::Alrm,
        Self::Term,
        Self::Chld,
        Self::Cont,
        Self::Stop,
        Self::Tstp,
        Self::Ttin,
        Self::Ttou,
        Self::Urg,
        Self::Xcpu,
        Self::Xfsz,
        Self::Vtalrm,
        Self::Prof,
        Self::Winch,
        Self::Poll,
        Self::Pwr,
        Self::Sys,
    ];

    /// The one with this number.
    pub fn from_raw(raw: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|known| *known as u32 == raw)
    }
}
