//! Making and growing the memories of a store: limits are checked and the
//! embedder's limiter is asked before anything changes.

use super::memory::MemoryData;
use super::raw_box::VmPlace;
use super::store::StoreOpaque;
use crate::abi::VmMemory;
use crate::artifact::{MemoryType, WASM_PAGE_BYTES};
use crate::engine::limits;
use crate::error::{Error, LimitError, Misuse, Result};

fn page_limit(ty: &MemoryType) -> limits::Limit {
    let limit = if ty.memory64 { limits::MEMORY64_PAGES } else { limits::MEMORY32_PAGES };
    limits::Limit { most: ty.maximum.unwrap_or(limit.most).min(limit.most), ..limit }
}

/// Makes a memory that generated code sees at `place`, and adds it to the
/// store.
pub(crate) fn create(
    store: &mut StoreOpaque,
    ty: MemoryType,
    place: VmPlace<VmMemory>,
) -> Result<u32> {
    page_limit(&ty).check(ty.minimum)?;
    let minimum_bytes = (ty.minimum * WASM_PAGE_BYTES) as usize;
    let maximum_bytes = (page_limit(&ty).most * WASM_PAGE_BYTES) as usize;
    let count = store.memories.len();
    let declared = ty.maximum.map(|pages| pages.saturating_mul(WASM_PAGE_BYTES) as usize);
    let allowed = store.limiter_allows(|limiter| {
        count < limiter.memories() && limiter.memory_growing(0, minimum_bytes, declared)
    });
    if !allowed {
        return Err(refused_by_limiter(minimum_bytes, 0));
    }
    // Before there is a memory, which a failure here would have to release.
    store
        .memories
        .try_reserve(1)
        .map_err(|_| Error::OutOfMemory { bytes: size_of::<MemoryData>() })?;
    let memory = MemoryData::new(&store.engine, ty, place, minimum_bytes, maximum_bytes)?;
    StoreOpaque::push(&mut store.memories, memory)
}

fn refused_by_limiter(bytes: usize, has_bytes: usize) -> Error {
    let what = "bytes of memory (the store's limiter keeps it at what it has)";
    Error::Limit(LimitError { what, requested: bytes as u64, limit: has_bytes as u64 })
}

/// `memory.grow`: the old size in pages, or why it cannot grow.
pub(crate) fn grow(store: &mut StoreOpaque, index: u32, delta_pages: u64) -> Result<u64> {
    let memory = store.memories.get(index as usize).ok_or(Misuse::WrongStore)?;
    let old_pages = memory.pages();
    if delta_pages == 0 {
        return Ok(old_pages);
    }
    let (old_bytes, maximum) = (memory.len_bytes(), memory.ty().maximum);
    let new_pages = old_pages.saturating_add(delta_pages);
    // This is all the address space that was reserved.
    let capacity_pages = memory.capacity_bytes() as u64 / WASM_PAGE_BYTES;
    let limit = page_limit(memory.ty());
    limits::Limit { most: limit.most.min(capacity_pages), ..limit }.check(new_pages)?;
    let new_bytes = (new_pages * WASM_PAGE_BYTES) as usize;
    let declared = maximum.map(|pages| pages.saturating_mul(WASM_PAGE_BYTES) as usize);
    if !store.limiter_allows(|limiter| limiter.memory_growing(old_bytes, new_bytes, declared)) {
        return Err(refused_by_limiter(new_bytes, old_bytes));
    }
    let StoreOpaque { memories, engine, .. } = store;
    let memory = memories.get_mut(index as usize).ok_or(Misuse::WrongStore)?;
    memory.grow(engine, new_bytes)?;
    Ok(old_pages)
}
