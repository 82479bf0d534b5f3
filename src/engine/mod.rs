//! What the stores of one configuration share: the configuration itself, the
//! providers of memory, published modules, and where code lies that may fault.
//!
//! Knows no store and nothing of what is in one: no context, no instance, no
//! data type. Usable from any thread; what can change is atomic or behind a
//! spin lock under which nothing is allocated.
//!
//! Invariants: a type number means one type for as long as anyone counts it
//! (`registry`). Code is known to the fault handler before it runs, and
//! forgotten before its memory is freed (`known_code`). The handler never waits
//! and allocates nothing (`fault`, `code_ranges`; F1).
//!
//! | file | owns |
//! |---|---|
//! | `config`, `compile_config` | the embedder's choices; those of the compiler |
//! | `compilation`, `interrupt` | compiling with an end from outside |
//! | `compile_memory` | a stack and a region for each compilation |
//! | `handle` | [`Engine`]: the state that is shared |
//! | `registry` | one number for each function type |
//! | `module/mod`, `module/declared` | published code and its description; what it imports and exports |
//! | `module/serialized` | modules from bytes, and back |
//! | `fault`, `host_faults` | telling guests' faults from others; a host's signal handler |
//! | `code_ranges`, `known_code` | where code lies that may fault; keeping published code listed there |
//! | `sync` | what of `code_ranges` a model checker replaces |
//! | `limits`, `limiter` | the fixed limits; the embedder's say before a guest grows |
//! | `shared` | a reference-counted box whose creation can fail |
//! | `index_table`, `bits` | finding things by hash; small sets of numbers |

pub(crate) mod bits;
#[expect(unsafe_code, reason = "a list that is read while it changes")]
mod code_ranges;
#[cfg(test)]
mod code_ranges_tests;
#[cfg(feature = "compile")]
#[expect(unsafe_code, reason = "abandons what the compiler was doing")]
mod compilation;
#[cfg(feature = "compile")]
mod compile_config;
#[cfg(feature = "compile")]
#[expect(unsafe_code, reason = "memory handed to the compiler")]
mod compile_memory;
mod config;
#[expect(unsafe_code, reason = "reads the stack and store of interrupted code")]
mod fault;
#[expect(unsafe_code, reason = "the contract of the handler of faults")]
mod handle;
#[cfg(feature = "std")]
#[expect(unsafe_code, reason = "a signal handler")]
mod host_faults;
pub(crate) mod index_table;
#[cfg(feature = "compile")]
mod interrupt;
mod known_code;
mod limiter;
pub(crate) mod limits;
mod module;
mod registry;
#[expect(unsafe_code, reason = "counts by hand")]
pub(crate) mod shared;
mod sync;

#[cfg(feature = "compile")]
pub use compilation::Compilation;
#[cfg(feature = "compile")]
pub use compile_memory::CompileMemory;
pub use config::Config;
pub use handle::Engine;
#[cfg(feature = "compile")]
pub use interrupt::InterruptHandle;
pub use limiter::{ResourceLimiter, StoreLimits, StoreLimitsBuilder};
pub use module::{ExportType, ImportType, Module};
