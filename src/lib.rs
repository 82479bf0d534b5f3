//! Kernref: a `no_std` WebAssembly runtime component for operating-system
//! kernels. See the repository's README for the story and `docs/` for how it
//! works inside.
//!
//! Layers, each using only what stands left of it:
//! `abi → fallible → error → arch → alloc → stack → gc → artifact → compile → engine → vm →
//! runtime`.
#![no_std]
#![deny(unsafe_code)]

extern crate alloc as std_alloc;
#[cfg(any(feature = "std", test))]
extern crate std;

#[expect(unsafe_code, reason = "declares the types of functions that generated code calls")]
pub mod abi;
#[expect(unsafe_code, reason = "memory handed over by the embedder")]
pub mod alloc;
#[expect(unsafe_code, reason = "assembly")]
pub mod arch;
pub mod artifact;
#[cfg(feature = "compile")]
pub mod compile;
#[expect(unsafe_code, reason = "shared boxes, and what the handler of faults reads")]
mod engine;
pub mod error;
#[expect(unsafe_code, reason = "the allocator's own interface")]
mod fallible;
#[expect(unsafe_code, reason = "slots, tables and frames are raw memory")]
pub mod gc;
#[expect(unsafe_code, reason = "stores borrowed by raw pointers, and cells")]
pub mod runtime;
#[expect(unsafe_code, reason = "walks native frames")]
pub mod stack;
#[expect(unsafe_code, reason = "contexts and calls into generated code")]
mod vm;

pub use abi::{DeferralPolicy, Trap};
pub use artifact::{
    ExternType, FuncType, GlobalType, HeapType, MemoryType, RefType, TableType, ValType,
};
#[cfg(feature = "compile")]
pub use compile::{OptLevel, WasmFeatures};
pub use engine::fault;
pub use error::{Error, FlavorMismatch, LimitError, LinkError, LinkReason, Misuse, Result};
pub use gc::{ExternRef, GcStats, StepProgress};
pub use runtime::{
    AsContext, AsContextMut, Caller, Config, Engine, Extern, Func, Global, Instance, InstancePre,
    IntoFunc, Linker, Memory, Module, OwnedRooted, ResourceLimiter, Rooted, Store, StoreContext,
    StoreContextMut, StoreLimits, StoreLimitsBuilder, Table, TypedFunc, UpdateDeadline, Val,
    WasmBacktrace, WasmParams, WasmResults,
};

/// The README's examples, compiled and, but for the kernel's, run.
#[cfg(all(doctest, feature = "std", feature = "compile", feature = "kernel-heap"))]
#[doc = include_str!("../README.md")]
struct Readme;
