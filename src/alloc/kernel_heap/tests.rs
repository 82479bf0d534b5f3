//! The heap against a model, and requests at the edges of its regions and of
//! the address space.

use super::*;
use crate::error::Error;
use core::sync::atomic::AtomicBool;
use proptest::prelude::*;
use std::boxed::Box;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::vec;
use std::vec::Vec;

const PAGE_BYTES: usize = 4096;

/// Memory for a heap, aligned to a page; it outlives the test.
fn memory(len_bytes: usize) -> *mut u8 {
    let layout = Layout::from_size_align(len_bytes, PAGE_BYTES).unwrap();
    // SAFETY: the layout's size is not zero.
    let memory = unsafe { std::alloc::alloc(layout) };
    assert!(!memory.is_null());
    memory
}

/// A heap over fresh regions, and their memory. Dropping it frees the memory.
struct Fixture<H = ()> {
    heap: KernelHeap<H>,
    regions: Vec<(*mut u8, usize)>,
}

// SAFETY: the pointers are only used to free the memory.
unsafe impl<H: Sync> Sync for Fixture<H> {}
// SAFETY: as above.
unsafe impl<H: Send> Send for Fixture<H> {}

impl<H: LockHook> Fixture<H> {
    fn new(heap: KernelHeap<H>, sizes: &[usize]) -> Self {
        let regions: Vec<_> = sizes.iter().map(|size| (memory(*size), *size)).collect();
        for (start, len_bytes) in &regions {
            // SAFETY: fresh memory, freed after the heap's last use.
            unsafe { heap.add_region(*start, *len_bytes).unwrap() };
        }
        Self { heap, regions }
    }

    fn alloc(&self, size: usize, align: usize) -> Option<*mut u8> {
        // SAFETY: no size here is zero.
        let block = unsafe { self.heap.alloc(layout(size, align)) };
        (!block.is_null()).then_some(block)
    }

    fn free(&self, block: *mut u8, size: usize, align: usize) {
        // SAFETY: callers pass what `alloc` gave them for this layout, once.
        unsafe { self.heap.dealloc(block, layout(size, align)) };
    }

    /// Which region a block lies in.
    fn region_of(&self, block: *mut u8) -> usize {
        let lies_in = |(start, len): &(*mut u8, usize)| {
            (start.addr()..start.addr() + len).contains(&block.addr())
        };
        self.regions.iter().position(lies_in).expect("in a region")
    }
}

impl<H> Drop for Fixture<H> {
    fn drop(&mut self) {
        for (start, len_bytes) in &self.regions {
            let layout = Layout::from_size_align(*len_bytes, PAGE_BYTES).unwrap();
            // SAFETY: from `memory`, with this layout.
            unsafe { std::alloc::dealloc(*start, layout) };
        }
    }
}

fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).unwrap()
}

fn figures<H: LockHook>(heap: &KernelHeap<H>) -> (usize, usize, usize) {
    let HeapUsage { used_bytes, free_bytes, peak_bytes } = heap.usage();
    (used_bytes, free_bytes, peak_bytes)
}

#[test]
fn refuses_everything_without_memory() {
    let fixture = Fixture::new(KernelHeap::new(), &[]);
    assert_eq!(fixture.alloc(1, 1), None);
    assert_eq!(figures(&fixture.heap), (0, 0, 0));
}

#[test]
fn gives_all_its_memory_and_takes_it_back() {
    let fixture = Fixture::new(KernelHeap::new(), &[4096]);
    let mut blocks: Vec<_> = std::iter::from_fn(|| fixture.alloc(64, 8)).collect();
    assert_eq!(blocks.len(), 64);
    assert_eq!(figures(&fixture.heap), (4096, 0, 4096));
    assert_eq!(fixture.alloc(1, 1), None);
    // Every other block first: the holes must become one again.
    for parity in [1, 0] {
        for block in blocks.iter().skip(parity).step_by(2) {
            fixture.free(*block, 64, 8);
        }
    }
    blocks.clear();
    assert_eq!(figures(&fixture.heap), (0, 4096, 4096));
    assert!(fixture.alloc(4096, 8).is_some());
}

#[test]
fn refuses_what_no_memory_can_hold() {
    let fixture = Fixture::new(KernelHeap::new(), &[4096]);
    for size in [4097, 1 << 20, isize::MAX as usize - 7, isize::MAX as usize] {
        assert_eq!(fixture.alloc(size, 1), None);
    }
    for align in (12..usize::BITS - 1).map(|shift| 1 << shift) {
        // It may happen to lie right, but then it fits.
        if let Some(block) = fixture.alloc(8, align) {
            assert!(block.addr().is_multiple_of(align));
            fixture.free(block, 8, align);
        }
    }
    assert_eq!(fixture.heap.usage().used_bytes, 0);
}

#[test]
fn alignments_near_the_end_of_address_space_do_not_overflow() {
    let high = Bounds::within(usize::MAX - (4 << 20), 1 << 20).unwrap();
    assert!(high.can_align(16) && high.can_align(4096) && high.can_align(1 << 20));
    assert!(!high.can_align(1 << 30) && !high.can_align(1 << (usize::BITS - 1)));
    let low = Bounds::within(1 << 20, 1 << 20).unwrap();
    assert!(low.can_align(1 << 30) && low.can_align(1 << (usize::BITS - 1)));
    // A page off its alignment: the block would be moved on by a node first.
    let ends_a_page_early = Bounds::within(usize::MAX - 8191, 4096).unwrap();
    assert!(ends_a_page_early.can_align(2048) && !ends_a_page_early.can_align(4096));
    // No node fits behind the last word of the address space.
    let ends_a_word_early = Bounds::within(usize::MAX - 4095, 4088).unwrap();
    assert_eq!(ends_a_word_early.end(), usize::MAX - 7);
    assert!(!ends_a_word_early.can_align(1));
}

#[test]
fn blocks_are_aligned() {
    let fixture = Fixture::new(KernelHeap::new(), &[64 << 10]);
    let mut blocks = vec![];
    for align in (0..13).map(|shift| 1 << shift) {
        // The small one moves the next hole off its alignment.
        for size in [1, align] {
            let block = fixture.alloc(size, align).unwrap();
            assert!(block.addr().is_multiple_of(align));
            blocks.push((block, size, align));
        }
    }
    for (block, size, align) in blocks {
        fixture.free(block, size, align);
    }
    assert_eq!(fixture.heap.usage().used_bytes, 0);
    assert!(fixture.alloc(64 << 10, 4096).is_some());
}

#[test]
fn goes_on_in_the_next_region() {
    let fixture = Fixture::new(KernelHeap::new(), &[4096, 8192]);
    let first = fixture.alloc(4096, 8).unwrap();
    let second = fixture.alloc(4096, 8).unwrap();
    let third = fixture.alloc(4096, 8).unwrap();
    let regions = [first, second, third].map(|block| fixture.region_of(block));
    assert_eq!(regions, [0, 1, 1]);
    assert_eq!(fixture.alloc(8, 8), None);
    fixture.free(first, 4096, 8);
    assert_eq!(fixture.region_of(fixture.alloc(16, 8).unwrap()), 0);
    fixture.free(third, 4096, 8);
    fixture.free(second, 4096, 8);
    assert_eq!(fixture.region_of(fixture.alloc(8192, 8).unwrap()), 1);
    assert_eq!(figures(&fixture.heap), (8192 + 16, 4096 - 16, 4096 + 8192));
}

#[test]
fn refuses_regions_that_cannot_be_used() {
    let refused = |heap: &KernelHeap, start: *mut u8, len_bytes| {
        let before = heap.usage();
        // SAFETY: refused, and so not touched.
        let outcome = unsafe { heap.add_region(start, len_bytes) };
        assert_eq!(heap.usage(), before);
        outcome.unwrap_err()
    };
    let fixture = Fixture::new(KernelHeap::new(), &[4096; MAX_HEAP_REGIONS - 1]);
    let start = fixture.regions[0].0;
    let at = |address| start.with_addr(address);
    for (start, len_bytes) in [
        (null_mut(), 0),
        (null_mut(), 4096),
        (at(4096), 15),
        (at(4097), 16 + 6),
        (at(usize::MAX - 4095), 4097),
        (at(4096), usize::MAX),
        (start, 4096),
        (start.wrapping_add(4000), 4096),
        (start.wrapping_sub(16), 4096 + 32),
    ] {
        let error = refused(&fixture.heap, start, len_bytes);
        assert!(matches!(error, Error::Misuse(Misuse::InvalidConfig(_))), "{error}");
    }
    let last = Fixture::new(KernelHeap::new(), &[4096 * 2]);
    let (start, _) = last.regions[0];
    // SAFETY: the other heap is not used.
    unsafe { fixture.heap.add_region(start, 4096).unwrap() };
    let error = refused(&fixture.heap, start.wrapping_add(4096), 4096);
    let limit = MAX_HEAP_REGIONS as u64;
    assert!(matches!(error, Error::Limit(LimitError { limit: found, .. }) if found == limit));
}

#[test]
fn trims_a_region_to_whole_words() {
    let memory = memory(4096);
    let heap = KernelHeap::new();
    // SAFETY: fresh memory.
    unsafe { heap.add_region(memory.add(3), 4096 - 3 - 5).unwrap() };
    assert_eq!(figures(&heap), (0, 4096 - 8 - 8, 0));
    // SAFETY: the size is not zero.
    let block = unsafe { heap.alloc(layout(4096 - 16, 8)) };
    assert_eq!(block.addr(), memory.addr() + 8);
    // SAFETY: from `memory`; the heap is not used any more.
    unsafe { std::alloc::dealloc(memory, layout(4096, PAGE_BYTES)) };
}

#[test]
fn requests_can_be_limited() {
    let fixture = Fixture::new(KernelHeap::new(), &[4096]);
    fixture.heap.set_largest_request(100);
    assert_eq!(fixture.alloc(101, 1), None);
    let block = fixture.alloc(100, 1).unwrap();
    fixture.heap.set_largest_request(0);
    assert_eq!(fixture.alloc(1, 1), None);
    fixture.free(block, 100, 1);
    fixture.heap.set_largest_request(usize::MAX);
    assert!(fixture.alloc(4096, 1).is_some());
}

#[test]
fn the_hook_encloses_the_lock() {
    #[derive(Default)]
    struct Masking {
        masked: AtomicBool,
        times: AtomicUsize,
    }
    // SAFETY: atomics alone. If an assertion fails, the test fails, whatever follows.
    unsafe impl LockHook for Arc<Masking> {
        fn before(&self) -> usize {
            assert!(!self.masked.swap(true, Ordering::Relaxed));
            self.times.fetch_add(1, Ordering::Relaxed)
        }
        fn after(&self, state: usize) {
            assert!(self.masked.swap(false, Ordering::Relaxed));
            assert_eq!(state + 1, self.times.load(Ordering::Relaxed));
        }
    }
    let masking = Arc::new(Masking::default());
    let fixture = Fixture::new(KernelHeap::with_hook(Arc::clone(&masking)), &[4096]);
    let block = fixture.alloc(8, 8).unwrap();
    assert_eq!(fixture.alloc(8192, 8), None);
    fixture.free(block, 8, 8);
    assert_eq!(fixture.heap.usage().used_bytes, 0);
    assert_eq!(masking.times.load(Ordering::Relaxed), 5);
    assert!(!masking.masked.load(Ordering::Relaxed));
}

#[test]
fn gives_back_a_block_through_a_narrow_pointer() {
    let fixture = Fixture::new(KernelHeap::new(), &[4096]);
    let block = fixture.alloc(1, 1).unwrap();
    // SAFETY: the block is ours; a box may only touch the byte that is its own.
    let narrow = unsafe {
        block.write(1);
        Box::into_raw(Box::from_raw(block))
    };
    fixture.free(narrow, 1, 1);
    assert!(fixture.alloc(4096, 8).is_some());
}

#[test]
fn threads_share_it() {
    let fixture = Fixture::new(KernelHeap::new(), &[16 << 10, 16 << 10]);
    let turns = if cfg!(miri) { 20 } else { 2000 };
    std::thread::scope(|scope| {
        for thread in 0..4_u8 {
            let fixture = &fixture;
            scope.spawn(move || {
                for turn in 0..turns {
                    let size = 1 + (turn * 37 + usize::from(thread) * 101) % 700;
                    let blocks: Vec<_> = (0..8).filter_map(|_| fixture.alloc(size, 8)).collect();
                    for block in &blocks {
                        // SAFETY: `size` bytes of a block that is this thread's.
                        unsafe { block.write_bytes(thread, size) };
                    }
                    for block in blocks {
                        // SAFETY: as above.
                        let last = unsafe { block.add(size - 1).read() };
                        assert_eq!(last, thread);
                        fixture.free(block, size, 8);
                    }
                }
            });
        }
    });
    assert_eq!(fixture.heap.usage().used_bytes, 0);
}

#[derive(Clone, Debug)]
enum Step {
    Alloc {
        size: usize,
        align: usize,
    },
    /// The n-th block in use, by address.
    Free(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let size = prop_oneof![4 => 1..64_usize, 2 => 64..1024_usize, 1 => 1024..9000_usize];
    prop_oneof![
        3 => (size, 0..13_u32).prop_map(|(size, shift)| Step::Alloc { size, align: 1 << shift }),
        2 => any::<prop::sample::Index>().prop_map(|index| Step::Free(index.index(1 << 16))),
    ]
}

/// The blocks in use, by address, and what was written into each.
struct Model<'a> {
    fixture: &'a Fixture,
    blocks: BTreeMap<usize, Block>,
    peak_bytes: usize,
}

struct Block {
    start: *mut u8,
    size: usize,
    align: usize,
    mark: u8,
}

impl Block {
    /// Bytes that it takes from the heap.
    fn taken_bytes(&self) -> usize {
        self.size.max(2 * WORD_BYTES).next_multiple_of(WORD_BYTES)
    }

    fn end(&self) -> usize {
        self.start.addr() + self.taken_bytes()
    }
}

impl Model<'_> {
    fn used_bytes(&self) -> usize {
        self.blocks.values().map(Block::taken_bytes).sum()
    }

    /// The longest run of free bytes of any region.
    fn longest_hole(&self) -> usize {
        let mut longest = 0;
        for (start, len_bytes) in &self.fixture.regions {
            let (mut free_from, end) = (start.addr(), start.addr() + len_bytes);
            for block in self.blocks.range(free_from..end).map(|(_, block)| block) {
                longest = longest.max(block.start.addr() - free_from);
                free_from = block.end();
            }
            longest = longest.max(end - free_from);
        }
        longest
    }

    fn alloc(&mut self, size: usize, align: usize, mark: u8) {
        let Some(start) = self.fixture.alloc(size, align) else {
            // With room for a node on either side of the block it would fit.
            assert!(self.longest_hole() < size + align + 5 * WORD_BYTES, "refused {size} bytes");
            return;
        };
        let block = Block { start, size, align, mark };
        assert!(start.addr().is_multiple_of(align));
        let (region, region_bytes) = self.fixture.regions[self.fixture.region_of(start)];
        assert!(block.end() <= region.addr() + region_bytes);
        let before = self.blocks.range(..start.addr()).next_back();
        assert!(before.is_none_or(|(_, before)| before.end() <= start.addr()));
        let after = self.blocks.range(start.addr()..).next();
        assert!(after.is_none_or(|(address, _)| block.end() <= *address));
        // SAFETY: the block was given to us.
        unsafe { start.write_bytes(mark, size) };
        self.blocks.insert(start.addr(), block);
        self.peak_bytes = self.peak_bytes.max(self.used_bytes());
    }

    fn free(&mut self, index: usize) {
        let count = self.blocks.len().max(1);
        let Some(address) = self.blocks.keys().nth(index % count).copied() else { return };
        let block = self.blocks.remove(&address).unwrap();
        // SAFETY: the block is ours and was written.
        let bytes = unsafe { std::slice::from_raw_parts(block.start, block.size) };
        assert!(bytes.iter().all(|byte| *byte == block.mark), "changed while in use");
        self.fixture.free(block.start, block.size, block.align);
    }

    fn check(&self) {
        let (used, size) = (self.used_bytes(), self.fixture.regions.iter().map(|(_, len)| len));
        let expected = (used, size.sum::<usize>() - used, self.peak_bytes);
        assert_eq!(figures(&self.fixture.heap), expected);
    }
}

const MAX_STEPS: usize = if cfg!(miri) { 40 } else { 200 };

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if cfg!(miri) { 3 } else { 256 },
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn behaves_like_the_model(steps in prop::collection::vec(step(), 1..MAX_STEPS)) {
        let fixture = Fixture::new(KernelHeap::new(), &[8192, 24 << 10]);
        let mut model = Model { fixture: &fixture, blocks: BTreeMap::new(), peak_bytes: 0 };
        for (mark, step) in steps.into_iter().enumerate() {
            match step {
                Step::Alloc { size, align } => model.alloc(size, align, mark as u8),
                Step::Free(index) => model.free(index),
            }
            model.check();
        }
        while !model.blocks.is_empty() {
            model.free(0);
        }
        model.check();
        // All holes of a region have become one again.
        assert!(fixture.alloc(8192, 8).is_some() && fixture.alloc(24 << 10, 8).is_some());
    }
}
