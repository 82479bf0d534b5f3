//! [`KernelHeap`]: a global allocator over memory that a kernel hands over.
//! The search for a block is `linked_list_allocator`'s; several regions, the
//! lock, the figures and the refusals are this file's.
//!
//! Invariants:
//! - **H1** Every byte of a region belongs to one hole in that region's list or to
//!   one block that is in use.
//! - **H2** Regions do not overlap, and rounding an address within one up to a
//!   multiple of [`PAGE_BYTES`] does not overflow.
//! - **H3** While the lock is held, nothing is called but the list's own code.

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

/// Alignments up to this one need no check against the end of address space.
const PAGE_BYTES: usize = 4096;
/// What the list aligns its nodes to, and thereby blocks and their sizes.
const WORD_BYTES: usize = align_of::<usize>();

/// What a [`KernelHeap`] does around its lock: masks interrupts, or forbids
/// preemption.
pub trait LockHook: Sync {
    /// Called before the lock is taken. The result is passed to [`Self::after`].
    fn before(&self) -> usize;

    /// Called after the lock was released.
    fn after(&self, state: usize);
}

/// Does nothing.
impl LockHook for () {
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
/// # From where it may be called
/// From any thread on any processor: a spin lock guards it. While the lock is
/// held its holder must not be interrupted by something that allocates or
/// frees, since that would wait forever. So either
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
    /// if the memory is smaller than a block, overlaps a region, or reaches into
    /// the last page of the address space. The memory was not touched then.
    ///
    /// # Safety
    /// The memory can be read and written as long as the heap exists, and
    /// nothing else uses it.
    pub unsafe fn add_region(&self, start: *mut u8, len_bytes: usize) -> Result<()> {
        let bounds = Bounds::within(start.addr(), len_bytes)
            .ok_or(Misuse::InvalidConfig("heap region is too small or ends too high"))?;
        self.locked(|state| {
            // SAFETY: by this function's contract.
            unsafe { state.add(start.with_addr(bounds.start), bounds) }
        })
    }

    /// How full it is.
    pub fn usage(&self) -> HeapUsage {
        self.locked(|state| {
            let size_bytes: usize = state.regions().map(|region| region.bounds.len_bytes()).sum();
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
// until they are freed. Access to the lists is exclusive by the lock.
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

/// First byte of a region and the byte behind its last one: whole words.
#[derive(Clone, Copy)]
struct Bounds {
    start: usize,
    end: usize,
}

impl Bounds {
    /// The whole words within a range; `None` if they have no room for a block
    /// or break H2.
    fn within(start: usize, len_bytes: usize) -> Option<Self> {
        let end = start.checked_add(len_bytes)?;
        end.checked_next_multiple_of(PAGE_BYTES)?;
        let start = start.checked_next_multiple_of(WORD_BYTES)?;
        let end = end - end % WORD_BYTES;
        let has_room = start != 0 && end >= start.checked_add(HoleList::min_size())?;
        has_room.then_some(Self { start, end })
    }

    fn len_bytes(self) -> usize {
        self.end - self.start
    }

    fn contains(self, address: usize) -> bool {
        (self.start..self.end).contains(&address)
    }

    fn overlaps(self, other: Self) -> bool {
        self.start < other.end && other.start < self.end
    }

    /// Whether the list can search for a block of this alignment: it rounds
    /// addresses up without a check for overflow.
    #[inline]
    fn can_align(self, align: usize) -> bool {
        align <= PAGE_BYTES || self.end.checked_next_multiple_of(align).is_some()
    }
}

/// A region. `base` is its first byte, with the provenance of all of it.
struct Region {
    base: *mut u8,
    bounds: Bounds,
    holes: HoleList,
}

impl Region {
    const NONE: Self =
        Self { base: null_mut(), bounds: Bounds { start: 0, end: 0 }, holes: HoleList::empty() };
}

/// What the lock guards.
struct State {
    /// The first `region_count` are in use.
    regions: [Region; MAX_HEAP_REGIONS],
    region_count: usize,
    used_bytes: usize,
    peak_bytes: usize,
}

// SAFETY: the regions' pointers are to memory that is the heap's alone, from
// whichever thread.
unsafe impl Send for State {}

impl State {
    const EMPTY: Self = Self {
        regions: [Region::NONE; MAX_HEAP_REGIONS],
        region_count: 0,
        used_bytes: 0,
        peak_bytes: 0,
    };

    fn regions(&self) -> impl Iterator<Item = &Region> {
        self.regions.iter().take(self.region_count)
    }

    /// # Safety
    /// As for [`KernelHeap::add_region`]; `base` is at `bounds.start`.
    unsafe fn add(&mut self, base: *mut u8, bounds: Bounds) -> Result<()> {
        if self.regions().any(|region| region.bounds.overlaps(bounds)) {
            return Err(Misuse::InvalidConfig("heap region overlaps another").into());
        }
        let Some(place) = self.regions.get_mut(self.region_count) else {
            let limit = MAX_HEAP_REGIONS as u64;
            return Err(
                LimitError { what: "regions of a heap", requested: limit + 1, limit }.into()
            );
        };
        // SAFETY: the memory is the heap's by this function's contract. Its
        // bounds are whole words with room for a node, which the list asserts.
        let holes = unsafe { HoleList::new(base, bounds.len_bytes()) };
        *place = Region { base, bounds, holes };
        self.region_count += 1;
        Ok(())
    }

    #[inline]
    fn allocate(&mut self, layout: Layout) -> Option<NonNull<u8>> {
        for region in self.regions.iter_mut().take(self.region_count) {
            if !region.bounds.can_align(layout.align()) {
                continue;
            }
            if let Ok((block, taken)) = region.holes.allocate_first_fit(layout) {
                self.used_bytes += taken.size();
                self.peak_bytes = self.peak_bytes.max(self.used_bytes);
                return Some(block);
            }
        }
        None
    }

    /// # Safety
    /// `memory` is a block in use of this heap, allocated with `layout`.
    #[inline]
    unsafe fn deallocate(&mut self, memory: *mut u8, layout: Layout) {
        let address = memory.addr();
        let mut regions = self.regions.iter_mut().take(self.region_count);
        let Some(region) = regions.find(|region| region.bounds.contains(address)) else { return };
        // A caller's pointer may be good for less than the whole block.
        let Some(block) = NonNull::new(region.base.with_addr(address)) else { return };
        // SAFETY: by this function's contract a block of this list (H1).
        let freed = unsafe { region.holes.deallocate(block, layout) };
        self.used_bytes -= freed.size();
    }
}
