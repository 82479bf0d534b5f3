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
    let mut claim = store.claim(0, minimum_bytes.saturating_add(size_of::<MemoryData>()))?;
    let mut memory = MemoryData::new(&claim.engine, ty, place, minimum_bytes, maximum_bytes)?;
    // The source may hold more than was asked for.
    let more = memory.bytes_to_count(minimum_bytes);
    claim.extend(more)?;
    memory.note_counted(more);
    let index = StoreOpaque::push(&mut claim.memories, memory)?;
    claim.keep();
    Ok(index)
}

fn refused_by_limiter(bytes: usize, has_bytes: usize) -> Error {
    let what = "bytes of memory (the store's limiter keeps it at what it has)";
    Error::Limit(LimitError { what, requested: bytes as u64, limit: has_bytes as u64 })
}

/// `memory.grow`: the old size in pages, or why it cannot grow.
pub(crate) fn grow(store: &mut StoreOpaque, index: u32, delta_pages: u64) -> Result<u64> {
    let growth = check_growth(store, index, delta_pages)?;
    set_len(store, index, growth.new_bytes)?;
    Ok(growth.old_pages)
}

/// How a memory will grow.
pub(crate) struct Growth {
    pub(crate) old_pages: u64,
    pub(crate) old_bytes: usize,
    pub(crate) new_bytes: usize,
    /// Whether the source may be asked to commit less than all at once.
    pub(crate) in_pieces: bool,
}

/// Whether a memory may grow: how, or why not.
pub(crate) fn check_growth(store: &mut StoreOpaque, index: u32, delta: u64) -> Result<Growth> {
    let memory = store.memories.get(index as usize).ok_or(Misuse::WrongStore)?;
    let (old_pages, old_bytes) = (memory.pages(), memory.len_bytes());
    let in_pieces = !memory.is_guarded();
    if delta == 0 {
        return Ok(Growth { old_pages, old_bytes, new_bytes: old_bytes, in_pieces });
    }
    let maximum = memory.ty().maximum;
    let new_pages = old_pages.saturating_add(delta);
    // This is all the address space that was reserved.
    let capacity_pages = memory.capacity_bytes() as u64 / WASM_PAGE_BYTES;
    let limit = page_limit(memory.ty());
    limits::Limit { most: limit.most.min(capacity_pages), ..limit }.check(new_pages)?;
    let new_bytes = (new_pages * WASM_PAGE_BYTES) as usize;
    let declared = maximum.map(|pages| pages.saturating_mul(WASM_PAGE_BYTES) as usize);
    if !store.limiter_allows(|limiter| limiter.memory_growing(old_bytes, new_bytes, declared)) {
        return Err(refused_by_limiter(new_bytes, old_bytes));
    }
    let memory = store.memories.get(index as usize).ok_or(Misuse::WrongStore)?;
    store.ask_for_bytes(memory.bytes_to_count(new_bytes))?;
    Ok(Growth { old_pages, old_bytes, new_bytes, in_pieces })
}

/// Lets the source commit so many bytes, which was checked to be allowed. The
/// memory does not grow yet, but what is committed is counted from now on, because
/// it remains the memory's if the growth is given up.
pub(crate) fn commit(store: &mut StoreOpaque, index: u32, bytes: usize) -> Result<()> {
    counted(store, index, bytes, MemoryData::commit)
}

/// Makes a memory so long, which was checked to be allowed: embedder code may have
/// run since the check, and the limiter is asked again for what is not counted yet.
pub(crate) fn set_len(store: &mut StoreOpaque, index: u32, bytes: usize) -> Result<()> {
    counted(store, index, bytes, MemoryData::grow)
}

/// Has a memory commit `bytes`, by `change`, and counts what is new of that.
fn counted(
    store: &mut StoreOpaque,
    index: u32,
    bytes: usize,
    change: impl FnOnce(&mut MemoryData, usize) -> Result<()>,
) -> Result<()> {
    let memory = store.memories.get(index as usize).ok_or(Misuse::WrongStore)?;
    let more = memory.bytes_to_count(bytes);
    let mut claim = store.claim(0, more)?;
    let memory = claim.memories.get_mut(index as usize).ok_or(Misuse::WrongStore)?;
    change(memory, bytes)?;
    memory.note_counted(more);
    claim.keep();
    Ok(())
}

/// How long a memory is, if there is one.
pub(crate) fn len_bytes(store: &StoreOpaque, index: u32) -> Option<usize> {
    store.memories.get(index as usize).map(MemoryData::len_bytes)
}
