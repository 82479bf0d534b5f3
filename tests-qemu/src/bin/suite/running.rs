//! Running and compiling on a kernel's stack and heap.

use alloc::sync::Arc;
use kernref::alloc::STACK_RESERVE_BYTES;
use kernref::{
    Caller, Config, Engine, Error, ExternRef, Linker, Misuse, Module, Rooted, Store, Trap,
};
use kernref_qemu::{embedder, frames, heap};
use kernref_testsuite::Setup;

use crate::texts;

const NEST: &str = include_str!("guests/nest.wat");

pub(crate) fn engine(setup: Setup, adjust: impl FnOnce(&mut kernref::Config)) -> Engine {
    let mut config = embedder::config();
    config.deferral_policy(setup.policy);
    config.gc_zeal(core::num::NonZeroU32::new(u32::from(setup.zeal)));
    config.hardware_traps(setup.hardware_traps);
    config.compile_as_if_large(setup.as_if_large);
    adjust(&mut config);
    embedder::engine(&config).expect("an engine")
}

pub(crate) fn module(engine: &Engine, text: &str) -> Module {
    Module::new(engine, texts::assemble(text).expect("known text")).expect("a valid module")
}

pub fn the_walk_finds_every_frame(setup: Setup) {
    nested_references_on(&engine(setup, |_| {}));
}

/// A deep recursion whose frames a collection walks.
pub(crate) fn nested_references_on(engine: &Engine) {
    let mut linker = Linker::<()>::new(engine);
    let look = |mut caller: Caller<'_, ()>, object: Rooted| -> kernref::Result<i32> {
        let before = kernref::AsContext::as_context(&caller).gc_stats().frames_walked;
        caller.gc()?;
        let walked = kernref::AsContext::as_context(&caller).gc_stats().frames_walked - before;
        // `nest` 1001 times, and the shim through which the host entered.
        assert_eq!(walked, 1002, "frames walked");
        assert_eq!(*object.get(&caller)?.downcast_ref::<u32>()?, 77);
        Ok(1)
    };
    linker.func_wrap("h", "look", look).expect("a new name");
    let mut store = Store::new(engine, ()).expect("a store");
    let instance = linker.instantiate(&mut store, &module(engine, NEST)).expect("an instance");
    let nest = instance.get_typed_func::<(i32, ExternRef), i32>(&mut store, "nest").expect("nest");
    let object = ExternRef::new(77_u32).expect("an object");
    assert_eq!(nest.call(&mut store, (1000, object)).expect("no trap"), 1);
    assert_eq!(store.gc_stats().slots_used, 0);
}

pub fn compiling_gives_its_memory_back(setup: Setup) {
    let engine = engine(setup, |_| {});
    let compile = || {
        let module = module(&engine, NEST);
        assert!(module.code_size() > 100);
    };
    // The first runs grow lists that are kept.
    for _ in 0..3 {
        compile();
    }
    let before = (heap::usage().0, frames::available());
    for _ in 0..10 {
        compile();
    }
    assert_eq!((heap::usage().0, frames::available()), before);
}

pub fn a_small_stack_is_enough_for_a_trap(setup: Setup) {
    for stack_bytes in [16 << 10, 32 << 10, 128 << 10] {
        let engine = engine(setup, |config| {
            config.max_wasm_stack(stack_bytes);
        });
        let mut linker = Linker::<()>::new(&engine);
        linker.func_wrap("h", "look", |_: Option<Rooted>| 1).expect("a new name");
        let mut store = Store::new(&engine, ()).expect("a store");
        let instance = linker.instantiate(&mut store, &module(&engine, NEST)).expect("an instance");
        let nest = instance
            .get_typed_func::<(i32, Option<ExternRef>), i32>(&mut store, "nest")
            .expect("nest");
        let outcome = nest.call(&mut store, (1 << 30, None));
        assert!(matches!(outcome, Err(Error::Trap(Trap::StackOverflow))), "{outcome:?}");
        assert_eq!(nest.call(&mut store, (10, None)).expect("the store still works"), 0);
    }
}

pub fn nobody_knows_a_kernels_stack_but_the_kernel(setup: Setup) {
    let (memory, code) = embedder::providers();
    let mut config = Config::new();
    config.memory_source(memory).code_memory(code).deferral_policy(setup.policy);
    let refused = Engine::new(&config).map(|_| ());
    let Err(Error::Misuse(Misuse::InvalidConfig(why))) = refused else { panic!("{refused:?}") };
    assert!(why.contains("max_wasm_stack or stack_bounds"), "{why}");
}

pub fn recursion_ends_before_the_stack_does(setup: Setup) {
    let (memory, code) = embedder::providers();
    let mut config = Config::new();
    config.memory_source(memory).code_memory(code).deferral_policy(setup.policy);
    config.stack_bounds(Arc::new(embedder::BootStack));
    let engine = embedder::engine(&config).expect("an engine");
    let mut linker = Linker::<()>::new(&engine);
    linker.func_wrap("h", "look", |_: Option<Rooted>| 1).expect("a new name");
    let mut store = Store::new(&engine, ()).expect("a store");
    let instance = linker.instantiate(&mut store, &module(&engine, NEST)).expect("an instance");
    let nest =
        instance.get_typed_func::<(i32, Option<ExternRef>), i32>(&mut store, "nest").expect("nest");
    let stack = kernref_qemu::boot_stack();
    // What nobody has used so far.
    let end = stack.start + STACK_RESERVE_BYTES;
    let below = unused(stack.start..end);
    for _ in 0..2 {
        let outcome = nest.call(&mut store, (1 << 30, None));
        assert!(matches!(outcome, Err(Error::Trap(Trap::StackOverflow))), "{outcome:?}");
    }
    // It came near, and left as much as is stated.
    assert!(unused(stack.start..end + (4 << 10)) < end + (4 << 10), "far from the end");
    assert!(unused(stack.start..end) >= below.min(end - (8 << 10)), "beyond the margin");
    assert_eq!(nest.call(&mut store, (10, None)).expect("the store still works"), 0);
}

/// The lowest address in `range` that is not zero, or its end.
fn unused(range: core::ops::Range<usize>) -> usize {
    let words = range.clone().step_by(8);
    let is_used = |address: &usize| {
        // SAFETY: aligned, and mapped: it is the stack's, which begins as zeros.
        let word = unsafe { core::ptr::with_exposed_provenance::<u64>(*address).read_volatile() };
        word != 0
    };
    words.into_iter().find(is_used).unwrap_or(range.end)
}
