//! A walk that fails ends the collection with an error: nothing is released,
//! table, slots and queue are what they were, and a later collection works.

use super::{BOTH, Fixture, Vec, counted};
use crate::abi::{ActivationRecord, StackMapLookup, Trap};
use crate::error::Error;
use crate::stack::tests::StackMemory;
use core::ptr;
use std::sync::atomic::Ordering;

struct Maps(&'static [u32]);
// SAFETY: the test's frame has the cells.
unsafe impl StackMapLookup for Maps {
    fn stack_map(&self, return_address: usize) -> Option<(u32, &[u32])> {
        (return_address == 0x200).then_some((64, self.0))
    }
}

/// One frame at word 12, called from the entry at word 60; exit frame at 2,
/// activation record at 50. The frame's cell is 8 bytes below it.
struct World {
    fixture: Fixture,
    stack: StackMemory,
    maps: Maps,
}

impl World {
    fn address(&self, word: usize) -> usize {
        self.stack.address(word)
    }

    fn intact(&mut self, held: u32) {
        let (exit, frame, entry) = (self.address(2), self.address(12), self.address(60));
        self.stack.words()[2] = frame;
        self.stack.words()[11] = held as usize;
        self.stack.words()[12] = entry;
        self.stack.words()[13] = 0x999;
        let record = ActivationRecord {
            store: ptr::null_mut(),
            previous: ptr::null_mut(),
            saved_exit_fp: 0,
            saved_exit_pc: 0,
            entry_fp: entry,
            reserved: 0,
        };
        let place: *mut ActivationRecord = ptr::with_exposed_provenance_mut(self.address(50));
        // SAFETY: words 50 to 55 of the array, aligned to 16.
        unsafe { place.write(record) };
        self.maps = Maps(&[8]);
        self.vm(|vm| {
            (vm.exit_fp, vm.exit_pc, vm.activation) = (exit, 0x200, place);
        });
    }

    fn vm(&mut self, change: impl FnOnce(&mut crate::abi::VmStoreContext)) {
        let vm = self.fixture.heap().vm.as_ptr();
        // SAFETY: the context is the fixture's, and nothing else uses it now.
        change(unsafe { &mut *vm });
    }

    /// Everything that a collection may change.
    fn state(&mut self) -> State {
        let heap = self.fixture.heap();
        let table = heap.table.entries_mut().to_vec();
        let slots = (1..heap.arena.initialised_len())
            .filter_map(|slot| {
                heap.arena.header_mut(slot).map(|h| (h.count, h.flags, h.payload.addr() as u64))
            })
            .collect();
        (table, slots, heap.queue.len(), heap.stats().collections)
    }
}

/// Table, slots, queue length, collections.
type State = (Vec<u32>, Vec<(u32, u32, u64)>, u32, u64);

type Damage = (&'static str, fn(&mut World));

const DAMAGE: &[Damage] = &[
    ("no exact map", |w| w.vm(|vm| vm.exit_pc = 0x201)),
    ("one byte before", |w| w.vm(|vm| vm.exit_pc = 0x1ff)),
    ("exit link misaligned", |w| w.stack.words()[2] += 8),
    ("frame link misaligned", |w| w.stack.words()[12] += 8),
    ("a loop", |w| {
        let at = w.address(12);
        w.stack.words()[12] = at;
    }),
    ("out of order", |w| {
        let at = w.address(2);
        w.stack.words()[12] = at;
    }),
    ("outside the activation", |w| {
        let at = w.address(62);
        w.stack.words()[12] = at;
    }),
    ("null link", |w| w.stack.words()[12] = 0),
    ("all ones", |w| w.stack.words()[12] = usize::MAX & !15),
    ("exit frame null", |w| w.vm(|vm| vm.exit_fp = 0)),
    ("exit frame above the entry", |w| {
        let at = w.address(62);
        w.vm(|vm| vm.exit_fp = at);
    }),
    ("entry below its record", |w| {
        let at = w.address(40);
        // SAFETY: the record lies in the array.
        w.vm(|vm| unsafe { (*vm.activation).entry_fp = at });
    }),
    ("records out of order", |w| {
        let at: *mut ActivationRecord = ptr::with_exposed_provenance_mut(w.address(52));
        // SAFETY: as above.
        w.vm(|vm| unsafe { (*vm.activation).previous = at });
    }),
    ("a cell outside the frame", |w| w.maps = Maps(&[8, 80])),
    ("a cell in the frame's head", |w| w.maps = Maps(&[8, 0])),
    ("a cell misaligned", |w| w.maps = Maps(&[8, 11])),
    ("a cell below all memory", |w| w.maps = Maps(&[8, u32::MAX])),
    ("a slot that does not exist", |w| w.stack.words()[11] = 7),
    ("a slot that is free", |w| w.stack.words()[11] = 4),
    ("a slot far outside", |w| w.stack.words()[11] = u32::MAX as usize),
];

#[test]
fn a_failed_walk_releases_nothing_and_changes_nothing() {
    for policy in BOTH {
        for (what, damage) in DAMAGE {
            for stepwise in [false, true] {
                if cfg!(miri) && stepwise != (policy == BOTH[0]) {
                    continue;
                }
                let mut world = World {
                    fixture: Fixture::new(16, policy),
                    stack: StackMemory::new(),
                    maps: Maps(&[]),
                };
                let objects: Vec<_> = (0..3).map(|_| counted()).collect();
                let (mut slots, mut drops) = (Vec::new(), Vec::new());
                for (object, dropped) in objects {
                    slots.push(world.fixture.intern(object));
                    drops.push(dropped);
                }
                world.fixture.heap().increment(slots[1]);
                // A fourth slot, used and free again.
                assert_eq!(world.fixture.intern(counted().0), 4);
                let heap = world.fixture.heap();
                heap.table.truncate(heap.table.len() - 1);
                drop(heap.arena.take(4));
                world.intact(slots[0]);
                damage(&mut world);
                let before = world.state();
                let heap = world.fixture.heap.as_mut().unwrap();
                let outcome = match stepwise {
                    true => heap.step(1, &world.maps).map(drop),
                    false => heap.collect(&world.maps),
                };
                let failed = matches!(outcome, Err(Error::Trap(Trap::StackWalkFailed)));
                assert!(failed, "{what}: {outcome:?}");
                assert_eq!(world.state(), before, "{what}");
                assert_eq!(world.fixture.heap().drain(usize::MAX), 0, "{what}");
                world.intact(slots[0]);
                let heap = world.fixture.heap.as_mut().unwrap();
                heap.collect(&world.maps).unwrap();
                heap.drain(usize::MAX);
                let dropped: Vec<_> = drops.iter().map(|d| d.load(Ordering::SeqCst)).collect();
                assert_eq!(dropped, [0, 0, 1], "{what}: repaired");
                world.vm(|vm| vm.activation = ptr::null_mut());
            }
        }
    }
}
