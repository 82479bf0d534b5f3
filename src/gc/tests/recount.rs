//! What a cut barrier leaves, and a recount.

use super::*;
use crate::abi::SlotFlags;

/// Makes counts those of these places, as `vm/recount.rs` does.
fn recount(heap: &mut RefHeap, places: &[u32]) {
    heap.begin_recount();
    (0..heap.slots_to_recount()).for_each(|slot| heap.forget_found(slot));
    places.iter().for_each(|slot| heap.found(*slot));
    assert!(heap.is_recounting());
    (0..heap.slots_to_recount()).for_each(|slot| heap.apply_found(slot));
    heap.end_recount();
}

#[test]
fn counts_that_are_too_high_become_exact() {
    for policy in BOTH {
        let mut f = Fixture::new(8, policy);
        let objects = [(); 3].map(|()| counted());
        let [once, twice, never] = [0, 1, 2].map(|at| f.intern(objects[at].0.clone()));
        for slot in [once, twice, twice, never] {
            f.heap().increment(slot);
        }
        // Two barriers were cut after counting.
        f.heap().increment(once);
        f.heap().cut_short(true);
        f.heap().outermost_returned();
        assert!(!f.heap().counts_are_exact());
        recount(f.heap(), &[once, twice, twice]);
        assert!(f.heap().counts_are_exact());
        f.collect();
        let alive: Vec<_> = objects.iter().map(|(_, drops)| drops.load(Ordering::SeqCst)).collect();
        assert_eq!(alive, [0, 0, 0], "this test still holds them");
        let handles = objects.map(|(object, _)| object.strong_count());
        assert_eq!(handles, [2, 2, 1]);
        // The counts are right: as many places are taken away.
        f.heap().decrement(once);
        f.heap().decrement(twice);
        f.collect();
        assert_eq!(f.heap().stats().slots_used, 1);
    }
}

#[test]
fn a_slot_that_nothing_remembers_is_found() {
    for policy in BOTH {
        let mut f = Fixture::new(8, policy);
        let (object, drops) = counted();
        let slot = f.intern(object);
        f.heap().increment(slot);
        f.heap().outermost_returned();
        // The barrier was cut before it called anything.
        f.heap().arena.live_mut(slot).unwrap().count = 0;
        f.heap().cut_short(true);
        f.collect();
        assert_eq!(drops.load(Ordering::SeqCst), 0);
        recount(f.heap(), &[]);
        f.frame.push(ValRaw::from_u32(slot));
        f.collect();
        assert_eq!(drops.load(Ordering::SeqCst), 0, "a frame may hold it");
        f.frame.clear();
        f.collect();
        assert_eq!(drops.load(Ordering::SeqCst), 1);
    }
}

#[test]
fn an_entry_that_is_half_made_is_completed_once() {
    let mut f = Fixture::new(8, DeferralPolicy::CloneOnRead);
    let (object, drops) = counted();
    let slot = f.intern(object);
    f.heap().increment(slot);
    f.heap().outermost_returned();
    assert_eq!(f.heap().stats().table_len, 0);
    // SAFETY: the entry behind the last, as a compiled barrier writes it.
    unsafe { (*f.vm).table_next.write(slot) };
    f.heap().cut_short(true);
    assert_eq!(f.heap().stats().table_len, 0, "not flagged: not yet an entry");
    f.heap().arena.live_mut(slot).unwrap().flags |= SlotFlags::IN_TABLE.bits();
    f.heap().cut_short(true);
    assert_eq!(f.heap().stats().table_len, 1);
    // What lies behind it now may be the same, from earlier.
    // SAFETY: as above.
    unsafe { (*f.vm).table_next.write(slot) };
    f.heap().cut_short(true);
    assert_eq!(f.heap().stats().table_len, 1, "it is in the table already");
    f.heap().decrement(slot);
    recount(f.heap(), &[]);
    f.collect();
    assert_eq!(drops.load(Ordering::SeqCst), 1);
}

#[test]
fn changes_make_a_recount_void() {
    let mut f = Fixture::new(8, DeferralPolicy::ZeroCount);
    let (object, _drops) = counted();
    let slot = f.intern(object);
    f.heap().cut_short(true);
    for change in [RefHeap::increment, RefHeap::decrement] {
        f.heap().begin_recount();
        assert!(f.heap().is_recounting());
        change(f.heap(), slot);
        assert!(!f.heap().is_recounting());
    }
    f.heap().begin_recount();
    let (other, _drops) = counted();
    f.heap().intern_counted(other).unwrap();
    assert!(!f.heap().is_recounting());
    f.heap().cut_short(false);
    assert!(!f.heap().counts_are_exact(), "a later end does not make them exact");
}

#[test]
fn more_places_than_can_be_noted_leave_the_bound() {
    let mut f = Fixture::new(4, DeferralPolicy::ZeroCount);
    let (object, _drops) = counted();
    let slot = f.intern(object);
    f.heap().increment(slot);
    f.heap().increment(slot);
    f.heap().cut_short(true);
    f.heap().begin_recount();
    f.heap().forget_found(slot);
    f.heap().arena.live_mut(slot).unwrap().flags |= SlotFlags::FOUND.bits() - (1 << 4);
    f.heap().found(slot);
    f.heap().found(slot);
    let flags = f.heap().arena.live_mut(slot).unwrap().flags;
    assert_eq!(flags & SlotFlags::FOUND.bits(), SlotFlags::FOUND.bits());
    f.heap().apply_found(slot);
    let header = f.heap().arena.live_mut(slot).unwrap();
    assert_eq!((header.count, header.flags & SlotFlags::FOUND.bits()), (2, 0));
    f.heap().end_recount();
}
