//! What must hold whatever loaders and droppers of modules and the fault handler do.

use kernref_code_ranges_model::{List, plant_no_waiting};
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;

/// Every interleaving with up to three preemptions, or as many as
/// `LOOM_MAX_PREEMPTIONS` says.
fn model(body: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(3));
    builder.check(body);
}

/// Code, whose users loom tracks: using it while it is written or freed is a race.
struct Code(UnsafeCell<u32>);

// SAFETY: the cell is loom's: sharing it wrongly fails the test.
unsafe impl Send for Code {}
// SAFETY: as above.
unsafe impl Sync for Code {}

impl Code {
    fn new() -> Arc<Self> {
        Arc::new(Self(UnsafeCell::new(0)))
    }

    fn write(&self, value: u32) {
        // SAFETY: loom has checked that nobody uses it.
        self.0.with_mut(|code| unsafe { *code = value });
    }

    fn run(&self) {
        // SAFETY: loom checks that nobody writes it.
        self.0.with(|code| assert_eq!(unsafe { *code }, 7, "used before it was written"));
    }
}

/// One thread looks for what another publishes and removes.
fn published_used_and_freed() {
    let (list, code) = (Arc::new(List::new()), Code::new());
    list.insert(1);
    let reader = {
        let (list, code) = (Arc::clone(&list), Arc::clone(&code));
        thread::spawn(move || {
            list.find(2, |found| {
                if let Some(owner) = found {
                    assert_eq!(owner, 2);
                    code.run();
                }
            });
            // What is always there is always found.
            list.find(1, |found| assert_eq!(found, Some(1)));
        })
    };
    code.write(7);
    list.insert(2);
    list.remove(2);
    // Freed: nobody uses it any more.
    code.write(0);
    reader.join().unwrap();
}

#[test]
fn code_is_found_from_publishing_to_removal() {
    model(published_used_and_freed);
}

#[test]
#[should_panic(expected = "Causality violation")]
fn a_writer_that_does_not_wait_is_noticed() {
    plant_no_waiting();
    model(published_used_and_freed);
}

#[test]
fn writers_take_turns() {
    model(|| {
        let list = Arc::new(List::new());
        let other = {
            let list = Arc::clone(&list);
            thread::spawn(move || {
                list.insert(1);
                list.find(1, |found| assert_eq!(found, Some(1)));
            })
        };
        list.insert(3);
        list.find(3, |found| assert_eq!(found, Some(3)));
        list.remove(3);
        list.find(3, |found| assert_eq!(found, None));
        other.join().unwrap();
        list.find(1, |found| assert_eq!(found, Some(1)));
    });
}

#[test]
fn two_readers_and_a_writer() {
    model(|| {
        let list = Arc::new(List::new());
        list.insert(1);
        let readers = [(); 2].map(|()| {
            let list = Arc::clone(&list);
            thread::spawn(move || list.find(1, |found| assert_eq!(found, Some(1))))
        });
        list.insert(2);
        for reader in readers {
            reader.join().unwrap();
        }
        list.find(2, |found| assert_eq!(found, Some(2)));
    });
}
