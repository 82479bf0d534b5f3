//! Kernref: a `no_std` WebAssembly runtime component for operating-system
//! kernels. The repository's README shows how to use it; `docs/` explains how
//! it works inside.
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
mod abi;
#[expect(unsafe_code, reason = "memory handed over by the embedder")]
pub mod alloc;
#[expect(unsafe_code, reason = "assembly")]
mod arch;
mod artifact;
#[cfg(feature = "compile")]
mod compile;
mod engine;
mod error;
#[expect(unsafe_code, reason = "the allocator's own interface")]
mod fallible;
#[expect(unsafe_code, reason = "slots, tables and frames are raw memory")]
mod gc;
mod runtime;
#[expect(unsafe_code, reason = "walks native frames")]
mod stack;
mod vm;

pub use abi::{Architecture, DeferralPolicy, Proposal, Proposals, Trap};
pub use artifact::limits;
pub use artifact::{
    Artifact, ArtifactPolicy, ExternType, FuncType, GlobalType, HeapType, MemoryType, RefType,
    TableType, ValType,
};
#[cfg(feature = "compile")]
pub use compile::{CompilePhase, CompileProgress, OptLevel, WasmFeatures};
#[cfg(all(feature = "std", target_os = "linux"))]
pub use engine::Watchdog;
#[cfg(feature = "compile")]
pub use engine::{Compilation, CompileMemory};
pub use engine::{
    Config, Engine, ExportType, ImportType, InterruptHandle, Module, ResourceLimiter, StoreLimits,
    StoreLimitsBuilder,
};
pub use error::{
    ArtifactError, ArtifactFault, ArtifactSection, Error, FlavorMismatch, FlavorValue, LimitError,
    LinkError, LinkReason, Misuse, Printable, Result,
};
pub use gc::{ExternRef, GcStats, StepProgress};
pub use runtime::{
    AsContext, AsContextMut, Caller, DroppingStore, Extern, FrameInfo, FromWasm, Func, Global,
    HostArg, HostReturn, Instance, InstanceExports, InstancePre, IntoFunc, Linker, Memory,
    OwnedRooted, Rooted, Store, StoreContext, StoreContextMut, StoreFigures, Table, ToWasm,
    TypedFunc, UpdateDeadline, Val, WasmBacktrace, WasmParams, WasmResults,
};

/// What a kernel's handlers of faults and interrupts and its source of guarded
/// memories need; see [`Engine::handle_fault`], [`Engine::handle_interrupt`] and
/// [`Config::hardware_traps`].
pub mod fault {
    pub use crate::abi::{FaultRegisters, MEMORY32_GUARDED_BYTES};
}

/// Signed artifacts; see [`Module::deserialize_with`].
#[cfg(feature = "signed-artifacts")]
pub mod signing {
    pub use crate::artifact::{KEY_BYTES, TRAILER_BYTES, TrustedKeys, sign_artifact, signer};
}

/// For this repository's own checks, tests and benchmarks. Not part of the API:
/// anything here may change with any version.
#[doc(hidden)]
pub mod __internals {
    pub use crate::abi::{StackMapLookup, VmContext};
    pub use crate::arch::{FEATURE_NAMES, synchronize_code};
    #[cfg(all(feature = "std", target_os = "linux"))]
    pub use crate::arch::{set_signal_registers, signal_registers};
    pub use crate::artifact::{
        ArtifactFile, ArtifactParts, CodeFlavor, CodeSite, CodeSites, DataSegment, ElemSegment,
        Export, ExportKind, FunctionCode, Import, ImportKind, ModuleInfo, ShimCode, StackMaps,
    };
    #[cfg(feature = "compile")]
    pub use crate::compile::{
        CompileSettings, Piece, ValidationCost, compile, count_instructions, count_values, listing,
        validate,
    };
    pub use crate::gc::RefHeap;
    #[cfg(kernref_panic_check)]
    pub use crate::vm::collector_builtins;
}

/// The README's examples: all are compiled, and all but the kernel's are run.
#[cfg(all(
    doctest,
    feature = "std",
    feature = "compile",
    feature = "kernel-heap",
    feature = "page-tables"
))]
#[doc = include_str!("../README.md")]
struct Readme;

/// Those of the page for kernel writers.
#[cfg(all(doctest, feature = "std", feature = "compile"))]
#[doc = include_str!("../docs/embedding.md")]
struct Embedding;
