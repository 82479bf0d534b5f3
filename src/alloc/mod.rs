//! Memory from the embedder: the traits through which Kernref asks for it, and
//! ready-made providers.
//!
//! `arch` below, and `stack` and `gc` above, never allocate. The layers above
//! never know where memory comes from.

mod code_memory;
#[cfg(feature = "compile")]
mod compile_allocator;
mod embedder;
#[cfg(feature = "fixed-region")]
mod fixed;
mod heap;
#[cfg(feature = "kernel-heap")]
mod kernel_heap;
#[cfg(feature = "std")]
mod mmap;
mod object;
#[cfg(feature = "page-tables")]
mod paged;
mod pool;
#[cfg(any(feature = "fixed-region", feature = "page-tables"))]
mod ranges;
mod stack_bounds;
mod stack_source;

#[cfg(feature = "std")]
pub(crate) use crate::fallible::try_arc;
pub(crate) use crate::fallible::{
    try_box, try_boxed_slice, try_push, try_string, try_to_string, try_vec_with_capacity,
};
pub(crate) use code_memory::PublishedCode;
#[cfg(feature = "compile")]
pub use compile_allocator::{CompileAllocator, CompileRegions, MAX_CONFINED_COMPILATIONS};
#[cfg(feature = "compile")]
pub(crate) use compile_allocator::{Confines, Inside};
pub use embedder::{CodeMemory, CodeRegion, LinearMemory, MemorySource};
#[cfg(feature = "fixed-region")]
pub use fixed::FixedRegion;
pub use heap::HeapMemorySource;
#[cfg(feature = "kernel-heap")]
pub use kernel_heap::{HeapUsage, KernelHeap, LockHook, MAX_HEAP_REGIONS};
#[cfg(feature = "std")]
pub use mmap::{MmapCodeMemory, MmapMemorySource};
pub use object::{GLOBAL_OBJECTS, GlobalObjects, ObjectAllocator};
#[cfg(feature = "page-tables")]
pub use paged::{FramePool, PageTables, PagedMemory};
#[cfg(feature = "aarch64-paging")]
pub use paged::{Frames, MappingTables, WithMapping};
#[cfg(feature = "x86_64-paging")]
pub use paged::{MapperTables, WithMapper};
pub use pool::{PoolLimits, PoolingMemorySource};
pub use stack_bounds::{STACK_RESERVE_BYTES, StackBounds};
#[cfg(feature = "compile")]
pub(crate) use stack_source::Reserved;
pub use stack_source::{HeapStackSource, StackMemory, StackSource};
