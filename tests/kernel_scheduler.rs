//! The test kernels' decisions about threads (`tests-qemu/src/sched/queue.rs`),
//! on the host.

#[allow(dead_code, reason = "the kernels use all of it")]
#[path = "../tests-qemu/src/sched/queue.rs"]
mod queue;

use proptest::prelude::*;
use queue::{MAX_THREADS, PATIENCE, Queue};

const NEVER: u64 = u64::MAX;

fn queue(processors: usize, priorities: &[u8]) -> Queue {
    let mut queue = Queue::new();
    queue.configure(processors, true);
    for (id, priority) in priorities.iter().enumerate() {
        assert_eq!(queue.add(*priority), Some(id));
    }
    queue
}

#[test]
fn equal_threads_take_turns() {
    let mut queue = queue(1, &[2, 2, 2]);
    let turns: Vec<_> = (0..7)
        .map(|now| {
            queue.tick(0, now);
            queue.running(0)
        })
        .collect();
    assert_eq!(turns, [0, 1, 2, 0, 1, 2, 0].map(Some));
}

#[test]
fn higher_priorities_go_first_but_not_forever() {
    let mut queue = queue(1, &[3, 3, 1]);
    let turns: Vec<_> = (0..4 * PATIENCE)
        .map(|now| {
            queue.tick(0, now);
            queue.running(0).unwrap()
        })
        .collect();
    let of_low = turns.iter().filter(|id| **id == 2).count() as u64;
    assert!(turns[..PATIENCE as usize / 2].iter().all(|id| *id != 2));
    assert!((2..=5).contains(&of_low), "{of_low}");
}

#[test]
fn a_tick_moves_a_thread() {
    let mut queue = queue(4, &[2]);
    let mut processor = 0;
    queue.tick(processor, 0);
    let mut seen = vec![0; 4];
    for now in 1..13 {
        seen[processor] += 1;
        queue.tick(processor, now);
        assert_eq!(queue.running(processor), None, "not twice in a row");
        let next = queue.should_look(processor).expect("three are idle");
        queue.look(next);
        assert_eq!(queue.running(next), Some(0));
        processor = next;
    }
    assert_eq!(seen, [3; 4], "all in turn");
}

#[test]
fn a_thread_that_waits_is_woken_once() {
    let mut queue = queue(2, &[2, 2]);
    queue.tick(0, 0);
    queue.tick(1, 0);
    // Unparked before: the first time does not wait, the second does.
    queue.unpark(0);
    queue.unpark(0);
    queue.park(0, NEVER);
    assert_eq!(queue.running(0), Some(0));
    queue.park(0, NEVER);
    assert_eq!(queue.running(0), None);
    queue.unpark(0);
    // It was on processor 0 last, and the other one is as important.
    assert_eq!(queue.should_look(0), None);
    queue.tick(1, 1);
    assert_eq!(queue.running(1), Some(0));
}

#[test]
fn a_time_ends_waiting() {
    let mut queue = queue(2, &[2]);
    queue.tick(0, 0);
    queue.park(0, 10);
    queue.tick(1, 9);
    assert_eq!(queue.running(1), None);
    queue.tick(1, 10);
    assert_eq!(queue.running(1), Some(0));
}

#[test]
fn a_woken_thread_displaces_a_lesser_one() {
    let mut queue = queue(2, &[3, 1, 1]);
    queue.tick(0, 0);
    queue.tick(1, 0);
    queue.park(0, NEVER);
    assert_eq!((queue.running(0), queue.running(1)), (Some(2), Some(1)));
    queue.unpark(0);
    assert_eq!(queue.should_look(0), Some(1), "where it was not last");
    queue.look(1);
    assert_eq!(queue.running(1), Some(0));
    // Equals are not displaced.
    queue.look(0);
    assert_eq!(queue.running(0), Some(2));
}

#[test]
fn whoever_waits_for_an_end_is_told() {
    let mut queue = queue(2, &[2, 2]);
    queue.tick(0, 0);
    queue.tick(1, 0);
    assert!(!queue.has_ended(1, 0));
    queue.park(0, NEVER);
    queue.end(1);
    assert!(queue.has_ended(1, 0));
    assert_eq!(queue.running(1), Some(0));
    queue.remove(0);
    queue.remove(1);
    assert_eq!(queue.add(2), Some(1), "the other one has not ended");
}

#[test]
fn there_are_only_so_many() {
    let mut queue = queue(1, &[1; MAX_THREADS]);
    assert_eq!(queue.add(1), None);
}

#[derive(Clone, Debug)]
enum Step {
    Tick(usize),
    GiveWay(usize),
    Look(usize),
    Park(usize, u64),
    End(usize),
    Unpark(usize),
    Add(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..3_usize).prop_map(Step::Tick),
        1 => (0..3_usize).prop_map(Step::GiveWay),
        1 => (0..3_usize).prop_map(Step::Look),
        1 => (0..3_usize, 0..200_u64).prop_map(|(processor, until)| Step::Park(processor, until)),
        1 => (0..3_usize).prop_map(Step::End),
        2 => (0..8_usize).prop_map(Step::Unpark),
        1 => (0..4_u8).prop_map(Step::Add),
    ]
}

proptest! {
    /// Whatever happens, a thread is on one processor at most and never twice in a
    /// row on the same, and ready threads all run in the end.
    #[test]
    fn no_thread_is_lost_or_doubled(steps in proptest::collection::vec(step(), 1..200)) {
        let mut queue = queue(3, &[2, 1]);
        let (mut alive, mut last) = (2, [usize::MAX; MAX_THREADS]);
        let mut fresh = [true; MAX_THREADS];
        for (now, step) in steps.into_iter().enumerate() {
            let before = [0, 1, 2].map(|processor| queue.running(processor));
            match step {
                Step::Tick(processor) => queue.tick(processor, now as u64),
                Step::GiveWay(processor) => queue.give_way(processor),
                Step::Look(processor) => queue.look(processor),
                Step::Park(processor, until) => queue.park(processor, until),
                Step::End(processor) => {
                    if let Some(id) = queue.running(processor) {
                        queue.end(processor);
                        queue.remove(id);
                        fresh[id] = true;
                        alive -= 1;
                    }
                }
                Step::Unpark(id) => queue.unpark(id),
                Step::Add(priority) => alive += usize::from(queue.add(priority).is_some()),
            }
            let after = [0, 1, 2].map(|processor| queue.running(processor));
            for (processor, running) in after.into_iter().enumerate() {
                let Some(id) = running else { continue };
                prop_assert_eq!(after.iter().filter(|other| **other == running).count(), 1);
                let arrived = before[processor] != running;
                prop_assert!(!arrived || fresh[id] || last[id] != processor);
                fresh[id] = false;
                last[id] = processor;
            }
        }
        // All that wait are woken; then all get a turn.
        let mut ran = std::collections::BTreeSet::new();
        for turn in 0..(3 * 64 * PATIENCE) {
            let processor = turn as usize % 3;
            queue.tick(processor, 1_000 + turn);
            ran.extend(queue.running(processor));
        }
        prop_assert_eq!(ran.len(), alive);
    }
}
