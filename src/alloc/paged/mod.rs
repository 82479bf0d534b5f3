//! Memory over page tables: [`PagedMemory`], and what it asks of the kernel.
//!
//! | file | owns |
//! |---|---|
//! | `tables` | [`PageTables`], which a kernel implements |
//! | `memory` | [`PagedMemory`]: ranges of addresses, shared out and mapped |
//! | `mapper`, `mapping` | `PageTables` over the crates `x86_64` and `aarch64-paging` |
//! | `frames` | `Frames`, which a kernel implements for the second |
//! | `frame_pool` | [`FramePool`]: frames for kernels that have no allocator for them |

mod frame_pool;
#[cfg(feature = "aarch64-paging")]
mod frames;
#[cfg(feature = "x86_64-paging")]
mod mapper;
#[cfg(feature = "aarch64-paging")]
mod mapping;
mod memory;
mod tables;
#[cfg(all(test, feature = "x86_64-paging", feature = "aarch64-paging"))]
mod tests;

pub use frame_pool::FramePool;
#[cfg(feature = "aarch64-paging")]
pub use frames::Frames;
#[cfg(feature = "x86_64-paging")]
pub use mapper::{MapperTables, WithMapper};
#[cfg(feature = "aarch64-paging")]
pub use mapping::{MappingTables, WithMapping};
pub use memory::PagedMemory;
pub use tables::PageTables;
