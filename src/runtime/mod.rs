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
//! The layer below is untyped; here it gets its types. A handle is followed
//! only after a check that it belongs to the store at hand (V6); what is lent
//! to the embedder borrows the store.
//!
//! | file | owns |
//! |---|---|
//! | `store/mod` | [`Store`]: the owner of a guest, and the embedder's data |
//! | `store/context` | borrows of a store, and the traits through which functions take one |
//! | `store/dropping` | a store that is dropped in steps |
//! | `store/inner`, `store/hooks` | what its one pointer points to; the embedder's limiter and epoch callback |
//! | `func`, `func_calls` | the handle to a function; calling it |
//! | `memory`, `table`, `global`, `instance` | the other handles, and what they do |
//! | `external` | any of the four that can be imported |
//! | `value` | values whose types are only known at run time |
//! | `convert/mod`, `convert/cells`, `convert/list`, `convert/reference`, `convert/values` | values between cells and Rust types; reading cells; lists of them; references; [`Val`]s |
//! | `rooted` | references that are lent, and kept for the host |
//! | `host_func`, `into_func` | making and running host functions; closures that can be one |
//! | `host_item` | a host function with the type of data that it expects |
//! | `caller` | what a host function sees of its caller |
//! | `link`, `instantiate` | resolving imports; making an instance |
//! | `linker`, `definitions` | definitions by name |
//! | `instance_pre` | a module with its imports resolved |
//! | `backtrace` | the frames of the last trap |
//! | `watchdog` | a store with a limit of time, on a host |

mod backtrace;
mod caller;
#[expect(unsafe_code, reason = "cells are read and written")]
mod convert;
mod definitions;
mod external;
mod func;
#[expect(unsafe_code, reason = "enters generated code")]
mod func_calls;
#[expect(unsafe_code, reason = "vouches for the type of a value")]
mod global;
#[expect(unsafe_code, reason = "is entered by generated code")]
mod host_func;
#[expect(unsafe_code, reason = "vouches for a type")]
mod host_item;
mod instance;
mod instance_pre;
#[expect(unsafe_code, reason = "runs start functions")]
mod instantiate;
#[expect(unsafe_code, reason = "makes shims for closures")]
mod into_func;
mod link;
mod linker;
mod memory;
mod rooted;
#[expect(unsafe_code, reason = "a store is reached by a raw pointer")]
mod store;
mod table;
mod value;
#[cfg(all(feature = "std", target_os = "linux"))]
mod watchdog;

pub use backtrace::{FrameInfo, WasmBacktrace};
pub use caller::Caller;
pub use convert::{FromWasm, HostArg, ToWasm, WasmParams, WasmResults};
pub use external::Extern;
pub use func::Func;
pub use func_calls::TypedFunc;
pub use global::Global;
pub use instance::{Instance, InstanceExports};
pub use instance_pre::InstancePre;
pub use into_func::{HostReturn, IntoFunc};
pub use linker::Linker;
pub use memory::Memory;
pub use rooted::{OwnedRooted, Rooted};
pub use store::dropping::DroppingStore;
pub use store::figures::StoreFigures;
pub use store::{AsContext, AsContextMut, Store, StoreContext, StoreContextMut, UpdateDeadline};
pub use table::Table;
pub use value::Val;
