//! The heap against a plain model, without any Wasm: frames are host frames.

use super::{ExternRef, HeapConfig, RefHeap};
use crate::abi::{DeferralPolicy, HostFrame, StackMapLookup, Trap, ValRaw, VmStoreContext};
use crate::error::{Error, Misuse};
use core::num::NonZeroU32;
use core::ptr::{self, NonNull};
use std::boxed::Box;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::vec::Vec;

#[cfg(not(miri))]
mod drop_queue_model;
mod fail_closed;
mod model;
mod recount;

struct NoMaps;
// SAFETY: answers nothing.
unsafe impl StackMapLookup for NoMaps {
    fn stack_map(&self, _: usize) -> Option<(u32, &[u32])> {
        None
    }
}

/// A heap with the memory it lives in; `frame` are the values that frames hold.
struct Fixture {
    heap: Option<RefHeap>,
    vm: *mut VmStoreContext,
    region: *mut [u128],
    frame: Vec<ValRaw>,
    is_rooted: Vec<bool>,
    host: *mut HostFrame,
}

impl Fixture {
    fn new(slots: u32, policy: DeferralPolicy) -> Self {
        Self::with(slots, HeapConfig { policy, zeal: NonZeroU32::new(1000), ..Default::default() })
    }

    fn with(slots: u32, config: HeapConfig) -> Self {
        let bytes = RefHeap::region_bytes(slots).unwrap();
        let region = Box::into_raw(std::vec![0u128; bytes.div_ceil(16)].into_boxed_slice());
        let vm = Box::into_raw(Box::new(crate::arch::detached_context()));
        let bytes =
            NonNull::slice_from_raw_parts(NonNull::new(region.cast::<u8>()).unwrap(), bytes);
        // SAFETY: the fixture keeps region and context until the heap is gone.
        let heap = unsafe { RefHeap::new(bytes, NonNull::new(vm).unwrap(), config) }.unwrap();
        let host = Box::into_raw(Box::new(HostFrame {
            previous: ptr::null_mut(),
            values: ptr::null(),
            len: 0,
            is_rooted: ptr::null(),
            serial: 1,
        }));
        let (frame, is_rooted) = (Vec::new(), Vec::new());
        Self { heap: Some(heap), vm, region, frame, is_rooted, host }
    }

    fn heap(&mut self) -> &mut RefHeap {
        self.heap.as_mut().unwrap()
    }

    /// Shows the frame's values to the walker.
    fn publish_frame(&mut self) {
        self.is_rooted = std::vec![true; self.frame.len()];
        // SAFETY: frame and context are the fixture's.
        unsafe {
            (*self.host).values = self.frame.as_ptr();
            (*self.host).len = self.frame.len();
            (*self.host).is_rooted = self.is_rooted.as_ptr();
            (*self.vm).host_frames = self.host;
        }
    }

    fn collect(&mut self) {
        self.publish_frame();
        self.heap().collect(&NoMaps).unwrap();
        self.heap().drain(usize::MAX);
    }

    fn intern(&mut self, reference: ExternRef) -> u32 {
        self.publish_frame();
        self.heap().reserve(1, &NoMaps).unwrap();
        self.heap().intern_reserved(reference).unwrap()
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        self.heap = None;
        // SAFETY: the heap, their only user, is gone.
        unsafe {
            drop(Box::from_raw(self.region));
            drop(Box::from_raw(self.vm));
            drop(Box::from_raw(self.host));
        }
    }
}

/// Counts its drops.
struct Counted(Arc<AtomicUsize>);
impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn counted() -> (ExternRef, Arc<AtomicUsize>) {
    let drops = Arc::new(AtomicUsize::new(0));
    (ExternRef::new(Counted(drops.clone())).unwrap(), drops)
}

const BOTH: [DeferralPolicy; 2] = [DeferralPolicy::CloneOnRead, DeferralPolicy::ZeroCount];

#[test]
fn what_a_frame_holds_survives_and_the_rest_goes() {
    for policy in BOTH {
        let mut f = Fixture::new(8, policy);
        let (held, held_drops) = counted();
        let (lost, lost_drops) = counted();
        let held = f.intern(held);
        f.frame.push(ValRaw::from_u32(held));
        f.intern(lost);
        f.collect();
        assert_eq!((held_drops.load(Ordering::SeqCst), lost_drops.load(Ordering::SeqCst)), (0, 1));
        assert_eq!(f.heap().stats().table_len, 1);
        f.frame.clear();
        f.collect();
        assert_eq!(held_drops.load(Ordering::SeqCst), 1);
        assert_eq!(f.heap().stats().slots_used, 0);
    }
}

#[test]
fn overwritten_while_held_is_released_when_no_longer_held() {
    for policy in BOTH {
        let mut f = Fixture::new(8, policy);
        let (object, drops) = counted();
        let slot = f.intern(object);
        f.heap().increment(slot);
        f.collect();
        f.heap().note_read(slot);
        f.frame.push(ValRaw::from_u32(slot));
        f.heap().decrement(slot);
        f.collect();
        assert_eq!(drops.load(Ordering::SeqCst), 0, "{policy:?}: a frame holds it");
        assert_eq!(f.heap().borrow(slot).map(ExternRef::strong_count), Some(1));
        f.frame.clear();
        f.heap().outermost_returned();
        assert_eq!(f.heap().drain(usize::MAX), 1);
        assert_eq!(drops.load(Ordering::SeqCst), 1);
        assert!(f.heap().borrow(slot).is_none());
    }
}

#[test]
fn what_starts_out_counted_has_no_entry_until_it_is_read_or_uncounted() {
    for policy in BOTH {
        let mut f = Fixture::new(2, policy);
        let (object, drops) = counted();
        f.heap().reserve(1, &NoMaps).unwrap();
        let slot = f.heap().intern_counted(object).unwrap();
        assert!(f.heap().is_counted(slot));
        assert_eq!(f.heap().stats().table_len, 0);
        f.heap().outermost_returned();
        f.collect();
        // Lent to a frame any number of times, it has one entry at most.
        for _ in 0..3 {
            f.heap().note_read(slot);
            f.frame.push(ValRaw::from_u32(slot));
        }
        let entries = u32::from(policy == DeferralPolicy::CloneOnRead);
        assert_eq!(f.heap().stats().table_len, entries, "{policy:?}");
        f.publish_frame();
        f.heap().step(0, &NoMaps).unwrap();
        f.heap().decrement(slot);
        assert!(!f.heap().is_counted(slot));
        while !f.heap().step(1, &NoMaps).unwrap().finished {}
        assert_eq!((drops.load(Ordering::SeqCst), f.heap().stats().table_len), (0, 1));
        f.frame.clear();
        f.heap().outermost_returned();
        assert_eq!(f.heap().drain(usize::MAX), 1);
        assert_eq!((drops.load(Ordering::SeqCst), f.heap().stats().slots_used), (1, 0));
    }
}

#[test]
fn full_arena_is_an_error_and_nothing_else() {
    for policy in BOTH {
        for slots in 1..4 {
            let mut f = Fixture::new(slots, policy);
            for _ in 0..slots {
                let slot = f.intern(counted().0);
                f.frame.push(ValRaw::from_u32(slot));
            }
            f.publish_frame();
            let full = f.heap().reserve(1, &NoMaps);
            assert!(matches!(full, Err(Error::Trap(Trap::ReferenceArenaFull))));
            assert!(f.heap().intern_reserved(counted().0).is_err());
            f.frame.pop();
            f.intern(counted().0);
        }
    }
}

#[test]
fn the_quota_is_named() {
    let mut f = Fixture::with(8, HeapConfig { quota: Some(2), ..Default::default() });
    for _ in 0..2 {
        let slot = f.intern(counted().0);
        f.frame.push(ValRaw::from_u32(slot));
    }
    f.publish_frame();
    assert!(matches!(f.heap().reserve(1, &NoMaps), Err(Error::Limit(limit)) if limit.limit == 2));
}

#[test]
fn a_chain_of_a_million_is_destroyed_without_recursion() {
    struct Link(#[expect(dead_code, reason = "owned for its drop")] Option<ExternRef>);
    impl Drop for Link {
        fn drop(&mut self) {}
    }
    let length = if cfg!(miri) { 100 } else { 1_000_000 };
    let mut chain = None;
    for _ in 0..length {
        chain = Some(ExternRef::new(Link(chain)).unwrap());
    }
    // A thread with little stack: recursion would overflow it.
    std::thread::Builder::new()
        .stack_size(128 << 10)
        .spawn(move || drop(chain))
        .unwrap()
        .join()
        .unwrap();
}

#[test]
fn a_panicking_destructor_leaves_the_heap_whole() {
    let mut f = Fixture::new(4, DeferralPolicy::ZeroCount);
    let (after, drops) = counted();
    f.intern(ExternRef::new(Bomb).unwrap());
    f.intern(after);
    f.heap().outermost_returned();
    let heap = f.heap.as_mut().unwrap();
    assert!(bangs(|| {
        heap.drain(usize::MAX);
    }));
    assert_eq!(f.heap().drain(usize::MAX), 1);
    assert_eq!(drops.load(Ordering::SeqCst), 1);
    f.collect();
    assert_eq!(f.heap().stats().slots_used, 0);
}

struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("destructor");
    }
}

fn bangs(drop: impl FnOnce()) -> bool {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(drop)).is_err()
}

#[test]
fn a_panicking_destructor_of_an_owned_object_stops_no_other() {
    struct Owner(#[expect(dead_code, reason = "owned for its drop")] [ExternRef; 3]);
    let ((first, first_drops), (last, last_drops)) = (counted(), counted());
    let bomb = ExternRef::new(Bomb).unwrap();
    let owner = ExternRef::new(Owner([first, bomb, last])).unwrap();
    assert!(bangs(|| drop(owner)));
    // The list is closed again: what is dropped further down goes at once.
    let (later, later_drops) = counted();
    drop(later);
    let (below, below_drops) = counted();
    below_frames(64, below);
    for drops in [first_drops, last_drops, later_drops, below_drops] {
        assert_eq!(drops.load(Ordering::SeqCst), 1);
    }
}

/// Drops an object some kilobytes further down the stack.
#[inline(never)]
fn below_frames(kilobytes: u32, object: ExternRef) {
    let room = std::hint::black_box([0u8; 1024]);
    match kilobytes {
        0 => drop(object),
        _ => below_frames(kilobytes - 1, object),
    }
    std::hint::black_box(&room);
}

#[test]
fn dropping_the_heap_goes_on_after_a_panicking_destructor() {
    let mut f = Fixture::new(4, DeferralPolicy::ZeroCount);
    let ((before, before_drops), (after, after_drops)) = (counted(), counted());
    for object in [before, ExternRef::new(Bomb).unwrap(), after] {
        f.intern(object);
    }
    let heap = f.heap.take();
    assert!(bangs(|| drop(heap)));
    for drops in [before_drops, after_drops] {
        assert_eq!(drops.load(Ordering::SeqCst), 1);
    }
}

#[test]
fn dropping_the_heap_releases_whatever_state_a_slot_is_in() {
    for policy in BOTH {
        let mut f = Fixture::new(8, policy);
        let mut all = Vec::new();
        for index in 0..6 {
            let (object, drops) = counted();
            let slot = f.intern(object);
            if index % 2 == 0 {
                f.heap().increment(slot);
            }
            all.push(drops);
        }
        f.publish_frame();
        f.heap().step(2, &NoMaps).unwrap();
        drop(f);
        assert!(all.iter().all(|drops| drops.load(Ordering::SeqCst) == 1));
    }
}

#[test]
fn revoked_and_foreign_objects_are_refused() {
    let number = ExternRef::new(7u32).unwrap();
    let copy = number.clone();
    assert_eq!(number.downcast_ref::<u32>(), Ok(&7));
    assert_eq!(number.downcast_ref::<u64>(), Err(Misuse::WrongReferent));
    copy.revoke();
    assert_eq!(number.downcast_ref::<u32>(), Err(Misuse::Revoked));
    assert!(number.is_revoked() && number.ptr_eq(&copy));
    assert_eq!(number.strong_count(), 2);
}

#[test]
fn one_object_on_many_threads_is_destroyed_once() {
    let (object, drops) = counted();
    let rounds = if cfg!(miri) { 20 } else { 2000 };
    std::thread::scope(|scope| {
        for _ in 0..4 {
            let object = object.clone();
            scope.spawn(move || {
                for _ in 0..rounds {
                    drop(object.clone());
                }
            });
        }
    });
    assert_eq!((object.strong_count(), drops.load(Ordering::SeqCst)), (1, 0));
    drop(object);
    assert_eq!(drops.load(Ordering::SeqCst), 1);
}
