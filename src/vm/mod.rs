//! One guest's raw state: what generated code reads, writes and calls, and the
//! store that owns it.
//!
//! Knows neither the type of the embedder's data nor a handle nor a value with
//! a type of its own: entities are store indices and addresses, values are
//! cells. What needs the embedder's data is reached through functions that the
//! store was given.
//!
//! Invariants: V1 to V6, stated in `store`. All references that a table, a
//! global or a root holds are counted; an operation checks everything before it
//! changes anything.
//!
//! ```text
//! StoreOpaque ──owns──▶ VmBlock { VmStoreContext | owner }     seen by generated code
//!      ├──▶ InstanceData ──▶ ContextBox { VmContext … | HostContext … }   likewise
//!      └──▶ MemoryData, TableData ──▶ VmPlace: in a context or in a cell
//! ```
//!
//! | file | owns |
//! |---|---|
//! | `raw_box` | memory that generated code keeps pointers to |
//! | `context` | the layout of contexts, as addresses with checked indices |
//! | `host_def` | host functions: definition, and what generated code reaches them by |
//! | `layout` | what a store starts with: its block and its heap |
//! | `memory`, `table`, `global`, `instance` | an entity as its store knows it |
//! | `roots` | which slots the host keeps counted |
//! | `backtrace` | where Wasm was at the last trap |
//! | `code_map`, `exit_stubs` | finding modules by address; stubs by type |
//! | `store` | [`StoreOpaque`](store::StoreOpaque): all of that, and the one way to it |
//! | `collecting`, `failure` | when references are released; what a failed call leaves |
//! | `counted_places` | how many places can hold references |
//! | `memory_ops`, `table_ops`, `rooting` | operations on a store's entities |
//! | `const_expr`, `segments` | constant expressions; the instructions on segments |
//! | `instantiate` | making an instance of resolved imports |
//! | `call`, `catch` | into generated code and back; panics on the way |
//! | `builtins` | what generated code and the handler of faults call |

pub(crate) mod backtrace;
mod builtins;
pub(crate) mod call;
pub(crate) mod catch;
mod code_map;
mod collecting;
pub(crate) mod const_expr;
mod context;
mod counted_places;
mod exit_stubs;
mod failure;
pub(crate) mod global;
pub(crate) mod host_def;
pub(crate) mod instance;
pub(crate) mod instantiate;
mod layout;
pub(crate) mod memory;
pub(crate) mod memory_ops;
pub(crate) mod raw_box;
mod rooting;
pub(crate) mod roots;
mod segments;
pub(crate) mod store;
pub(crate) mod table;
pub(crate) mod table_ops;

pub(crate) use builtins::FUNCTIONS;
#[cfg(kernref_panic_check)]
pub use builtins::collector_builtins;
