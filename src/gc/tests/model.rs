//! Random programs of reference operations under both policies, against a
//! model that knows who holds what.

use super::{Arc, AtomicUsize, BOTH, Counted, ExternRef, Fixture, NoMaps, Ordering, ValRaw, Vec};
use proptest::prelude::*;

const PLACES: usize = 4;

#[derive(Clone, Copy, Debug)]
enum Op {
    /// The host passes a new object to a frame.
    Pass,
    /// The host puts a new object in a place, as it does for a root.
    Keep(usize),
    /// A frame stores local `0` in place `1`.
    Store(usize, usize),
    /// A frame reads a place.
    Read(usize),
    /// A frame forgets a local.
    Forget(usize),
    /// A place is cleared.
    Clear(usize),
    Collect,
    Step(u32),
    /// The outermost activation returns: all locals are gone.
    Return,
    Drain(usize),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => Just(Op::Pass),
        2 => (0..PLACES).prop_map(Op::Keep),
        4 => (0..8usize, 0..PLACES).prop_map(|(local, place)| Op::Store(local, place)),
        4 => (0..PLACES).prop_map(Op::Read),
        3 => (0..8usize).prop_map(Op::Forget),
        2 => (0..PLACES).prop_map(Op::Clear),
        1 => Just(Op::Collect),
        3 => (0..4u32).prop_map(Op::Step),
        1 => Just(Op::Return),
        1 => (0..3usize).prop_map(Op::Drain),
    ]
}

struct Run {
    fixture: Fixture,
    drops: Vec<Arc<AtomicUsize>>,
    /// Object behind each slot number that is held somewhere.
    object_of: std::collections::HashMap<u32, usize>,
    places: [u32; PLACES],
}

impl Run {
    fn held(&self) -> std::collections::BTreeSet<usize> {
        let locals = self.fixture.frame.iter().map(|value| value.u32());
        locals
            .chain(self.places)
            .filter(|slot| *slot != 0)
            .map(|slot| self.object_of[&slot])
            .collect()
    }

    fn check_held(&self) {
        for object in self.held() {
            assert_eq!(self.drops[object].load(Ordering::SeqCst), 0, "released while held");
        }
        for drops in &self.drops {
            assert!(drops.load(Ordering::SeqCst) <= 1, "released twice");
        }
    }

    fn store(&mut self, slot: u32, place: usize) {
        self.fixture.heap().increment(slot);
        self.replace(slot, place);
    }

    /// Puts a slot that is already counted for the place there.
    fn replace(&mut self, slot: u32, place: usize) {
        let old = core::mem::replace(&mut self.places[place], slot);
        self.fixture.heap().decrement(old);
    }

    fn object(&mut self) -> ExternRef {
        let drops = Arc::new(AtomicUsize::new(0));
        self.drops.push(drops.clone());
        ExternRef::new(Counted(drops)).unwrap()
    }

    fn apply(&mut self, op: Op) {
        match op {
            Op::Pass => {
                if self.held().len() >= 12 {
                    return;
                }
                let object = self.object();
                let slot = self.fixture.intern(object);
                self.object_of.insert(slot, self.drops.len() - 1);
                self.fixture.frame.push(ValRaw::from_u32(slot));
            }
            Op::Keep(place) => {
                if self.held().len() >= 12 {
                    return;
                }
                let object = self.object();
                self.fixture.publish_frame();
                self.fixture.heap().reserve(1, &NoMaps).unwrap();
                let slot = self.fixture.heap().intern_counted(object).unwrap();
                self.object_of.insert(slot, self.drops.len() - 1);
                self.replace(slot, place);
            }
            Op::Store(local, place) => {
                if let Some(value) = self.fixture.frame.get(local) {
                    self.store(value.u32(), place);
                }
            }
            Op::Read(place) => {
                let slot = self.places[place];
                if slot != 0 {
                    self.fixture.heap().note_read(slot);
                    self.fixture.frame.push(ValRaw::from_u32(slot));
                }
            }
            Op::Forget(local) => {
                if local < self.fixture.frame.len() {
                    self.fixture.frame.swap_remove(local);
                }
            }
            Op::Clear(place) => self.store(0, place),
            Op::Collect => self.fixture.collect(),
            Op::Step(budget) => {
                self.fixture.publish_frame();
                self.fixture.heap().step(budget, &NoMaps).unwrap();
            }
            Op::Return => {
                self.fixture.frame.clear();
                self.fixture.heap().outermost_returned();
            }
            Op::Drain(budget) => {
                self.fixture.heap().drain(budget);
            }
        }
        self.check_held();
        self.check_counts();
    }

    /// Every live slot counts the places that name it, no more and no less.
    fn check_counts(&mut self) {
        let places = self.places;
        let arena = &mut self.fixture.heap().arena;
        for slot in 1..arena.initialised_len() {
            if let Some(header) = arena.live_mut(slot) {
                let naming = places.iter().filter(|place| **place == slot).count();
                assert_eq!(header.count as usize, naming, "the count of slot {slot}");
            }
        }
    }

    /// Objects released after a final collection.
    fn finish(mut self) -> Vec<bool> {
        self.fixture.collect();
        let held = self.held();
        for (object, drops) in self.drops.iter().enumerate() {
            let released = drops.load(Ordering::SeqCst) == 1;
            assert_eq!(released, !held.contains(&object), "object {object}");
        }
        let released: Vec<bool> =
            self.drops.iter().map(|drops| drops.load(Ordering::SeqCst) == 1).collect();
        let drops = core::mem::take(&mut self.drops);
        drop(self);
        assert!(drops.iter().all(|drops| drops.load(Ordering::SeqCst) == 1));
        released
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        // `PROPTEST_CASES` can ask for more: `./x test --full` does.
        cases: if cfg!(miri) { 2 } else { ProptestConfig::default().cases.max(512) },
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn both_policies_release_what_is_unreachable(ops in proptest::collection::vec(op(), 0..120)) {
        let released = BOTH.map(|policy| {
            let mut run = Run {
                fixture: Fixture::new(16, policy),
                drops: Vec::new(),
                object_of: Default::default(),
                places: [0; PLACES],
            };
            for op in &ops {
                run.apply(*op);
            }
            run.finish()
        });
        prop_assert_eq!(&released[0], &released[1]);
    }
}
