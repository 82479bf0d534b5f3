//! What the stores of one configuration share: the configuration itself, the
//! providers of memory, published modules, and where their code lies.
//!
//! Knows no store and nothing of what is in one: no context, no instance, no
//! data type. Usable from any thread; what can change is atomic or behind a
//! spin lock under which nothing is allocated.
//!
//! Invariants: a type number means one type for as long as anyone counts it
//! (`registry`). Code is known to the handlers of faults and interrupts before it
//! runs, and forgotten before its memory is freed (`known_code`). The handlers never
//! wait and allocate nothing (`fault`, `code_ranges`; F1).
//!
//! | file | owns |
//! |---|---|
//! | `config`, `compile_config` | the embedder's choices; those of the compiler |
//! | `compilation` | compiling with an end from outside |
//! | `interrupt` | the handle that asks for such an end, of a compilation or a guest |
//! | `compile_memory` | a stack and a region for each compilation |
//! | `handle` | [`Engine`]: the state that is shared |
//! | `registry` | one number for each function type |
//! | `module/mod`, `module/declared` | published code and its description; what it imports and exports |
//! | `fault` | stopping guests at faults and interrupts |
//! | `host_faults`, `watchdog`, `host_signals` | a host's handlers of faults; of the signals that end guests; installing them |
//! | `code_ranges`, `known_code` | where published code lies; keeping it listed there |
//! | `module/serialized` | modules from bytes, and back |
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
#[cfg(all(feature = "std", target_os = "linux"))]
#[expect(unsafe_code, reason = "calls of the system")]
mod host_signals;
pub(crate) mod index_table;
#[expect(unsafe_code, reason = "a word inside what is shared")]
mod interrupt;
mod known_code;
mod limiter;
pub(crate) mod limits;
mod module;
mod registry;
#[expect(unsafe_code, reason = "counts by hand")]
pub(crate) mod shared;
mod sync;
#[cfg(all(feature = "std", target_os = "linux"))]
#[expect(unsafe_code, reason = "a signal handler")]
mod watchdog;

#[cfg(feature = "compile")]
pub use compilation::Compilation;
#[cfg(feature = "compile")]
pub use compile_memory::CompileMemory;
pub use config::Config;
pub use handle::Engine;
pub use interrupt::InterruptHandle;
pub use limiter::{ResourceLimiter, StoreLimits, StoreLimitsBuilder};
pub use module::{ExportType, ImportType, Module};
#[cfg(all(feature = "std", target_os = "linux"))]
pub use watchdog::Watchdog;
#[cfg(all(feature = "std", target_os = "linux"))]
pub(crate) use watchdog::Watched;
