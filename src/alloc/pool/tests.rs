//! The promises of the pool, over a source that counts what it gives and can
//! refuse any request.

use super::*;
use crate::alloc::HeapMemorySource;
use crate::error::Error;
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

const PAGE: usize = if cfg!(miri) { 1 << 8 } else { 1 << 16 };

/// Counts what it has given, and refuses its n-th request.
struct Source {
    heap: HeapMemorySource,
    held: AtomicUsize,
    reserved: AtomicUsize,
    resets: AtomicUsize,
    /// Requests until one is refused.
    until_refusal: AtomicUsize,
    /// Most memories at a time.
    most: usize,
}

impl Source {
    fn new() -> Self {
        Self {
            heap: HeapMemorySource::new(2 * PAGE),
            held: AtomicUsize::new(0),
            reserved: AtomicUsize::new(0),
            resets: AtomicUsize::new(0),
            until_refusal: AtomicUsize::new(usize::MAX),
            most: usize::MAX,
        }
    }

    fn request(&self) -> Result<()> {
        match self.until_refusal.fetch_sub(1, Relaxed) {
            0 => Err(Error::OutOfMemory { bytes: 0 }),
            _ => Ok(()),
        }
    }
}

// SAFETY: passes on to a source that keeps the contract, or refuses.
unsafe impl MemorySource for &Source {
    fn reserve(&self, minimum_bytes: usize, maximum_bytes: usize) -> Result<LinearMemory> {
        self.request()?;
        if self.held.load(Relaxed) >= self.most {
            return Err(Error::OutOfMemory { bytes: minimum_bytes });
        }
        let memory = self.heap.reserve(minimum_bytes, maximum_bytes)?;
        self.held.fetch_add(1, Relaxed);
        self.reserved.fetch_add(1, Relaxed);
        Ok(memory)
    }
    unsafe fn commit(&self, memory: &mut LinearMemory, new_committed_bytes: usize) -> Result<()> {
        self.request()?;
        // SAFETY: passed on.
        unsafe { self.heap.commit(memory, new_committed_bytes) }
    }
    unsafe fn release(&self, memory: LinearMemory) {
        self.held.fetch_sub(1, Relaxed);
        // SAFETY: passed on.
        unsafe { self.heap.release(memory) };
    }
    fn capacity_for(&self, minimum_bytes: usize, maximum_bytes: usize) -> usize {
        self.heap.capacity_for(minimum_bytes, maximum_bytes)
    }
    unsafe fn reset(
        &self,
        memory: &mut LinearMemory,
        new_committed_bytes: usize,
        resident_bytes: usize,
    ) -> Result<()> {
        self.request()?;
        self.resets.fetch_add(1, Relaxed);
        // SAFETY: passed on.
        unsafe { self.heap.reset(memory, new_committed_bytes, resident_bytes) }
    }
}

fn pool<S: MemorySource>(source: S, memories: usize) -> PoolingMemorySource<S> {
    let limits = PoolLimits { memories, ..PoolLimits::default() };
    PoolingMemorySource::new(source, limits).unwrap()
}

fn bytes(memory: &mut LinearMemory) -> &mut [u8] {
    // SAFETY: committed, and the test's alone while it has the memory.
    unsafe { core::slice::from_raw_parts_mut(memory.base.as_ptr(), memory.committed_bytes) }
}

/// What a guest would see: nothing of the one before.
fn check_fresh(memory: &mut LinearMemory, minimum_bytes: usize) {
    assert_eq!(memory.committed_bytes, minimum_bytes);
    assert!(bytes(memory).iter().all(|byte| *byte == 0), "bytes of another guest");
}

/// A memory with a secret in all of it.
fn used(source: &impl MemorySource, minimum_bytes: usize, grown_bytes: usize) -> LinearMemory {
    let mut memory = source.reserve(minimum_bytes, 16 * PAGE).unwrap();
    check_fresh(&mut memory, minimum_bytes);
    if grown_bytes > minimum_bytes {
        // SAFETY: of this source.
        unsafe { source.commit(&mut memory, grown_bytes).unwrap() };
        check_committed_zero(&mut memory, minimum_bytes);
    }
    bytes(&mut memory).fill(0xa5);
    memory
}

fn check_committed_zero(memory: &mut LinearMemory, from: usize) {
    assert!(bytes(memory)[from..].iter().all(|byte| *byte == 0), "bytes of another guest");
}

fn release(pool: &impl MemorySource, memory: LinearMemory) {
    // SAFETY: the test is done with it.
    unsafe { pool.release(memory) };
}

#[test]
fn gives_a_released_memory_again_without_what_was_in_it() {
    let source = Source::new();
    let pool = pool(&source, 4);
    let memory = used(&pool, PAGE, PAGE);
    let base = memory.base;
    release(&pool, memory);
    assert_eq!((pool.kept_memories(), pool.kept_bytes()), (1, PAGE));
    let again = used(&pool, PAGE, PAGE);
    assert_eq!(again.base, base);
    assert_eq!((pool.kept_memories(), pool.kept_bytes()), (0, 0));
    // One that is in use is not given to another.
    let other = used(&pool, PAGE, PAGE);
    assert_ne!(other.base, base);
    release(&pool, again);
    release(&pool, other);
    assert_eq!(source.reserved.load(Relaxed), 2);
    drop(pool);
    assert_eq!(source.held.load(Relaxed), 0);
}

#[test]
fn a_memory_that_grew_is_given_with_the_minimum_and_grows_into_zeros() {
    let source = Source::new();
    let pool = pool(&source, 4);
    for _ in 0..3 {
        let memory = used(&pool, PAGE, 3 * PAGE);
        release(&pool, memory);
        assert_eq!(pool.kept_bytes(), 3 * PAGE);
    }
    assert_eq!(source.reserved.load(Relaxed), 1);
    // The fitting one of several.
    let (small, large) = (used(&pool, PAGE, PAGE), used(&pool, PAGE, 2 * PAGE));
    let base = small.base;
    release(&pool, small);
    release(&pool, large);
    let resets = source.resets.load(Relaxed);
    let memory = used(&pool, PAGE, PAGE);
    assert_eq!((memory.base, source.resets.load(Relaxed)), (base, resets));
    release(&pool, memory);
}

#[test]
fn a_kept_memory_that_has_too_little_committed_gets_more() {
    // The maximum is the capacity, whatever the minimum.
    let source = Source { heap: HeapMemorySource::new(16 * PAGE), ..Source::new() };
    let pool = pool(&source, 4);
    let reserve = |minimum| pool.reserve(minimum * PAGE, 3 * PAGE).unwrap();
    let mut memory = reserve(1);
    bytes(&mut memory).fill(1);
    release(&pool, memory);
    let mut memory = reserve(3);
    check_fresh(&mut memory, 3 * PAGE);
    bytes(&mut memory).fill(1);
    release(&pool, memory);
    let mut memory = reserve(0);
    check_fresh(&mut memory, 0);
    // SAFETY: of this pool.
    unsafe { pool.commit(&mut memory, 3 * PAGE).unwrap() };
    check_fresh(&mut memory, 3 * PAGE);
    release(&pool, memory);
    assert_eq!(source.reserved.load(Relaxed), 1);
    // Another capacity is another kind of memory.
    let other = pool.reserve(PAGE, 2 * PAGE).unwrap();
    assert_eq!((other.capacity_bytes, source.reserved.load(Relaxed)), (2 * PAGE, 2));
    release(&pool, other);
}

#[test]
fn keeps_no_more_than_its_limits() {
    let all = PoolLimits::default();
    let kept = |limits: PoolLimits| {
        let source = Source::new();
        let pool = PoolingMemorySource::new(&source, limits).unwrap();
        let memories: Vec<_> = (0..6).map(|_| used(&pool, PAGE, PAGE)).collect();
        memories.into_iter().for_each(|memory| release(&pool, memory));
        let kept = pool.kept_memories();
        assert_eq!((source.held.load(Relaxed), pool.kept_bytes()), (kept, kept * PAGE));
        assert_eq!(pool.clear(), kept);
        assert_eq!((source.held.load(Relaxed), pool.kept_bytes()), (0, 0));
        kept
    };
    assert_eq!(kept(all), 6);
    assert_eq!(kept(PoolLimits { memories: 0, ..all }), 0);
    assert_eq!(kept(PoolLimits { memories: 5, ..all }), 5);
    assert_eq!(kept(PoolLimits { committed_bytes: 4 * PAGE - 1, ..all }), 3);
    assert_eq!(kept(PoolLimits { committed_bytes: 0, ..all }), 0);
    // Each has room to grow by two pages.
    assert_eq!(kept(PoolLimits { capacity_bytes: 6 * PAGE, ..all }), 2);
    assert_eq!(kept(PoolLimits { capacity_bytes: 3 * PAGE - 1, ..all }), 0);
}

#[test]
fn memories_of_a_kind_that_is_out_of_use_give_way() {
    let source = Source::new();
    let pool = pool(&source, 2);
    let release_two = |minimum| {
        let two = [used(&pool, minimum, minimum), used(&pool, minimum, minimum)];
        two.into_iter().for_each(|memory| release(&pool, memory));
    };
    release_two(PAGE);
    release_two(2 * PAGE);
    assert_eq!((source.held.load(Relaxed), pool.kept_bytes()), (2, 4 * PAGE));
    let reserved = source.reserved.load(Relaxed);
    release_two(2 * PAGE);
    assert_eq!(source.reserved.load(Relaxed), reserved);
    // A memory that would never fit displaces nothing for nothing.
    let limits = PoolLimits { committed_bytes: PAGE, ..PoolLimits::default() };
    let small = PoolingMemorySource::new(&source, limits).unwrap();
    release(&small, used(&small, PAGE, PAGE));
    release(&small, used(&small, 2 * PAGE, 2 * PAGE));
    assert_eq!(small.kept_memories(), 1);
}

#[test]
fn gives_what_it_keeps_to_a_source_that_has_no_more() {
    let source = Source { most: 2, ..Source::new() };
    let pool = pool(&source, 4);
    let two = [used(&pool, PAGE, PAGE), used(&pool, PAGE, PAGE)];
    two.into_iter().for_each(|memory| release(&pool, memory));
    let other = used(&pool, 2 * PAGE, 2 * PAGE);
    assert_eq!((source.held.load(Relaxed), pool.kept_memories()), (1, 0));
    let last = used(&pool, 2 * PAGE, 2 * PAGE);
    assert!(pool.reserve(PAGE, PAGE).is_err());
    release(&pool, other);
    release(&pool, last);
}

/// Whichever request of the source fails: nothing leaks, and nothing that is
/// handed out has another guest's bytes.
#[test]
fn each_request_of_the_source_may_fail() {
    let mut refused = 0;
    for n in 0.. {
        let source = Source::new();
        let pool = pool(&source, 2);
        source.until_refusal.store(n, Relaxed);
        for (minimum, grown) in [(1, 1), (1, 3), (1, 1), (2, 2), (1, 2)] {
            let mut pair = [0; 2].map(|_| pool.reserve(minimum * PAGE, 3 * PAGE).ok());
            for memory in pair.iter_mut().flatten() {
                check_fresh(memory, minimum * PAGE);
                // SAFETY: of this pool.
                if unsafe { pool.commit(memory, grown * PAGE) }.is_ok() {
                    check_committed_zero(memory, minimum * PAGE);
                } else {
                    assert_eq!(memory.committed_bytes, minimum * PAGE);
                }
                bytes(memory).fill(0xa5);
            }
            refused += pair.iter().filter(|memory| memory.is_none()).count();
            pair.into_iter().flatten().for_each(|memory| release(&pool, memory));
            assert_eq!(source.held.load(Relaxed), pool.kept_memories());
        }
        drop(pool);
        assert_eq!(source.held.load(Relaxed), 0, "leaked at {n}");
        if source.until_refusal.load(Relaxed) < usize::MAX / 2 {
            assert!(n > 20, "{n}");
            break;
        }
    }
    assert!(refused > 0);
}

/// A source that can neither decommit nor do anything else but what it must.
struct Plain(HeapMemorySource);

// SAFETY: passes on to a source that keeps the contract.
unsafe impl MemorySource for Plain {
    fn reserve(&self, minimum_bytes: usize, maximum_bytes: usize) -> Result<LinearMemory> {
        self.0.reserve(minimum_bytes, maximum_bytes)
    }
    unsafe fn commit(&self, memory: &mut LinearMemory, new_committed_bytes: usize) -> Result<()> {
        // SAFETY: passed on.
        unsafe { self.0.commit(memory, new_committed_bytes) }
    }
    unsafe fn release(&self, memory: LinearMemory) {
        // SAFETY: passed on.
        unsafe { self.0.release(memory) };
    }
}

#[test]
fn the_ready_made_reset_zeroes_and_commits_exactly() {
    let pool = pool(Plain(HeapMemorySource::new(16 * PAGE)), 2);
    for _ in 0..2 {
        let memory = used(&pool, PAGE, PAGE);
        release(&pool, memory);
        assert_eq!(pool.kept_memories(), 1);
    }
    // It grew, and its source cannot take that back: given up.
    let memory = used(&pool, PAGE, 2 * PAGE);
    release(&pool, memory);
    let memory = used(&pool, PAGE, PAGE);
    assert_eq!(pool.kept_memories(), 0);
    release(&pool, memory);
}

#[test]
fn many_threads_share_one_pool() {
    let (threads, rounds) = if cfg!(miri) { (3, 4) } else { (8, 300) };
    let source = Source::new();
    let pool = &pool(&source, 4);
    std::thread::scope(|scope| {
        for thread in 0..threads {
            scope.spawn(move || {
                for round in 0..rounds {
                    let minimum = PAGE * (1 + (round + thread) % 2);
                    let mut memory = pool.reserve(minimum, 2 * PAGE).unwrap();
                    check_fresh(&mut memory, minimum);
                    bytes(&mut memory).fill(thread as u8 + 1);
                    std::thread::yield_now();
                    assert!(bytes(&mut memory).iter().all(|byte| *byte == thread as u8 + 1));
                    release(pool, memory);
                }
            });
        }
    });
    assert!(pool.kept_memories() <= 4);
    assert_eq!(source.held.load(Relaxed), pool.kept_memories());
    assert!(source.reserved.load(Relaxed) < threads * rounds);
}

/// Bounds that the hardware checks are as good with a kept memory: a guard is
/// never smaller than what was asked for, and reset leaves it as it is.
#[cfg(all(feature = "std", not(miri)))]
#[test]
fn a_memory_with_a_guard_is_kept_with_it() {
    use crate::alloc::MmapMemorySource;
    const GUARD: usize = 1 << 33;
    let pool = PoolingMemorySource::new(MmapMemorySource, PoolLimits::default()).unwrap();
    let plain = pool.reserve(PAGE, 8 * PAGE).unwrap();
    let plain_base = plain.base;
    // SAFETY: each memory is released once, and used before that alone.
    unsafe {
        pool.release(plain);
        let mut guarded = pool.reserve_guarded(PAGE, 8 * PAGE, GUARD).unwrap();
        assert!(guarded.guarded_bytes >= GUARD && guarded.base != plain_base);
        pool.commit(&mut guarded, 3 * PAGE).unwrap();
        let guarded_base = guarded.base;
        guarded_base.write_bytes(7, 3 * PAGE);
        pool.release(guarded);
        assert_eq!(pool.kept_memories(), 2);
        let again = pool.reserve_guarded(PAGE, 8 * PAGE, GUARD).unwrap();
        assert_eq!((again.base, again.committed_bytes), (guarded_base, PAGE));
        assert!(again.guarded_bytes >= GUARD);
        assert_eq!(again.base.add(PAGE - 1).read(), 0);
        pool.release(again);
    }
}
