//! What must hold whatever threads do with handles to one object.

use crate::arch::set_stack;
use crate::error::Misuse;
use crate::gc::externref::ExternRef;
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

/// Far enough that no other test thread's stack is within reach.
const FAR: usize = 1 << 24;

/// A value whose users loom tracks: reading it on one thread during or after
/// its destruction on another is a race, unless the count orders the two.
struct Witness {
    users: UnsafeCell<u32>,
    destroyed: Arc<AtomicUsize>,
    _owned: Option<ExternRef>,
}

// SAFETY: the cell is loom's: sharing it wrongly fails the test.
unsafe impl Send for Witness {}
// SAFETY: as above.
unsafe impl Sync for Witness {}

impl Drop for Witness {
    fn drop(&mut self) {
        self.users.with_mut(|users| {
            // SAFETY: loom has checked that nobody reads it.
            assert_eq!(unsafe { *users }, 7);
        });
        // Relaxed: the ordering must come from the handles.
        self.destroyed.fetch_add(1, Ordering::Relaxed);
    }
}

fn object(destroyed: &Arc<AtomicUsize>, owned: Option<ExternRef>) -> ExternRef {
    let destroyed = Arc::clone(destroyed);
    ExternRef::new(Witness { users: UnsafeCell::new(7), destroyed, _owned: owned }).unwrap()
}

fn read(handle: &ExternRef) {
    let witness = handle.downcast_ref::<Witness>().unwrap();
    // SAFETY: loom checks that nobody writes it.
    witness.users.with(|users| assert_eq!(unsafe { *users }, 7));
}

fn counter() -> Arc<AtomicUsize> {
    Arc::new(AtomicUsize::new(0))
}

/// Every interleaving with up to three preemptions, or as many as
/// `LOOM_MAX_PREEMPTIONS` says.
fn model(body: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(3));
    builder.check(body);
}

#[test]
fn the_last_of_three_threads_destroys() {
    model(|| {
        let destroyed = counter();
        let first = object(&destroyed, None);
        let threads = [1, 2].map(|at| {
            let handle = first.clone();
            thread::spawn(move || {
                set_stack(at * FAR);
                read(&handle);
                drop(handle);
            })
        });
        read(&first);
        drop(first);
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(destroyed.load(Ordering::Relaxed), 1);
    });
}

#[test]
fn clones_keep_it_alive() {
    model(|| {
        let destroyed = counter();
        let first = object(&destroyed, None);
        let handle = first.clone();
        let other = thread::spawn(move || {
            set_stack(FAR);
            let second = handle.clone();
            drop(handle);
            read(&second);
            second
        });
        let more = first.clone();
        drop(first);
        read(&more);
        drop(more);
        let last = other.join().unwrap();
        assert_eq!((last.strong_count(), destroyed.load(Ordering::Relaxed)), (1, 0));
        drop(last);
        assert_eq!(destroyed.load(Ordering::Relaxed), 1);
    });
}

#[test]
fn seeing_a_revocation_shows_what_came_before() {
    model(|| {
        let (destroyed, unplugged) = (counter(), counter());
        let first = object(&destroyed, None);
        let (handle, known) = (first.clone(), Arc::clone(&unplugged));
        let reader = thread::spawn(move || {
            set_stack(FAR);
            match handle.downcast_ref::<Witness>() {
                // The borrow stays valid, revoked or not.
                Ok(witness) => {
                    // SAFETY: loom checks that nobody writes it.
                    witness.users.with(|users| assert_eq!(unsafe { *users }, 7));
                }
                Err(error) => {
                    assert_eq!(error, Misuse::Revoked);
                    assert_eq!(known.load(Ordering::Relaxed), 1);
                }
            }
            drop(handle);
        });
        unplugged.store(1, Ordering::Relaxed);
        first.revoke();
        assert_eq!(first.downcast_ref::<Witness>().err(), Some(Misuse::Revoked));
        drop(first);
        reader.join().unwrap();
        assert_eq!(destroyed.load(Ordering::Relaxed), 1);
    });
}

#[test]
fn an_owner_and_a_holder_drop_at_once() {
    // Either the owner's thread or the holder's destroys the owned object; if
    // their stacks are close, either may be handed the other's object.
    for distance in [FAR, 4096] {
        model(move || {
            let destroyed = counter();
            let owned = object(&destroyed, None);
            let owner = object(&destroyed, Some(owned.clone()));
            let holder = thread::spawn(move || {
                set_stack((1 << 20) - distance.min(4096) + distance / FAR * FAR);
                read(&owned);
                drop(owned);
            });
            drop(owner);
            holder.join().unwrap();
            assert_eq!(destroyed.load(Ordering::Relaxed), 2);
        });
    }
}

#[test]
fn distant_stacks_destroy_their_own_objects_at_once() {
    model(|| {
        let work = |at: usize| {
            set_stack((at + 1) * FAR);
            // The second finds the frame of the first in the entry, closed or, by
            // then, another's.
            for _ in 0..2 {
                let destroyed = counter();
                drop(object(&destroyed, None));
                assert_eq!(destroyed.load(Ordering::Relaxed), 1, "left to another stack");
            }
        };
        let other = thread::spawn(move || work(1));
        work(0);
        other.join().unwrap();
    });
}

#[test]
fn neighbours_destroy_each_others_objects_once() {
    model(|| {
        let destroyed = counter();
        let threads = [1_usize, 2].map(|at| {
            let destroyed = Arc::clone(&destroyed);
            thread::spawn(move || {
                set_stack((1 << 20) - at * 1024);
                drop(object(&destroyed, None));
            })
        });
        drop(object(&destroyed, None));
        for thread in threads {
            thread.join().unwrap();
        }
        // Nothing is left on a list: whoever destroyed an object has finished.
        assert_eq!(destroyed.load(Ordering::Relaxed), 3);
    });
}

#[test]
fn a_chain_is_dropped_while_its_end_is_cloned() {
    model(|| {
        let destroyed = counter();
        let end = object(&destroyed, None);
        let handle = end.clone();
        let chain = object(&destroyed, Some(object(&destroyed, Some(end))));
        let other = thread::spawn(move || {
            set_stack(FAR);
            let more = handle.clone();
            drop(handle);
            read(&more);
            drop(more);
        });
        drop(chain);
        other.join().unwrap();
        assert_eq!(destroyed.load(Ordering::Relaxed), 3);
    });
}
