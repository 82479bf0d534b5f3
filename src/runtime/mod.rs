//! The object model: engines, modules, stores and what lives in them, and the
//! calls between host and Wasm.
//!
//! ```text
//! Engine ◀── Module ◀── Store<T> ──owns──▶ instances, memories, tables, globals,
//!   ▲                      │               host functions, reference arena
//!   └──────────────────────┘
//! Func, Instance, Memory, Table, Global: copyable handles (store id + place)
//! ```
//! Entities live as long as their store. A handle of one store used with
//! another is an error, never undefined behaviour.
//!
//! | file | concern |
//! |---|---|
//! | `call` | the only way into generated code |
//! | `func`, `func_calls` | functions, and calling them |
//! | `host_def`, `host_func`, `into_func`, `caller`, `catch` | the way back into Rust |
//! | `rooted`, `roots`, `rooting` | references that are lent, and kept for the host |
//! | `convert`, `value` | values between cells and Rust |
//! | `builtins`, `segments` | what generated code calls |
//! | `linker`, `definitions`, `instance_pre` | what imports are taken from |
//! | `instance`, `instance_data`, `instantiate`, `link`, `const_expr` | making instances |
//! | `fault`, `code_ranges`, `known_code`, `host_faults` | accesses that the processor stops |
//! | `index_table`, `bits` | finding things by hash, and sets of numbers |
//! | `vmctx` | the only raw views of contexts |

mod backtrace;
mod bits;
mod builtins;
mod call;
mod caller;
mod catch;
mod code_map;
mod code_ranges;
mod config;
mod const_expr;
mod convert;
mod counted_places;
mod definitions;
mod engine;
mod external;
pub mod fault;
mod func;
mod func_calls;
mod global;
mod global_data;
mod host_def;
#[cfg(feature = "std")]
mod host_faults;
mod host_func;
mod index_table;
mod instance;
mod instance_data;
mod instance_pre;
mod instantiate;
mod into_func;
mod known_code;
mod limiter;
pub mod limits;
mod link;
mod linker;
mod memory;
mod memory_data;
mod memory_ops;
mod module;
mod raw_box;
mod registry;
mod rooted;
mod rooting;
mod roots;
mod segments;
mod shared;
mod store;
mod table;
mod table_data;
mod table_ops;
mod value;
mod vmctx;

#[cfg(kernref_panic_check)]
pub use builtins::collector_builtins;

pub use backtrace::{FrameInfo, WasmBacktrace};
pub use caller::Caller;
pub use config::Config;
pub use convert::{FromWasm, HostArg, ToWasm, WasmParams, WasmResults};
pub use engine::Engine;
pub use external::Extern;
pub use func::Func;
pub use func_calls::TypedFunc;
pub use global::Global;
pub use instance::{Instance, InstanceExports};
pub use instance_pre::InstancePre;
pub use into_func::{HostReturn, IntoFunc};
pub use limiter::{ResourceLimiter, StoreLimits, StoreLimitsBuilder};
pub use linker::Linker;
pub use memory::Memory;
pub use module::{ExportType, ImportType, Module};
pub use rooted::{OwnedRooted, Rooted};
pub use store::{AsContext, AsContextMut, Store, StoreContext, StoreContextMut, UpdateDeadline};
pub use table::Table;
pub use value::Val;
