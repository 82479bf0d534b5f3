//! WASI preview 1 for [Kernref](kernref): all of its functions, in kernels and on
//! hosts, with capabilities as small traits.
//!
//! A guest has what it was handed, and nothing else: see [`WasiCtxBuilder`].
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use kernref::{Engine, Config, Linker, Module, Store};
//! use kernref_wasi::{MemoryFs, OutputPipe, Quota, WasiCtx, add_to_linker, run_command};
//!
//! let engine = Engine::new(&Config::new())?;
//! let module = Module::new(&engine, wat::parse_str(r#"(module
//!     (import "wasi_snapshot_preview1" "fd_write"
//!         (func $write (param i32 i32 i32 i32) (result i32)))
//!     (memory (export "memory") 1)
//!     (data (i32.const 8) "\10\00\00\00\06\00\00\00")
//!     (data (i32.const 16) "hello\0a")
//!     (func (export "_start")
//!         (drop (call $write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 0)))))"#)?)?;
//!
//! let output = OutputPipe::new(64 << 10);
//! let fs = MemoryFs::new(Quota::default())?;
//! let wasi = WasiCtx::builder()
//!     .arg("hello")
//!     .stdout(output.clone())
//!     .preopened_dir(fs.root(), "/")
//!     .build()?;
//!
//! let mut linker = Linker::new(&engine);
//! add_to_linker(&mut linker, |wasi: &mut WasiCtx| wasi)?;
//! let mut store = Store::new(&engine, wasi)?;
//! let instance = linker.instantiate(&mut store, &module)?;
//! assert_eq!(run_command(&mut store, &instance)?, 0);
//! assert_eq!(output.take(), b"hello\n");
//! # Ok(())
//! # }
//! ```
//!
//! | file | owns |
//! |---|---|
//! | `linker` | the functions by name, and how one is run |
//! | `calls/` | what they do |
//! | `ctx`, `builder`, `table`, `strings` | what a guest was handed, and has open |
//! | `memory` | reading and writing where a guest says |
//! | `limits` | what a guest can make the host spend |
//! | `host/` | the traits of what can be handed over |
//! | `resolve` | paths that cannot lead out |
//! | `memory_fs/` | a file system in memory |
//! | `pipes`, `deterministic` | streams in memory; clocks and randomness for tests |
//! | `std_host/` | what hosts with `std` have |
//! | `exit` | how programs end |
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(any(feature = "std", test))]
extern crate std;

mod builder;
mod calls;
mod ctx;
mod deterministic;
mod exit;
mod fallible;
mod host;
mod limits;
mod linker;
mod memory;
mod memory_fs;
mod pipes;
mod resolve;
#[cfg(feature = "std")]
mod std_host;
mod strings;
mod table;
pub mod types;

pub use builder::WasiCtxBuilder;
pub use ctx::WasiCtx;
pub use deterministic::{FixedClock, SeededRandom, SteppingWait, VirtualClock};
pub use exit::{I32Exit, NoMemory, Raised, exit_status, initialize, run_command};
pub use host::{
    Clock, DirEntry, Directory, File, Interest, OpenOptions, Opened, Random, Readiness, Socket,
    Stream, Wait,
};
pub use limits::Limits;
pub use linker::{MODULE, add_to_linker};
pub use memory_fs::{ImageError, MemoryDir, MemoryFs, Quota, Usage};
pub use pipes::{Closed, InputPipe, OutputPipe, SocketPair};
pub use resolve::{LastLink, MAX_NAME_BYTES, MAX_SYMLINKS, Place, Tree, resolve};
#[cfg(all(feature = "std", target_os = "linux"))]
pub use std_host::HostDir;
#[cfg(feature = "std")]
pub use std_host::{
    HostStderr, HostStdin, HostStdout, MonotonicClock, SystemClock, SystemRandom, ThreadSleep,
};

/// The README's example is compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
