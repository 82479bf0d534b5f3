//! The list of code, with threads of the system; `proofs/code_ranges` has a model of it.

use super::code_ranges::{CodeRange, CodeRanges};
use core::sync::atomic::{AtomicBool, Ordering};

fn range(start: usize, owner: usize) -> CodeRange {
    CodeRange { code: start..start + 16, owner }
}

fn owner_of(ranges: &CodeRanges, address: usize) -> Option<usize> {
    ranges.read().find(address).map(|range| range.owner)
}

#[test]
fn ranges_come_and_go_in_any_order() {
    let ranges = CodeRanges::new();
    for at in [5, 1, 9, 3, 7, 2, 8] {
        ranges.insert(range(at * 16, at)).unwrap();
    }
    for (address, owner) in [(0, None), (31, Some(1)), (16, Some(1)), (64, None), (159, Some(9))] {
        assert_eq!(owner_of(&ranges, address), owner, "{address}");
    }
    assert_eq!(owner_of(&ranges, 160), None);
    // One of the same place, but of another owner.
    ranges.remove(&range(48, 9));
    assert_eq!(owner_of(&ranges, 48), Some(3));
    for at in [9, 3, 5] {
        ranges.remove(&range(at * 16, at));
        assert_eq!(owner_of(&ranges, at * 16), None);
    }
    ranges.insert(range(48, 4)).unwrap();
    assert_eq!(owner_of(&ranges, 63), Some(4));
    assert_eq!(owner_of(&ranges, 16), Some(1));
}

#[test]
fn a_reader_keeps_its_list_and_stops_no_other() {
    let ranges = CodeRanges::new();
    ranges.insert(range(16, 1)).unwrap();
    std::thread::scope(|scope| {
        let reader = ranges.read();
        let writer = scope.spawn(|| ranges.insert(range(64, 2)).unwrap());
        // The writer waits for the first reader, and new ones do not.
        while owner_of(&ranges, 64).is_none() {
            std::thread::yield_now();
        }
        assert!(!writer.is_finished());
        assert_eq!(reader.find(16).map(|range| range.owner), Some(1));
        assert_eq!(reader.find(64), None);
        drop(reader);
    });
    assert_eq!(owner_of(&ranges, 64), Some(2));
}

#[test]
fn readers_find_what_is_always_there() {
    let ranges = CodeRanges::new();
    for at in (0..64).step_by(2) {
        ranges.insert(range(at * 16, at)).unwrap();
    }
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0..500 {
                let at = (round * 7 % 32) * 2 + 1;
                ranges.insert(range(at * 16, at)).unwrap();
                ranges.remove(&range(at * 16, at));
            }
            done.store(true, Ordering::Relaxed);
        });
        while !done.load(Ordering::Relaxed) {
            for at in (0..64).step_by(2) {
                assert_eq!(owner_of(&ranges, at * 16 + 3), Some(at));
            }
        }
    });
}
