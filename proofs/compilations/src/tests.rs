//! What must hold whatever compilations come and go while threads allocate.

use crate::error::{Error, Misuse};
use crate::running::Running;
use crate::slots::Slots;
use loom::sync::Arc;
use loom::thread;
use std::marker::PhantomData;
use std::ptr;

/// Stacks and regions of two compilations that use the same slot.
const STACKS: [std::ops::Range<usize>; 2] = [100..200, 300..400];
const REGIONS: [std::ops::Range<usize>; 2] = [500..600, 700..800];

/// Every interleaving with up to three preemptions, or as many as
/// `LOOM_MAX_PREEMPTIONS` says.
fn model(body: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(3));
    builder.check(body);
}

fn running(number: usize) -> Running<'static> {
    Running { number, lifetime: PhantomData }
}

/// Runs compilation `number`, and allocates on its stack.
fn compile(slots: &Slots, number: usize) {
    let mut own = running(number);
    let (stack, region) = (STACKS[number].clone(), REGIONS[number].clone());
    let pointer = stack.start + 50;
    let listed = match slots.enter(stack, region, &raw mut own) {
        Ok(listed) => listed,
        Err(Error::Misuse(Misuse::Busy)) => return,
        Err(other) => panic!("{other}"),
    };
    let found = slots.with_stack(pointer).expect("its own stack");
    assert_eq!(found.if_current(pointer).expect("on its own stack").number, number);
    let found = slots.with_region(REGIONS[number].start).expect("its own region");
    assert_eq!(found.if_current(pointer).expect("on its own stack").number, number);
    drop(listed);
    assert!(slots.with_stack(pointer).is_none_or(|found| found.if_current(pointer).is_none()));
}

/// Two compilations take turns in a slot, while a thread that compiles nothing
/// allocates and frees: it belongs to neither, and what it finds of one is not
/// mixed with the other.
#[test]
fn a_reader_finds_a_compilation_whole_or_not_at_all() {
    model(|| {
        let slots = Arc::new(Slots::new());
        let compiling = {
            let slots = slots.clone();
            thread::spawn(move || {
                compile(&slots, 0);
                compile(&slots, 1);
            })
        };
        if let Some(found) = slots.with_stack(STACKS[0].start) {
            assert!(found.if_current(STACKS[1].start).is_none(), "the other's stack");
        }
        if let Some(found) = slots.with_region(REGIONS[1].start) {
            assert!(found.if_current(STACKS[0].start).is_none(), "the other's stack");
        }
        compiling.join().unwrap();
    });
}

/// Two threads want the only slot: one gets it, or both after one another.
#[test]
fn a_slot_has_one_compilation() {
    model(|| {
        let slots = Arc::new(Slots::new());
        let other = {
            let slots = slots.clone();
            thread::spawn(move || compile(&slots, 1))
        };
        compile(&slots, 0);
        other.join().unwrap();
    });
}

/// A compilation that goes on in another thread, as it does on another processor
/// after a switch, finds itself, while others fail to get its slot.
#[test]
fn a_compilation_that_moves_finds_itself() {
    model(|| {
        let slots = Arc::new(Slots::new());
        let mut own = running(0);
        let listed = slots.enter(STACKS[0].clone(), REGIONS[0].clone(), &raw mut own);
        let listed = listed.expect("the slot is free");
        let other = {
            let slots = slots.clone();
            thread::spawn(move || {
                let refused = slots.enter(STACKS[1].clone(), REGIONS[1].clone(), ptr::null_mut());
                assert!(matches!(refused, Err(Error::Misuse(Misuse::Busy))));
            })
        };
        let moved = {
            let slots = slots.clone();
            // What spawning and joining order is what a switch has to.
            thread::spawn(move || {
                let found = slots.with_stack(STACKS[0].start).expect("its own stack");
                assert_eq!(found.if_current(STACKS[0].start).expect("on it").number, 0);
            })
        };
        moved.join().unwrap();
        other.join().unwrap();
        drop(listed);
    });
}
