//! A guest that hands each function on: the tests call WASI through it, with any
//! arguments, and look into its memory.

use kernref::{Config, Engine, Extern, Func, Instance, Linker, Memory, Module, Store, Val};
use kernref_wasi::types::Errno;
use kernref_wasi::{
    FixedClock, InputPipe, MemoryFs, OutputPipe, Quota, SeededRandom, SteppingWait, VirtualClock,
    WasiCtx, WasiCtxBuilder, add_to_linker,
};
use std::sync::OnceLock;

/// Every function of the standard with its parameters: `i` is i32, `I` is i64.
pub const FUNCTIONS: [(&str, &str); 46] = [
    ("args_get", "ii"),
    ("args_sizes_get", "ii"),
    ("environ_get", "ii"),
    ("environ_sizes_get", "ii"),
    ("clock_res_get", "ii"),
    ("clock_time_get", "iIi"),
    ("fd_advise", "iIIi"),
    ("fd_allocate", "iII"),
    ("fd_close", "i"),
    ("fd_datasync", "i"),
    ("fd_fdstat_get", "ii"),
    ("fd_fdstat_set_flags", "ii"),
    ("fd_fdstat_set_rights", "iII"),
    ("fd_filestat_get", "ii"),
    ("fd_filestat_set_size", "iI"),
    ("fd_filestat_set_times", "iIIi"),
    ("fd_pread", "iiiIi"),
    ("fd_prestat_get", "ii"),
    ("fd_prestat_dir_name", "iii"),
    ("fd_pwrite", "iiiIi"),
    ("fd_read", "iiii"),
    ("fd_readdir", "iiiIi"),
    ("fd_renumber", "ii"),
    ("fd_seek", "iIii"),
    ("fd_sync", "i"),
    ("fd_tell", "ii"),
    ("fd_write", "iiii"),
    ("path_create_directory", "iii"),
    ("path_filestat_get", "iiiii"),
    ("path_filestat_set_times", "iiiiIIi"),
    ("path_link", "iiiiiii"),
    ("path_open", "iiiiiIIii"),
    ("path_readlink", "iiiiii"),
    ("path_remove_directory", "iii"),
    ("path_rename", "iiiiii"),
    ("path_symlink", "iiiii"),
    ("path_unlink_file", "iii"),
    ("poll_oneoff", "iiii"),
    ("proc_exit", "i"),
    ("proc_raise", "i"),
    ("sched_yield", ""),
    ("random_get", "ii"),
    ("sock_accept", "iii"),
    ("sock_recv", "iiiiii"),
    ("sock_send", "iiiii"),
    ("sock_shutdown", "ii"),
];

/// Errors as the tests name them.
pub const OK: Result<(), Errno> = Ok(());

/// Bytes of the guest's memory.
pub const MEMORY_BYTES: u32 = 4 << 16;
/// Where tests put lists, results and buffers.
pub const LIST: u32 = 0x100;
pub const RESULT: u32 = 0x1000;
pub const PATH: u32 = 0x2000;
pub const OTHER_PATH: u32 = 0x4000;
pub const BUFFER: u32 = 0x10000;

fn text() -> String {
    let mut text = String::from("(module\n");
    let types = |params: &str| {
        let names = params.chars().map(|c| if c == 'i' { " i32" } else { " i64" });
        names.collect::<String>()
    };
    let result = |name: &str| if name == "proc_exit" { "" } else { "(result i32)" };
    for (name, params) in FUNCTIONS {
        let (params, result) = (types(params), result(name));
        text += &format!(
            "(import \"wasi_snapshot_preview1\" \"{name}\" (func ${name} (param{params}) {result}))\n"
        );
    }
    text += "(memory (export \"memory\") 4)\n";
    for (name, params) in FUNCTIONS {
        let gets: String = (0..params.len()).map(|at| format!("(local.get {at}) ")).collect();
        let (params, result) = (types(params), result(name));
        text +=
            &format!("(func (export \"{name}\") (param{params}) {result} (call ${name} {gets}))\n");
    }
    text + ")"
}

/// The engine, with epochs and fuel, and the module.
pub fn module() -> &'static (Engine, Module) {
    static MODULE: OnceLock<(Engine, Module)> = OnceLock::new();
    MODULE.get_or_init(|| {
        let mut config = Config::new();
        config.consume_fuel(true).epoch_interruption(true);
        let engine = Engine::new(&config).unwrap();
        let module = Module::new(&engine, wat::parse_str(text()).unwrap()).unwrap();
        (engine, module)
    })
}

/// A guest and its context.
pub struct Guest {
    pub store: Store<WasiCtx>,
    pub instance: Instance,
    pub memory: Memory,
}

/// What guests of the tests are handed, if nothing else is said.
pub fn builder() -> (WasiCtxBuilder, MemoryFs, OutputPipe) {
    let fs = MemoryFs::new(Quota::default()).unwrap().with_clock(FixedClock(77)).unwrap();
    let output = OutputPipe::new(1 << 20);
    let clock = VirtualClock::new(1000, 0);
    let mut builder = WasiCtx::builder();
    builder
        .args(&["program", "first", "second"])
        .env("HOME", "/home")
        .stdin(InputPipe::new(b"from standard input"))
        .stdout(output.clone())
        .stderr(output.clone())
        .realtime_clock(FixedClock(1_700_000_000_000_000_000))
        .monotonic_clock(clock.clone())
        .wait(SteppingWait(clock))
        .random(SeededRandom::new(1))
        .preopened_dir(fs.root(), "/data");
    (builder, fs, output)
}

/// The descriptor of the directory that [`builder`] hands over.
pub const DIR: u32 = 3;

impl Guest {
    pub fn new(builder: &mut WasiCtxBuilder) -> Self {
        let (engine, module) = module();
        let mut linker = Linker::new(engine);
        add_to_linker(&mut linker, |ctx: &mut WasiCtx| ctx).unwrap();
        let mut store = Store::new(engine, builder.build().unwrap()).unwrap();
        store.set_fuel(1 << 40).unwrap();
        store.set_epoch_deadline(1 << 40);
        let instance = linker.instantiate(&mut store, module).unwrap();
        let memory = instance.get_memory(&mut store, "memory").unwrap();
        Self { store, instance, memory }
    }

    /// With what [`builder`] hands over.
    pub fn usual() -> (Self, MemoryFs, OutputPipe) {
        let (mut builder, fs, output) = builder();
        (Self::new(&mut builder), fs, output)
    }

    /// Calls a function; arguments are widened or cut to what it takes. The error is
    /// one that ended the guest.
    pub fn try_call(&mut self, name: &str, args: &[u64]) -> kernref::Result<u32> {
        let (_, params) = FUNCTIONS.iter().find(|(known, _)| *known == name).unwrap();
        assert_eq!(params.len(), args.len(), "{name}");
        let values: Vec<Val> = params
            .chars()
            .zip(args)
            .map(|(ty, arg)| match ty {
                'i' => Val::I32(*arg as i32),
                _ => Val::I64(*arg as i64),
            })
            .collect();
        let func: Func =
            self.instance.get_export(&mut self.store, name).and_then(Extern::into_func).unwrap();
        let mut results = vec![Val::I32(0); usize::from(name != "proc_exit")];
        func.call(&mut self.store, &values, &mut results)?;
        match results.first() {
            Some(Val::I32(errno)) => Ok(*errno as u32),
            _ => Ok(0),
        }
    }

    /// Calls a function and gives its error code as one of the standard's.
    pub fn call(&mut self, name: &str, args: &[u64]) -> Result<(), Errno> {
        match self.try_call(name, args).unwrap() {
            0 => Ok(()),
            raw => Err(errno(raw)),
        }
    }

    pub fn write(&mut self, at: u32, bytes: &[u8]) {
        self.memory.write(&mut self.store, at as usize, bytes).unwrap();
    }

    pub fn read(&self, at: u32, len: u32) -> Vec<u8> {
        let mut bytes = vec![0; len as usize];
        self.memory.read(&self.store, at as usize, &mut bytes).unwrap();
        bytes
    }

    pub fn u32(&self, at: u32) -> u32 {
        u32::from_le_bytes(self.read(at, 4).try_into().unwrap())
    }

    pub fn u64(&self, at: u32) -> u64 {
        u64::from_le_bytes(self.read(at, 8).try_into().unwrap())
    }

    /// Writes a list of buffers.
    pub fn list(&mut self, buffers: &[(u32, u32)]) {
        for (at, (start, len)) in buffers.iter().enumerate() {
            let bytes = [start.to_le_bytes(), len.to_le_bytes()].concat();
            self.write(LIST + at as u32 * 8, &bytes);
        }
    }

    /// Puts a path into memory.
    pub fn path(&mut self, path: &str) -> [u64; 2] {
        self.write(PATH, path.as_bytes());
        [PATH.into(), path.len() as u64]
    }

    pub fn other_path(&mut self, path: &str) -> [u64; 2] {
        self.write(OTHER_PATH, path.as_bytes());
        [OTHER_PATH.into(), path.len() as u64]
    }

    /// Calls a function of a directory and a path.
    pub fn at(&mut self, name: &str, fd: u32, path: &str) -> Result<(), Errno> {
        let [start, len] = self.path(path);
        self.call(name, &[fd.into(), start, len])
    }

    pub fn open(&mut self, path: &str, how: Open) -> Result<u32, Errno> {
        let [start, len] = self.path(path);
        let Open { fd, lookup, oflags, rights, inheriting, fdflags } = how;
        self.call(
            "path_open",
            &[
                fd.into(),
                lookup.into(),
                start,
                len,
                oflags.into(),
                rights,
                inheriting,
                fdflags.into(),
                RESULT.into(),
            ],
        )?;
        Ok(self.u32(RESULT))
    }

    /// Writes to a descriptor.
    pub fn fd_write(&mut self, fd: u32, bytes: &[u8]) -> Result<u32, Errno> {
        self.write(BUFFER, bytes);
        self.list(&[(BUFFER, bytes.len() as u32)]);
        self.call("fd_write", &[fd.into(), LIST.into(), 1, RESULT.into()])?;
        Ok(self.u32(RESULT))
    }

    /// Reads from a descriptor.
    pub fn fd_read(&mut self, fd: u32, len: u32) -> Result<Vec<u8>, Errno> {
        self.list(&[(BUFFER, len)]);
        self.call("fd_read", &[fd.into(), LIST.into(), 1, RESULT.into()])?;
        let read = self.u32(RESULT);
        Ok(self.read(BUFFER, read))
    }

    pub fn seek(&mut self, fd: u32, delta: i64, whence: u32) -> Result<u64, Errno> {
        self.call("fd_seek", &[fd.into(), delta as u64, whence.into(), RESULT.into()])?;
        Ok(self.u64(RESULT))
    }

    /// Size and kind of what a path names.
    pub fn stat(&mut self, path: &str, lookup: u32) -> Result<(u64, u8), Errno> {
        let [start, len] = self.path(path);
        self.call("path_filestat_get", &[DIR.into(), lookup.into(), start, len, RESULT.into()])?;
        Ok((self.u64(RESULT + 32), self.read(RESULT + 16, 1)[0]))
    }

    /// Rights and inheriting rights.
    pub fn rights(&mut self, fd: u32) -> (u64, u64) {
        self.call("fd_fdstat_get", &[fd.into(), RESULT.into()]).unwrap();
        (self.u64(RESULT + 8), self.u64(RESULT + 16))
    }
}

/// How the tests open a path.
#[derive(Clone, Copy)]
pub struct Open {
    pub fd: u32,
    pub lookup: u32,
    pub oflags: u32,
    pub rights: u64,
    pub inheriting: u64,
    pub fdflags: u32,
}

pub const CREAT: u32 = 1;
pub const DIRECTORY: u32 = 2;
pub const EXCL: u32 = 4;
pub const TRUNC: u32 = 8;
pub const FOLLOW: u32 = 1;

impl Open {
    /// All that a file can give.
    pub fn file(oflags: u32) -> Self {
        let rights = kernref_wasi::types::Rights::FILE.bits();
        Self { fd: DIR, lookup: 0, oflags, rights, inheriting: rights, fdflags: 0 }
    }

    /// To be read.
    pub fn reading() -> Self {
        Self { rights: kernref_wasi::types::Rights::FD_READ.bits(), ..Self::file(0) }
    }

    /// All that a directory can give.
    pub fn directory() -> Self {
        use kernref_wasi::types::Rights;
        let rights = Rights::DIRECTORY.bits();
        let inheriting = (Rights::DIRECTORY | Rights::FILE).bits();
        Self { rights, inheriting, ..Self::file(DIRECTORY) }
    }
}

/// The code as one of the standard's.
pub fn errno(raw: u32) -> Errno {
    use Errno::*;
    let known = [
        TooBig,
        Acces,
        Again,
        Badf,
        Busy,
        Deadlk,
        Exist,
        Fault,
        Fbig,
        Ilseq,
        Inval,
        Io,
        Isdir,
        Loop,
        Mfile,
        Mlink,
        Nametoolong,
        Noent,
        Nomem,
        Nospc,
        Notcapable,
        Notconn,
        Notdir,
        Notempty,
        Notsock,
        Notsup,
        Overflow,
        Perm,
        Pipe,
        Rofs,
        Spipe,
        Xdev,
        Intr,
        Nosys,
    ];
    let found = known.into_iter().find(|known| u32::from(known.raw()) == raw);
    found.unwrap_or_else(|| panic!("the error code {raw}"))
}
