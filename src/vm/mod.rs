//! One guest's raw state: what generated code reads, writes and calls, and the
//! store that owns it.
//!
//! Knows neither the type of the embedder's data, nor handles, nor typed
//! values: entities are store indices and addresses, values are cells. What
//! needs the embedder's data is reached through functions that the store was
//! given.
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
//! | `pinned` | what handles name by address |
//! | `claims` | how many places can hold references; how much memory the guest has |
//! | `memory_ops`, `table_ops`, `rooting` | operations on a store's entities |
//! | `const_expr`, `segments` | constant expressions; the instructions on segments |
//! | `bulk` | what bulk work costs, and where it can be interrupted |
//! | `host_frame` | values of a host call that are roots |
//! | `instantiate`, `initial_contents` | making an instance of resolved imports |
//! | `call`, `catch` | into generated code and back; panics on the way |
//! | `interrupts` | ending what runs because someone has asked for it |
//! | `dropping` | dropping a store in steps |
//! | `recount` | making counts exact again after a barrier was cut |
//! | `builtins`, `bulk_builtins` | what generated code and the fault handler call |

#[expect(unsafe_code, reason = "walks the stack")]
pub(crate) mod backtrace;
#[expect(unsafe_code, reason = "is called by generated code")]
mod builtins;
#[expect(unsafe_code, reason = "reaches the store between pieces")]
pub(crate) mod bulk;
#[expect(unsafe_code, reason = "is called by generated code")]
mod bulk_builtins;
#[expect(unsafe_code, reason = "enters generated code")]
pub(crate) mod call;
#[cfg_attr(feature = "std", expect(unsafe_code, reason = "reaches the store after a panic"))]
pub(crate) mod catch;
mod claims;
#[expect(unsafe_code, reason = "vouches for stack maps")]
mod code_map;
mod collecting;
#[expect(unsafe_code, reason = "reads globals")]
pub(crate) mod const_expr;
#[expect(unsafe_code, reason = "contexts are raw memory")]
mod context;
mod dropping;
#[expect(unsafe_code, reason = "writes to func refs")]
mod exit_stubs;
mod failure;
#[expect(unsafe_code, reason = "writes to contexts")]
pub(crate) mod global;
#[expect(unsafe_code, reason = "contexts of host functions")]
pub(crate) mod host_def;
#[expect(unsafe_code, reason = "links frames by address")]
pub(crate) mod host_frame;
#[expect(unsafe_code, reason = "reaches the store between pieces")]
mod initial_contents;
pub(crate) mod instance;
#[expect(unsafe_code, reason = "fills contexts in")]
pub(crate) mod instantiate;
#[expect(unsafe_code, reason = "a word in the store's context")]
pub(crate) mod interrupts;
#[expect(unsafe_code, reason = "gives the heap its memory")]
mod layout;
#[expect(unsafe_code, reason = "bytes of linear memories")]
pub(crate) mod memory;
pub(crate) mod memory_ops;
#[expect(unsafe_code, reason = "follows addresses")]
pub(crate) mod pinned;
#[expect(unsafe_code, reason = "allocates by hand")]
pub(crate) mod raw_box;
#[expect(unsafe_code, reason = "reads globals")]
mod recount;
#[expect(unsafe_code, reason = "follows the chain of host frames")]
mod rooting;
pub(crate) mod roots;
#[expect(unsafe_code, reason = "copies to linear memories")]
mod segments;
#[expect(unsafe_code, reason = "one root pointer")]
pub(crate) mod store;
#[expect(unsafe_code, reason = "elements are raw memory")]
pub(crate) mod table;
#[expect(unsafe_code, reason = "checks bounds once for many elements")]
pub(crate) mod table_ops;
mod way_in;

pub(crate) use builtins::FUNCTIONS;
#[cfg(kernref_panic_check)]
pub use builtins::collector_builtins;
