//! Guards behind linear memories, and what happens to accesses that hit them.

use crate::interrupts::{noise, with_timer};
use crate::running::{engine, module};
use alloc::vec::Vec;
use kernref::alloc::MemorySource;
use kernref::fault::MEMORY32_GUARDED_BYTES;
use kernref::{
    AsContext, Caller, Engine, Error, Extern, ExternRef, Instance, Linker, Memory, Result, Rooted,
    Store, Trap, TypedFunc,
};
use kernref_qemu::embedder::paged_memory;
use kernref_qemu::probe::{read_faults, write_faults};
use kernref_qemu::{faults, frames, heap, timer};
use kernref_testsuite::Setup;

const PAGE: usize = 64 << 10;

pub fn a_memory_is_guarded_and_given_back(_: Setup) {
    let source = paged_memory();
    let before = frames::available();
    for round in 0..100 {
        let mut memory =
            source.reserve_guarded(PAGE, 4 << 30, MEMORY32_GUARDED_BYTES).expect("a memory");
        assert_eq!(memory.guarded_bytes, MEMORY32_GUARDED_BYTES);
        // SAFETY: of this source.
        unsafe { source.commit(&mut memory, 3 * PAGE).expect("room") };
        assert_eq!(memory.committed_bytes, 3 * PAGE);
        let bytes = memory.base.as_ptr();
        let start = bytes.addr();
        // SAFETY: committed, and used by nobody else. Reading has no side effects.
        unsafe {
            assert!(bytes.add(round).read() == 0 && bytes.add(3 * PAGE - 1).read() == 0);
            bytes.add(round).write(1);
            assert!(!write_faults(start) && !write_faults(start + 3 * PAGE - 1));
            for offset in [3 * PAGE, 1 << 20, 1 << 30, 4 << 30, memory.guarded_bytes - 1] {
                assert!(read_faults(start + offset), "no fault at {offset:#x}");
            }
            MemorySource::release(&*source, memory);
            assert!(read_faults(start) && read_faults(start + 3 * PAGE - 1));
        }
        assert_eq!(frames::available(), before, "in round {round}");
    }
}

pub fn a_refused_commit_takes_nothing(_: Setup) {
    let source = paged_memory();
    let before = frames::available();
    let mut memory = source.reserve_guarded(0, 4 << 30, MEMORY32_GUARDED_BYTES).expect("no bytes");
    // As many pages as there are frames: none is left for the page tables.
    // SAFETY: of this source.
    let outcome = unsafe { source.commit(&mut memory, before * frames::FRAME_BYTES) };
    assert!(matches!(outcome, Err(Error::OutOfMemory { .. })), "{outcome:?}");
    assert_eq!((memory.committed_bytes, frames::available()), (0, before));
    // SAFETY: ours, and not used afterwards.
    unsafe {
        source.commit(&mut memory, PAGE).expect("room");
        MemorySource::release(&*source, memory);
    }
    assert_eq!(frames::available(), before);
}

const STRAY: &str = include_str!("guests/stray.wat");

/// An instance of `text` in a store with its own engine.
fn guest(
    setup: Setup,
    text: &str,
    define: impl FnOnce(&mut Linker<()>) -> Result<()>,
) -> (Store<()>, Instance) {
    instantiate(&engine(setup, |_| {}), text, define)
}

fn instantiate(
    engine: &Engine,
    text: &str,
    define: impl FnOnce(&mut Linker<()>) -> Result<()>,
) -> (Store<()>, Instance) {
    let mut linker = Linker::new(engine);
    define(&mut linker).expect("new names");
    let mut store = Store::new(engine, ()).expect("a store");
    let instance = linker.instantiate(&mut store, &module(engine, text)).expect("an instance");
    (store, instance)
}

fn is_stray<T>(outcome: &Result<T>) -> bool {
    matches!(outcome, Err(Error::Trap(Trap::MemoryOutOfBounds)))
}

/// A stray access, and one that is none, of a guest of `engine`.
pub(crate) fn a_stray_ends_on(engine: &Engine) {
    let (mut store, instance) = instantiate(engine, STRAY, |_| Ok(()));
    let load: TypedFunc<u32, u32> = instance.get_typed_func(&mut store, "load").expect("load");
    assert!(is_stray(&load.call(&mut store, 1 << 20)));
    assert_eq!(load.call(&mut store, 0).expect("in bounds"), 0);
}

pub fn a_stray_access_ends_the_guest_alone(setup: Setup) {
    let (mut store, instance) = guest(setup, STRAY, |_| Ok(()));
    let load: TypedFunc<u32, u32> = instance.get_typed_func(&mut store, "load").expect("load");
    let write: TypedFunc<u32, ()> = instance.get_typed_func(&mut store, "store").expect("store");
    let grow: TypedFunc<(), u32> = instance.get_typed_func(&mut store, "grow").expect("grow");
    for pages in 1..=3 {
        let end = pages * PAGE as u32;
        assert_eq!(load.call(&mut store, end - 1).expect("in bounds"), 0);
        for at in [end, end + 4095, 1 << 30, 1 << 31, u32::MAX] {
            assert!(is_stray(&load.call(&mut store, at)), "a load at {at:#x}");
            assert!(is_stray(&write.call(&mut store, at)), "a store at {at:#x}");
        }
        // Partly inside: none of it is written.
        for at in end - 15..end - 8 {
            assert!(is_stray(&write.call(&mut store, at)), "a store at {at:#x}");
        }
        let left = (end - 8..end).map(|at| load.call(&mut store, at).expect("in bounds"));
        assert!(left.eq([0; 8]), "half a store");
        write.call(&mut store, end - 24).expect("in bounds");
        assert_eq!(
            grow.call(&mut store, ()).expect("no trap"),
            [1, 2, u32::MAX][pages as usize - 1]
        );
    }
}

const NESTED: &str = include_str!("guests/nested.wat");

/// Every other activation hits the guard, and the one above it continues.
pub fn strays_end_one_activation_at_a_time(setup: Setup) {
    let below = |mut caller: Caller<'_, ()>, depth: u32| -> Result<u32> {
        let nest = caller.get_export("nest").and_then(Extern::into_func).expect("nest");
        let nest = nest.typed::<(u32, ExternRef), u32>(&caller)?;
        let outcome = nest.call(&mut caller, (depth, ExternRef::new(depth)?));
        caller.gc()?;
        match outcome {
            Ok(told) => {
                assert_eq!((depth % 2, told), (1, 7));
                Ok(0)
            }
            outcome => {
                assert!(depth.is_multiple_of(2) && is_stray(&outcome), "{outcome:?} at {depth}");
                Ok(1)
            }
        }
    };
    let number = |caller: Caller<'_, ()>, object: Rooted| -> Result<u32> {
        Ok(*object.get(&caller)?.downcast_ref::<u32>()?)
    };
    let (mut store, instance) = guest(setup, NESTED, |linker| {
        linker.func_wrap("h", "below", below)?.func_wrap("h", "number", number)?;
        Ok(())
    });
    let nest: TypedFunc<(u32, ExternRef), u32> =
        instance.get_typed_func(&mut store, "nest").expect("nest");
    for depth in [0, 1, 2, 3, 8, 9] {
        let object = ExternRef::new(depth).expect("an object");
        let outcome = nest.call(&mut store, (depth, object.clone()));
        let expected = if depth % 2 == 1 { matches!(outcome, Ok(7)) } else { is_stray(&outcome) };
        assert!(expected, "{outcome:?}");
        assert_eq!(object.strong_count(), 1, "released when the call is over");
        assert_eq!(store.gc_stats().slots_used, 0);
    }
}

/// The kernel's own access to a guard is not the guest's, whichever guest runs.
pub fn kernel_faults_are_not_blamed_on_guests(setup: Setup) {
    let touch = |mut caller: Caller<'_, ()>| -> Result<u32> {
        let memory = caller.get_export("memory").and_then(Extern::into_memory).expect("memory");
        let data = memory.data(caller.as_context())?;
        let end = data.as_ptr().addr() + data.len();
        let handled = faults::handled();
        // SAFETY: reading has no side effects.
        assert!(unsafe { read_faults(end) && read_faults(0) });
        assert_eq!(faults::handled(), handled);
        Ok(5)
    };
    let text = include_str!("guests/touch-beside.wat");
    let (mut store, instance) = guest(setup, text, |linker| {
        linker.func_wrap("h", "touch", touch)?;
        Ok(())
    });
    let run: TypedFunc<(), u32> = instance.get_typed_func(&mut store, "run").expect("run");
    assert_eq!(run.call(&mut store, ()).expect("no trap"), 5);
}

/// Stray accesses of several engines, one after another.
pub fn each_engine_knows_its_own(setup: Setup) {
    let guests: Vec<_> = (0..4)
        .map(|_| {
            let (mut store, instance) = guest(setup, STRAY, |_| Ok(()));
            let load: TypedFunc<u32, u32> =
                instance.get_typed_func(&mut store, "load").expect("load");
            (store, load)
        })
        .collect();
    for (mut store, load) in guests.into_iter().rev() {
        assert!(is_stray(&load.call(&mut store, 1 << 20)));
        assert_eq!(load.call(&mut store, 0).expect("in bounds"), 0);
    }
}

pub fn more_engines_than_are_watched_are_refused(setup: Setup) {
    let engine = engine(setup, |_| {});
    let mut watches = Vec::new();
    let refused = loop {
        match faults::watch(&engine) {
            Ok(watch) => watches.push(watch),
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, Error::Limit(_)), "{refused}");
    assert_eq!(watches.len(), faults::MOST_ENGINES - 1, "beside the one that `engine` watches");
    watches.pop();
    assert!(faults::watch(&engine).is_ok(), "a place that is free again");
}

pub fn strays_survive_interrupts(setup: Setup) {
    let (mut store, instance) = guest(setup, STRAY, |_| Ok(()));
    let sum: TypedFunc<u32, f64> = instance.get_typed_func(&mut store, "sum").expect("sum");
    let load: TypedFunc<u32, u32> = instance.get_typed_func(&mut store, "load").expect("load");
    with_timer(noise, || {
        let from = timer::ticks();
        while timer::ticks() - from < 20 {
            assert!(is_stray(&sum.call(&mut store, 2_000)));
            assert_eq!(load.call(&mut store, 65_535).expect("in bounds"), 0);
        }
    });
}

pub fn thousands_of_strays_leak_nothing(setup: Setup) {
    let engine = engine(setup, |_| {});
    let run = |strays: u32| {
        let (mut store, instance) = instantiate(&engine, STRAY, |_| Ok(()));
        let load: TypedFunc<u32, u32> = instance.get_typed_func(&mut store, "load").expect("load");
        let write: TypedFunc<u32, ()> =
            instance.get_typed_func(&mut store, "store").expect("store");
        // The first one may allocate room that is kept for the store's life.
        assert!(is_stray(&load.call(&mut store, u32::MAX)));
        let before = (heap::usage().0, frames::available());
        let handled = faults::handled();
        for stray in 0..strays {
            let at = (1 << 16) + stray.wrapping_mul(0x9e37_79b1) / 2;
            assert!(is_stray(&load.call(&mut store, at)));
            assert!(is_stray(&write.call(&mut store, at)));
        }
        assert_eq!(faults::handled() - handled, u64::from(2 * strays), "explicit checks");
        assert_eq!((heap::usage().0, frames::available()), before, "while the store lives");
    };
    // The first runs grow lists that are kept.
    for _ in 0..3 {
        run(1);
    }
    let before = (heap::usage().0, frames::available());
    run(2_500);
    for _ in 0..20 {
        run(1);
    }
    assert_eq!((heap::usage().0, frames::available()), before, "after the stores");
}

/// Runs a guest during which the kernel touches the guest's guard: it must be
/// reported as an unexpected exception.
pub fn touch_a_guard() {
    let touch = |mut caller: Caller<'_, ()>| -> Result<u32> {
        let memory: Memory =
            caller.get_export("memory").and_then(Extern::into_memory).expect("memory");
        let data = memory.data(caller.as_context())?;
        // SAFETY: an address in the memory's range; that it faults is the point.
        Ok(u32::from(unsafe { data.as_ptr().add(data.len()).read_volatile() }))
    };
    let text = include_str!("guests/touch-guard.wat");
    let (mut store, instance) = guest(Setup::HARDWARE[0], text, |linker| {
        linker.func_wrap("h", "touch", touch)?;
        Ok(())
    });
    let run: TypedFunc<(), u32> = instance.get_typed_func(&mut store, "run").expect("run");
    kernref_qemu::println!("touching a guard");
    let outcome = run.call(&mut store, ());
    kernref_qemu::println!("the guest went on: {outcome:?}");
}
