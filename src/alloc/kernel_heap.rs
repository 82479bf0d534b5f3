//! [`KernelHeap`]: a global allocator over memory that a kernel hands over.
//! `linked_list_allocator` searches for blocks; this file adds several regions,
//! the lock, the figures and the refusals.
//!
//! Invariants:
//! - **H1** Every byte of a region belongs to one hole in that region's list or to
//!   one block that is in use.
//! - **H2** Regions do not overlap. A place without a region has empty bounds and
//!   an empty list.
//! - **H3** While the lock is held, only the list's own code is called.

use crate::error::{LimitError, Misuse, Result};
use core::alloc::{GlobalAlloc, Layout};
use core::ptr::{NonNull, null_mut};
use core::sync::atomic::{AtomicUsize, Ordering};
use linked_list_allocator::hole::HoleList;
use spin::mutex::SpinMutex;

#[cfg(test)]
mod tests;

/// Most regions that one heap can have.
pub const MAX_HEAP_REGIONS: usize = 8;

/// What the list aligns its nodes to, and thereby blocks and their sizes.
const WORD_BYTES: usize = align_of::<usize>();

/// What a [`KernelHeap`] does around its lock: masks interrupts, or forbids
/// preemption.
///
/// # Safety
/// Neither method unwinds, and neither allocates or frees: the heap is the
/// global allocator, which may not unwind, and would call them again.
pub unsafe trait LockHook: Sync {
    /// Called before the lock is taken. The result is passed to [`Self::after`].
    fn before(&self) -> usize;

    /// Called after the lock was released.
    fn after(&self, state: usize);
}

// SAFETY: does nothing.
unsafe impl LockHook for () {
    #[inline]
    fn before(&self) -> usize {
        0
    }

    #[inline]
    fn after(&self, _: usize) {}
}

/// How full a [`KernelHeap`] is. Sizes of blocks are counted as they are taken
/// from the heap: rounded up to words, and no smaller than two words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeapUsage {
    /// Bytes in blocks that are in use.
    pub used_bytes: usize,
    /// Bytes in holes. They need not lie in one piece.
    pub free_bytes: usize,
    /// The largest value that `used_bytes` has had.
    pub peak_bytes: usize,
}

/// A heap for `#[global_allocator]`, empty until it is given memory:
///
/// ```no_run
/// use kernref::alloc::KernelHeap;
///
/// #[global_allocator]
/// static HEAP: KernelHeap = KernelHeap::new();
///
/// fn start(free_memory: *mut u8, len_bytes: usize) -> kernref::Result<()> {
///     // SAFETY: the boot loader left this memory to us; nothing else uses it.
///     unsafe { HEAP.add_region(free_memory, len_bytes) }
/// }
/// # fn main() {}
/// ```
///
/// A request that does not fit is refused with a null pointer; neither this
/// nor any other request panics. Kernref turns the refusal of what a guest
/// caused into [`crate::Error::OutOfMemory`].
///
/// # Where it may be called
/// On any thread and any processor: a spin lock guards it. While the lock is
/// held, nothing that allocates or frees may interrupt its holder, because it
/// would wait forever. So either
/// - interrupt handlers neither allocate nor free, and threads that share a
///   processor are not preempted in favour of a thread that spins; or
/// - the heap has a [`LockHook`] that masks interrupts while the lock is held.
///
/// Handlers of exceptions that cannot be masked must never allocate or free.
///
/// # Speed
/// The heap takes the first hole that fits, in order of addresses, and walks
/// the same list to free. On a fresh heap that is as fast as elaborate
/// allocators; with 10 000 holes it was 10 to 64 times slower than one. A
/// kernel that runs for long with many small objects is better served by an
/// allocator with size classes; Kernref works with any.
pub struct KernelHeap<H = ()> {
    state: SpinMutex<State>,
    /// Larger requests are refused.
    largest_bytes: AtomicUsize,
    hook: H,
}

impl KernelHeap {
    /// A heap without memory, and without a hook around its lock.
    pub const fn new() -> Self {
        Self::with_hook(())
    }
}

impl<H: LockHook + Default> Default for KernelHeap<H> {
    fn default() -> Self {
        Self::with_hook(H::default())
    }
}

impl<H> KernelHeap<H> {
    /// A heap without memory that calls `hook` around its lock.
    pub const fn with_hook(hook: H) -> Self {
        Self {
            state: SpinMutex::new(State::EMPTY),
            largest_bytes: AtomicUsize::new(usize::MAX),
            hook,
        }
    }
}

impl<H: LockHook> KernelHeap<H> {
    /// Gives the heap `len_bytes` of memory at `start`, trimmed to whole words.
    /// Regions are searched in the order in which they were added; no block
    /// spans two of them, even if they touch.
    ///
    /// # Errors
    /// [`crate::Error::Limit`] beyond [`MAX_HEAP_REGIONS`]; [`Misuse::InvalidConfig`]
    /// if the memory is smaller than a block, overlaps a region, or wraps around
    /// the end of the address space. The memory is then untouched.
    ///
    /// # Safety
    /// The memory can be read and written as long as the heap exists, and
    /// nothing else uses it.
    pub unsafe fn add_region(&self, start: *mut u8, len_bytes: usize) -> Result<()> {
        let bounds = Bounds::within(start.addr(), len_bytes)
            .ok_or(Misuse::InvalidConfig("heap region is too small or wraps around"))?;
        self.locked(|state| {
            // SAFETY: by this function's contract.
            unsafe { state.add(start.with_addr(bounds.start), bounds) }
        })
    }

    /// How full it is.
    pub fn usage(&self) -> HeapUsage {
        self.locked(|state| {
            let size_bytes: usize = state.regions().map(|region| region.bounds.len_bytes).sum();
            HeapUsage {
                used_bytes: state.used_bytes,
                free_bytes: size_bytes - state.used_bytes,
                peak_bytes: state.peak_bytes,
            }
        })
    }

    /// Refuses requests of more than `bytes` from now on: a bound on what one
    /// caller can take, and a way for tests to run out of memory. There is none
    /// at first (`usize::MAX`).
    pub fn set_largest_request(&self, bytes: usize) {
        self.largest_bytes.store(bytes, Ordering::Relaxed);
    }

    #[inline]
    fn locked<R>(&self, body: impl FnOnce(&mut State) -> R) -> R {
        let hook_state = self.hook.before();
        let result = body(&mut self.state.lock());
        self.hook.after(hook_state);
        result
    }
}

// SAFETY: blocks in use are disjoint (H1), of the layout asked for, and stay
// until they are freed. Access to the lists is exclusive by the lock. Nothing
// unwinds: neither the list's code nor, by the contract of `LockHook`, the hook.
unsafe impl<H: LockHook> GlobalAlloc for KernelHeap<H> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.size() > self.largest_bytes.load(Ordering::Relaxed) {
            return null_mut();
        }
        self.locked(|state| state.allocate(layout)).map_or(null_mut(), NonNull::as_ptr)
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: by the trait's contract, from `alloc` with this layout.
        self.locked(|state| unsafe { state.deallocate(memory, layout) });
    }
}

/// Where a region lies: whole words.
#[derive(Clone, Copy)]
struct Bounds {
    start: usize,
    len_bytes: usize,
}

impl Bounds {
    const EMPTY: Self = Self { start: 0, len_bytes: 0 };

    /// The whole words within a range; `None` if they have no room for a block.
    fn within(start: usize, len_bytes: usize) -> Option<Self> {
        let end = start.checked_add(len_bytes)?;
        let start = start.checked_next_multiple_of(WORD_BYTES)?;
        let len_bytes = (end - end % WORD_BYTES).checked_sub(start)?;
        (start != 0 && len_bytes >= HoleList::min_size()).then_some(Self { start, len_bytes })
    }

    /// The byte behind the last one. Does not overflow, as [`Self::within`] checked.
    #[inline]
    fn end(self) -> usize {
        self.start + self.len_bytes
    }

    #[inline]
    fn contains(self, address: usize) -> bool {
        address.wrapping_sub(self.start) < self.len_bytes
    }

    fn overlaps(self, other: Self) -> bool {
        self.start < other.end() && other.start < self.end()
    }

    /// Whether the list can search for a block of this alignment. It compares
    /// addresses without a check for overflow: that of a node which would begin
    /// at the end, and that of a block which fits but for its start, moved on by
    /// a node and then rounded up.
    #[inline]
    fn can_align(self, align: usize) -> bool {
        self.end().checked_add(align + HoleList::min_size()).is_some()
    }
}

/// A region. `base` is its first byte, with the provenance of all of it.
struct Region {
    base: *mut u8,
    bounds: Bounds,
    holes: HoleList,
}

impl Region {
    const NONE: Self = Self { base: null_mut(), bounds: Bounds::EMPTY, holes: HoleList::empty() };

    /// A block, and the layout it was rounded up to.
    #[inline]
    fn allocate(&mut self, layout: Layout) -> Option<(NonNull<u8>, Layout)> {
        match self.bounds.can_align(layout.align()) {
            true => self.holes.allocate_first_fit(layout).ok(),
            false => None,
        }
    }
}

/// What the lock guards.
struct State {
    first: Region,
    /// In the order in which they were added; unused places come last.
    others: [Region; MAX_HEAP_REGIONS - 1],
    used_bytes: usize,
    peak_bytes: usize,
}

// SAFETY: the regions' pointers are to memory that belongs to the heap alone,
// on whatever thread.
unsafe impl Send for State {}

impl State {
    const EMPTY: Self = Self {
        first: Region::NONE,
        others: [Region::NONE; MAX_HEAP_REGIONS - 1],
        used_bytes: 0,
        peak_bytes: 0,
    };

    /// All places for regions.
    fn regions(&self) -> impl Iterator<Item = &Region> {
        core::iter::once(&self.first).chain(&self.others)
    }

    /// # Safety
    /// As for [`KernelHeap::add_region`]; `base` is at `bounds.start`.
    unsafe fn add(&mut self, base: *mut u8, bounds: Bounds) -> Result<()> {
        if self.regions().any(|region| region.bounds.overlaps(bounds)) {
            return Err(Misuse::InvalidConfig("heap region overlaps another").into());
        }
        let mut places = core::iter::once(&mut self.first).chain(&mut self.others);
        let Some(place) = places.find(|region| region.base.is_null()) else {
            let limit = MAX_HEAP_REGIONS as u64;
            return Err(
                LimitError { what: "regions of a heap", requested: limit + 1, limit }.into()
            );
        };
        // SAFETY: the memory is the heap's by this function's contract. Its
        // bounds are whole words with room for a node, which the list asserts.
        let holes = unsafe { HoleList::new(base, bounds.len_bytes) };
        *place = Region { base, bounds, holes };
        Ok(())
    }

    /// Most heaps have one region, so the first is asked without a loop.
    #[inline]
    fn allocate(&mut self, layout: Layout) -> Option<NonNull<u8>> {
        let (block, taken) = match self.first.allocate(layout) {
            Some(found) => found,
            None => self.allocate_elsewhere(layout)?,
        };
        self.used_bytes += taken.size();
        self.peak_bytes = self.peak_bytes.max(self.used_bytes);
        Some(block)
    }

    #[cold]
    #[inline(never)]
    fn allocate_elsewhere(&mut self, layout: Layout) -> Option<(NonNull<u8>, Layout)> {
        self.others.iter_mut().find_map(|region| region.allocate(layout))
    }

    /// # Safety
    /// `memory` is a block in use of this heap, allocated with `layout`.
    #[inline]
    unsafe fn deallocate(&mut self, memory: *mut u8, layout: Layout) {
        let region = match self.first.bounds.contains(memory.addr()) {
            true => &mut self.first,
            false => match self.other_with(memory.addr()) {
                Some(region) => region,
                None => return,
            },
        };
        // The caller's pointer may be valid for less than the whole block.
        let Some(block) = NonNull::new(region.base.with_addr(memory.addr())) else { return };
        // SAFETY: by this function's contract a block of this list (H1).
        let freed = unsafe { region.holes.deallocate(block, layout) };
        self.used_bytes -= freed.size();
    }

    #[cold]
    #[inline(never)]
    fn other_with(&mut self, address: usize) -> Option<&mut Region> {
        self.others.iter_mut().find(|region| region.bounds.contains(address))
    }
}
