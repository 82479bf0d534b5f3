//! [`Error`]: what can go wrong, and through whose fault. Small, and cheap to
//! match on.
//!
//! What a guest chose is shown through [`Printable`].
//!
//! Invariant: making an error never allocates, except for a malformed module
//! (the compiler allocates anyway) and for an error that a host function made.

mod artifact;
mod printable;

pub use artifact::{ArtifactError, ArtifactFault, ArtifactSection};
pub use printable::Printable;

use crate::abi::{Architecture, Proposals, Trap};
use crate::fallible::{self, OutOfMemory};
use std_alloc::{boxed::Box, string::String};

/// Result with Kernref's [`Error`].
pub type Result<T, E = Error> = core::result::Result<T, E>;

/// Everything that Kernref reports.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// Guest: the code trapped. The store keeps the backtrace.
    Trap(Trap),
    /// Guest: the module's bytes are malformed or do not validate.
    Malformed {
        /// Byte offset into the module.
        offset: usize,
        /// What the validator says.
        message: Box<String>,
    },
    /// Guest: the module is valid, but needs proposals that are off or that
    /// Kernref lacks.
    Unsupported {
        /// Byte offset of the first place that needs one of them.
        offset: usize,
        /// All proposals that are missing, and no others.
        proposals: Proposals,
    },
    /// Guest: an import is missing or of another type.
    Link(Box<LinkError>),
    /// Guest or embedder: a limit of Kernref or of the store was reached.
    Limit(LimitError),
    /// Memory that was requested is not available.
    OutOfMemory {
        /// Size of the refused request in bytes.
        bytes: usize,
    },
    /// Embedder: memory for machine code could not be made executable
    /// ([`CodeMemory::publish`](crate::alloc::CodeMemory::publish)), with the reason
    /// of whoever gives it.
    CodeMemory(&'static str),
    /// Embedder: the work was asked to end, or its deadline passed
    /// (`InterruptHandle`, `Compilation`; feature `compile`).
    Interrupted,
    /// Embedder: the API was used against its contract; nothing was done.
    Misuse(Misuse),
    /// Embedder: bytes were given as an artifact that are none, or were changed, or
    /// are not trusted.
    Artifact(ArtifactError),
    /// A host function failed with an error of its own.
    Host(Box<dyn core::error::Error + Send + Sync>),
    /// A bug in Kernref, found before it could do harm.
    Bug(&'static str),
}

/// A limit that was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitError {
    /// What is limited, e.g. `"functions per module"`.
    pub what: &'static str,
    /// How much was asked for.
    pub requested: u64,
    /// How much is allowed.
    pub limit: u64,
}

/// An import that could not be satisfied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkError {
    /// Module name of the import; of a missing export, the name that its module has.
    pub module: String,
    /// Item name of the import or the export.
    pub name: String,
    /// Why.
    pub reason: LinkReason,
}

/// Why an import could not be satisfied.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LinkReason {
    /// Nothing is defined under that name.
    Unknown,
    /// The instance of that module has no such export.
    UnknownExport,
    /// What is defined there does not have the type that the module wants.
    IncompatibleType {
        /// The type wanted, in text form.
        expected: String,
        /// The type found, in text form.
        found: String,
    },
    /// The linker already has a definition of that name.
    Duplicate,
}

/// How the embedder broke the API's contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Misuse {
    /// A handle was used with a store to which it does not belong.
    WrongStore,
    /// The number of arguments or results does not match the function's type.
    WrongArity,
    /// A value does not have the type that its place wants.
    WrongType,
    /// An attempt to set an immutable global.
    ImmutableGlobal,
    /// An index lies outside a table or memory.
    OutOfBounds,
    /// A borrowed argument was used after its host call ended, or a root after
    /// it was unrooted.
    StaleReference,
    /// A host reference does not have the requested Rust type.
    WrongReferent,
    /// The capability behind a reference was revoked.
    Revoked,
    /// Types of another engine, or code for another engine.
    WrongEngine,
    /// The code was compiled for an engine with other settings.
    WrongFlavor(FlavorMismatch),
    /// The engine, or the heap, cannot be created with this configuration.
    InvalidConfig(&'static str),
    /// The entity is shared and cannot be changed now.
    Busy,
    /// A host function let its store be used on another stack: by another thread,
    /// for instance. Wasm runs on one stack at a time.
    OtherStack,
    /// What the configuration has for stack bounds does not know the stack of a
    /// call.
    UnknownStack,
    /// The engine leaves bounds to the hardware, and the guard of the memory
    /// that the source gave is too small.
    GuardTooSmall {
        /// Bytes of guard that a memory must have.
        needed: usize,
        /// Bytes of guard that it has.
        given: usize,
    },
}

/// The difference between code and the engine that should run it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlavorMismatch {
    /// The setting, e.g. `"deferral policy"`, or a feature of the processor.
    pub setting: &'static str,
    /// What the code was compiled for.
    pub code: FlavorValue,
    /// What the engine has.
    pub engine: FlavorValue,
}

/// A value of a setting that code and engine must agree on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlavorValue {
    /// The switch is on; the processor has the feature.
    On,
    /// The switch is off; the processor lacks the feature.
    Off,
    /// The deferral policy [`crate::DeferralPolicy::ZeroCount`].
    ZeroCount,
    /// The deferral policy [`crate::DeferralPolicy::CloneOnRead`].
    CloneOnRead,
    /// An architecture.
    Architecture(Architecture),
    /// What this build of the crate has.
    This,
    /// What another build of the crate had.
    Another,
}

impl core::fmt::Display for FlavorValue {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            FlavorValue::On => "on",
            FlavorValue::Off => "off",
            FlavorValue::ZeroCount => "zero-count",
            FlavorValue::CloneOnRead => "clone-on-read",
            FlavorValue::Architecture(architecture) => architecture.name(),
            FlavorValue::This => "this one",
            FlavorValue::Another => "another",
        })
    }
}

impl Error {
    /// The trap, if this is one.
    pub const fn as_trap(&self) -> Option<Trap> {
        match self {
            Error::Trap(trap) => Some(*trap),
            _ => None,
        }
    }

    /// Wraps an embedder's error so that a host function can return it.
    pub fn host(error: impl core::error::Error + Send + Sync + 'static) -> Self {
        match fallible::try_box(error) {
            Ok(error) => Error::Host(error),
            Err(refused) => refused.into(),
        }
    }

    /// A copy of what the compiler reports, none of which has parts on the heap
    /// but for a malformed module's message.
    #[cfg(feature = "compile")]
    pub(crate) fn copied(&self) -> Self {
        let refused = |OutOfMemory { bytes }| Error::OutOfMemory { bytes };
        match self {
            Error::Malformed { offset, message } => {
                match fallible::try_string(message).and_then(fallible::try_box) {
                    Ok(message) => Error::Malformed { offset: *offset, message },
                    Err(error) => refused(error),
                }
            }
            Error::Trap(trap) => Error::Trap(*trap),
            Error::Unsupported { offset, proposals } => {
                Error::Unsupported { offset: *offset, proposals: *proposals }
            }
            Error::Limit(limit) => Error::Limit(*limit),
            Error::OutOfMemory { bytes } => Error::OutOfMemory { bytes: *bytes },
            Error::CodeMemory(why) => Error::CodeMemory(why),
            Error::Interrupted => Error::Interrupted,
            Error::Misuse(misuse) => Error::Misuse(*misuse),
            Error::Artifact(error) => Error::Artifact(*error),
            Error::Bug(what) => Error::Bug(what),
            Error::Link(_) | Error::Host(_) => Error::Bug("the compiler reports what it cannot"),
        }
    }

    /// True when the guest, not the embedder or Kernref, is at fault.
    pub const fn is_guest_fault(&self) -> bool {
        matches!(
            self,
            Error::Trap(_)
                | Error::Malformed { .. }
                | Error::Unsupported { .. }
                | Error::Link(_)
                | Error::Limit(_)
        )
    }
}

impl From<Trap> for Error {
    fn from(trap: Trap) -> Self {
        Error::Trap(trap)
    }
}

impl From<OutOfMemory> for Error {
    fn from(refused: OutOfMemory) -> Self {
        Error::OutOfMemory { bytes: refused.bytes }
    }
}

impl From<Misuse> for Error {
    fn from(misuse: Misuse) -> Self {
        Error::Misuse(misuse)
    }
}

impl From<ArtifactError> for Error {
    fn from(error: ArtifactError) -> Self {
        Error::Artifact(error)
    }
}

impl From<LimitError> for Error {
    fn from(limit: LimitError) -> Self {
        Error::Limit(limit)
    }
}

impl core::fmt::Display for Error {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Error::Trap(trap) => write!(f, "wasm trap: {trap}"),
            Error::Malformed { offset, message } => {
                write!(f, "malformed module: {} (at offset {offset:#x})", Printable(message))
            }
            Error::Unsupported { offset, proposals } => {
                let features = if proposals.len() == 1 { "feature" } else { "features" };
                write!(f, "unsupported {features}: {proposals} (at offset {offset:#x})")
            }
            Error::Link(error) => error.fmt(f),
            Error::Limit(error) => error.fmt(f),
            Error::OutOfMemory { bytes } => write!(f, "out of memory: {bytes} bytes refused"),
            Error::CodeMemory(why) => write!(f, "memory for code cannot be published: {why}"),
            Error::Interrupted => f.write_str("interrupted before it was finished"),
            Error::Misuse(misuse) => misuse.fmt(f),
            Error::Artifact(error) => error.fmt(f),
            Error::Host(error) => write!(f, "host function failed: {error}"),
            Error::Bug(what) => write!(f, "bug in kernref: {what}"),
        }
    }
}

impl core::fmt::Display for LimitError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { what, requested, limit } = self;
        write!(f, "limit reached: {what}: {requested} requested, {limit} allowed")
    }
}

impl core::fmt::Display for LinkError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { module, name, reason } = self;
        let (module, name) = (Printable(module), Printable(name));
        match reason {
            LinkReason::UnknownExport if self.module.is_empty() => {
                write!(f, "unknown export: the module has no export `{name}`")
            }
            LinkReason::UnknownExport => {
                write!(f, "unknown export: the module `{module}` has no export `{name}`")
            }
            LinkReason::Unknown => write!(f, "unknown import: `{module}::{name}` is not defined"),
            LinkReason::IncompatibleType { expected, found } => write!(
                f,
                "incompatible import type for `{module}::{name}`: expected {expected}, found {found}"
            ),
            LinkReason::Duplicate => write!(f, "`{module}::{name}` is defined twice"),
        }
    }
}

impl core::fmt::Display for Misuse {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Misuse::WrongStore => "handle used with a store it does not belong to",
            Misuse::WrongArity => "wrong number of arguments or results",
            Misuse::WrongType => "value of the wrong type",
            Misuse::ImmutableGlobal => "global is immutable",
            Misuse::OutOfBounds => "index out of bounds",
            Misuse::StaleReference => "rooted reference used after its host call or root",
            Misuse::WrongReferent => "reference is not of the requested type",
            Misuse::Revoked => "the object behind the reference was revoked",
            Misuse::WrongEngine => "belongs to another engine",
            Misuse::WrongFlavor(FlavorMismatch { setting, code, engine }) => {
                return write!(f, "code and engine differ in {setting}: {code} and {engine}");
            }
            Misuse::InvalidConfig(what) => return write!(f, "invalid configuration: {what}"),
            Misuse::Busy => "entity is in use",
            Misuse::OtherStack => "store is used on another stack than the one it runs on",
            Misuse::UnknownStack => "Config::stack_bounds does not know the stack of this call",
            Misuse::GuardTooSmall { needed, given } => {
                return write!(
                    f,
                    "hardware traps need {needed} guarded bytes per memory, the source gave {given}"
                );
            }
        })
    }
}

impl core::error::Error for LimitError {}
impl core::error::Error for LinkError {}
impl core::error::Error for Misuse {}
impl core::error::Error for Error {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Error::Trap(trap) => Some(trap),
            Error::Host(error) => Some(&**error),
            _ => None,
        }
    }
}

const _: () = assert!(core::mem::size_of::<Error>() <= 40, "errors travel by value");
