//! Regions and slots by themselves. What runs in them is tested with the
//! allocator in its place (`tests/compile_memory`).

use super::region::{Region, addresses};
use super::running::Running;
use super::slots::{MAX_CONFINED_COMPILATIONS, Slots};
use crate::error::{Error, Misuse};
use core::alloc::Layout;
use core::mem::MaybeUninit;
use core::ptr::NonNull;
use proptest::prelude::*;
use std_alloc::vec;
use std_alloc::vec::Vec;

/// A block, what it was filled with, and its layout.
type Block = (NonNull<u8>, u8, Layout);

/// Whether it still is.
fn is_intact((block, fill, layout): &Block) -> bool {
    // SAFETY: a block in use, which was filled.
    let bytes = unsafe { core::slice::from_raw_parts(block.as_ptr(), layout.size()) };
    bytes.iter().all(|byte| byte == fill)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 4 } else { 64 }))]

    #[test]
    fn blocks_lie_in_the_region_and_apart(
        requests in proptest::collection::vec((0_u8..3, 1_usize..3000, 0_u32..7, any::<usize>()), 1..60)
    ) {
        let mut memory = vec![MaybeUninit::<u8>::uninit(); 64 << 10];
        let within = addresses(&memory);
        // SAFETY: the memory is used through the region alone.
        let mut region = unsafe { Region::within(&mut memory) }.unwrap();
        // SAFETY: just made, and used here alone.
        let region = unsafe { region.as_mut() };
        let mut blocks: Vec<Block> = Vec::new();
        for (at, (kind, size, align, which)) in requests.into_iter().enumerate() {
            let fill = at as u8;
            if kind == 0 || blocks.is_empty() {
                let layout = Layout::from_size_align(size, 1 << align).unwrap();
                let Some(block) = region.allocate(layout) else { continue };
                blocks.push((block, fill, layout));
            } else {
                let (block, old, layout) = blocks.swap_remove(which % blocks.len());
                prop_assert!(is_intact(&(block, old, layout)));
                if kind == 1 {
                    // SAFETY: in use, and of this layout.
                    unsafe { region.deallocate(block, layout) };
                    continue;
                }
                let new = Layout::from_size_align(size, layout.align()).unwrap();
                // SAFETY: as above; the size is not zero.
                match unsafe { region.reallocate(block, layout, new) } {
                    Some(moved) => {
                        let kept = Layout::from_size_align(size.min(layout.size()), 1).unwrap();
                        prop_assert!(is_intact(&(moved, old, kept)));
                        blocks.push((moved, fill, new));
                    }
                    None => {
                        blocks.push((block, old, layout));
                        continue;
                    }
                }
            }
            let (block, fill, layout) = *blocks.last().unwrap();
            let start = block.addr().get();
            prop_assert!(start.is_multiple_of(layout.align()));
            prop_assert!(within.contains(&start) && start + layout.size() <= within.end);
            // SAFETY: a block in use.
            unsafe { block.write_bytes(fill, layout.size()) };
        }
        prop_assert!(blocks.iter().all(is_intact));
        let used = blocks.iter().map(|(.., layout)| layout.size()).sum::<usize>();
        prop_assert!(region.peak_bytes() >= used);
    }
}

#[test]
fn a_region_has_no_more_than_it_was_given() {
    for bytes in [0, 1, 100, 5000] {
        let mut memory = vec![MaybeUninit::<u8>::uninit(); bytes];
        // SAFETY: the memory is used through the region alone.
        assert!(unsafe { Region::within(&mut memory) }.is_none(), "{bytes}");
    }
    let mut memory = vec![MaybeUninit::<u8>::uninit(); 64 << 10];
    // SAFETY: as above.
    let mut region = unsafe { Region::within(&mut memory) }.unwrap();
    // SAFETY: just made, and used here alone.
    let region = unsafe { region.as_mut() };
    let layout = Layout::from_size_align(1000, 8).unwrap();
    let blocks = core::iter::from_fn(|| region.allocate(layout)).count();
    assert!((40..=65).contains(&blocks), "{blocks} blocks of 1000 bytes in 64 KiB");
    assert!(region.allocate(Layout::from_size_align(1 << 40, 8).unwrap()).is_none());
}

/// Calls `with` for a compilation that does not run.
fn idle<R>(with: impl FnOnce(*mut Running<'static>) -> R) -> R {
    let ended = || false;
    let mut running = Running::new(NonNull::dangling(), &ended, None);
    with((&raw mut running).cast())
}

#[test]
fn compilations_are_found_while_they_are_listed() {
    let slots = Slots::new();
    idle(|running| {
        let list = |at: usize| slots.enter(at..at + 10, at + 50..at + 60, running);
        let mut listed: Vec<_> = (0..MAX_CONFINED_COMPILATIONS)
            .map(|n| list(n * 100).unwrap_or_else(|error| panic!("{error}")))
            .collect();
        assert!(matches!(list(9000), Err(Error::Misuse(Misuse::Busy))));
        for n in 0..MAX_CONFINED_COMPILATIONS {
            let found = slots.with_stack(n * 100 + 9).unwrap();
            assert!(found.if_current(n * 100).is_some());
            assert!(found.if_current(n * 100 + 10).is_none());
            assert!(slots.with_region(n * 100 + 50).unwrap().if_current(n * 100 + 5).is_some());
            assert!(slots.with_stack(n * 100 + 50).is_none());
            assert!(slots.with_region(n * 100 + 60).is_none());
        }
        drop(listed.swap_remove(3));
        assert!(slots.with_stack(300).is_none() && slots.with_region(350).is_none());
        listed.push(list(9000).unwrap_or_else(|error| panic!("{error}")));
        assert!(slots.with_stack(9000).is_some() && slots.with_stack(300).is_none());
        drop(listed);
        assert!((0..9100).all(|at| slots.with_stack(at).is_none()));
    });
}

/// Whoever is listed finds itself, whatever the others do.
#[test]
fn others_come_and_go() {
    let slots = Slots::new();
    let rounds = if cfg!(miri) { 20 } else { 20_000 };
    std::thread::scope(|scope| {
        for thread in 0..4_usize {
            let slots = &slots;
            scope.spawn(move || {
                idle(|running| {
                    for round in 0..rounds {
                        let at = (thread * rounds + round + 1) * 100;
                        let Ok(listed) = slots.enter(at..at + 10, at + 50..at + 60, running) else {
                            panic!("there are slots for all");
                        };
                        let found = slots.with_stack(at + 3).expect("its own");
                        let own = found.if_current(at + 3).expect("its own");
                        assert!(core::ptr::eq(own, running.cast_const()));
                        assert!(slots.with_region(at + 55).is_some());
                        drop(listed);
                        assert!(slots.with_stack(at + 3).is_none());
                    }
                });
            });
        }
    });
}
