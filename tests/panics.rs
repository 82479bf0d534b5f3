//! Embedder code that panics where generated code is among its callers, or in the
//! middle of something: the panic arrives where the call came from, nothing is
//! lost, and the store goes on.
#![cfg(all(feature = "compile", feature = "std"))]

use kernref::alloc::{LinearMemory, MemorySource, MmapMemorySource};
use kernref::{
    Config, Engine, Func, Instance, Linker, Module, ResourceLimiter, Result, Store, StoreLimits,
    StoreLimitsBuilder, Trap, UpdateDeadline,
};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicIsize, AtomicUsize, Ordering};

/// Panics at the n-th question, once.
#[derive(Default)]
struct Panics {
    in_questions: usize,
}

impl Panics {
    fn asked(&mut self) -> bool {
        if self.in_questions == 1 {
            self.in_questions = 0;
            panic!("limiter");
        }
        self.in_questions = self.in_questions.saturating_sub(1);
        true
    }
}

impl ResourceLimiter for Panics {
    fn memory_growing(&mut self, _: usize, _: usize, _: Option<usize>) -> bool {
        self.asked()
    }

    fn table_growing(&mut self, _: usize, _: usize, _: Option<usize>) -> bool {
        self.asked()
    }
}

/// Counts memories, and panics when one is to grow beyond so many bytes.
struct Source {
    memories: AtomicIsize,
    panics_above: AtomicUsize,
    /// Panics when so many memories are left after a release.
    panics_at: AtomicIsize,
}

impl Source {
    fn new() -> Arc<Self> {
        Arc::new(Source {
            memories: AtomicIsize::new(0),
            panics_above: AtomicUsize::new(usize::MAX),
            panics_at: AtomicIsize::new(-1),
        })
    }
}

// SAFETY: what the other source gives.
unsafe impl MemorySource for Source {
    fn reserve(&self, minimum: usize, maximum: usize) -> Result<LinearMemory> {
        self.memories.fetch_add(1, Ordering::Relaxed);
        MmapMemorySource.reserve(minimum, maximum)
    }

    unsafe fn commit(&self, memory: &mut LinearMemory, bytes: usize) -> Result<()> {
        assert!(bytes <= self.panics_above.load(Ordering::Relaxed), "source");
        // SAFETY: passed on to the caller.
        unsafe { MmapMemorySource.commit(memory, bytes) }
    }

    unsafe fn release(&self, memory: LinearMemory) {
        let left = self.memories.fetch_sub(1, Ordering::Relaxed) - 1;
        // SAFETY: passed on to the caller.
        unsafe { MmapMemorySource.release(memory) };
        assert!(left != self.panics_at.load(Ordering::Relaxed), "release");
    }
}

fn message(outcome: std::thread::Result<impl Sized>) -> String {
    let Err(payload) = outcome else { return "no panic".into() };
    match payload.downcast_ref::<&str>() {
        Some(text) => (*text).into(),
        None => payload.downcast_ref::<String>().unwrap().clone(),
    }
}

const GROWS: &str = r#"(module (memory 1 100) (table $t 1 100 externref)
    (func (export "memory") (result i32) (memory.grow (i32.const 1)))
    (func (export "table") (result i32) (table.grow $t (ref.null extern) (i32.const 1)))
    (func (export "sizes") (result i32 i32) memory.size table.size $t))"#;

#[test]
fn limiters_and_sources_may_panic_while_wasm_grows() {
    let source = Source::new();
    let mut config = Config::new();
    config.memory_source(source.clone());
    let engine = Engine::new(&config).unwrap();
    let module = Module::new(&engine, wat::parse_str(GROWS).unwrap()).unwrap();
    let mut store = Store::new(&engine, Panics::default()).unwrap();
    store.limiter(|limiter| limiter).unwrap();
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let sizes = instance.get_typed_func::<(), (i32, i32)>(&mut store, "sizes").unwrap();
    let mut expected = (1, 1);
    for name in ["memory", "table", "memory", "table"] {
        let grow = instance.get_typed_func::<(), i32>(&mut store, name).unwrap();
        store.data_mut().in_questions = 1;
        let outcome = catch_unwind(AssertUnwindSafe(|| grow.call(&mut store, ())));
        assert_eq!(message(outcome), "limiter", "{name}");
        assert_eq!(sizes.call(&mut store, ()).unwrap(), expected);
        let size = if name == "memory" { &mut expected.0 } else { &mut expected.1 };
        assert_eq!(grow.call(&mut store, ()).unwrap(), *size);
        *size += 1;
        assert_eq!(sizes.call(&mut store, ()).unwrap(), expected);
    }
    let grow = instance.get_typed_func::<(), i32>(&mut store, "memory").unwrap();
    source.panics_above.store(3 << 16, Ordering::Relaxed);
    let outcome = catch_unwind(AssertUnwindSafe(|| grow.call(&mut store, ())));
    assert_eq!(message(outcome), "source");
    source.panics_above.store(usize::MAX, Ordering::Relaxed);
    assert_eq!(grow.call(&mut store, ()).unwrap(), expected.0);
    drop(store);
    assert_eq!(source.memories.load(Ordering::Relaxed), 0);
}

#[test]
fn an_epoch_callback_that_panics_is_asked_again() {
    let mut config = Config::new();
    config.epoch_interruption(true);
    let engine = Engine::new(&config).unwrap();
    let text = r#"(module (memory 16) (func (export "loop") (loop (br 0)))
        (func (export "fill") (memory.fill (i32.const 0) (i32.const 1) (i32.const 1000000))))"#;
    let module = Module::new(&engine, wat::parse_str(text).unwrap()).unwrap();
    let mut store = Store::new(&engine, 0).unwrap();
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    store
        .epoch_deadline_callback(|mut store| {
            *store.data_mut() += 1;
            match *store.data() % 4 {
                // Once at the entry of a function, once in its loop or work.
                0 => panic!("callback"),
                2 => panic!("callback"),
                _ => Ok(UpdateDeadline::Continue(0)),
            }
        })
        .unwrap();
    store.set_epoch_deadline(0);
    for name in ["loop", "fill", "loop", "fill"] {
        let func = instance.get_typed_func::<(), ()>(&mut store, name).unwrap();
        let before = *store.data();
        let outcome = catch_unwind(AssertUnwindSafe(|| func.call(&mut store, ())));
        assert_eq!(message(outcome), "callback");
        assert_eq!(*store.data(), before + 2);
    }
    store.epoch_deadline_callback(|_| Ok(UpdateDeadline::Interrupt)).unwrap();
    let func = instance.get_typed_func::<(), ()>(&mut store, "loop").unwrap();
    assert_eq!(func.call(&mut store, ()).unwrap_err().as_trap(), Some(Trap::Interrupt));
}

#[test]
fn an_instantiation_that_panics_leaves_nothing() {
    let source = Source::new();
    let mut config = Config::new();
    config.memory_source(source.clone());
    let engine = Engine::new(&config).unwrap();
    let text = r#"(module (memory 1) (memory 1) (table 3 externref) (table 5 funcref) (table 7 externref)
        (func (export "f") (result i32) (i32.const 3)))"#;
    let module = Module::new(&engine, wat::parse_str(text).unwrap()).unwrap();
    let linker = Linker::<Panics>::new(&engine);
    let mut store = Store::new(&engine, Panics::default()).unwrap();
    store.limiter(|limiter| limiter).unwrap();
    // At each of two memories and three tables.
    for at in 1..=5 {
        store.data_mut().in_questions = at;
        let outcome = catch_unwind(AssertUnwindSafe(|| linker.instantiate(&mut store, &module)));
        assert_eq!(message(outcome), "limiter");
        assert_eq!(source.memories.load(Ordering::Relaxed), 0, "at question {at}");
        store.gc().unwrap();
    }
    let instance = linker.instantiate(&mut store, &module).unwrap();
    let func = instance.get_typed_func::<(), i32>(&mut store, "f").unwrap();
    assert_eq!(func.call(&mut store, ()).unwrap(), 3);
    assert_eq!(source.memories.load(Ordering::Relaxed), 2);
}

/// What a host function owns.
struct Witness(Arc<AtomicUsize>);

impl Drop for Witness {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_source_that_panics_on_release_costs_nothing_else() {
    const TEXT: &str = r#"(module (import "h" "f" (func $f)) (memory 1) (memory 1) (memory 1)
        (table 3 externref) (func (export "g") (call $f)))"#;
    for left in 0..6 {
        let source = Source::new();
        let mut config = Config::new();
        config.memory_source(source.clone());
        let engine = Engine::new(&config).unwrap();
        let module = Module::new(&engine, wat::parse_str(TEXT).unwrap()).unwrap();
        let dropped = Arc::new(AtomicUsize::new(0));
        let mut store = Store::new(&engine, Witness(dropped.clone())).unwrap();
        for _ in 0..2 {
            let witness = Witness(dropped.clone());
            let func = Func::wrap(&mut store, move || _ = &witness).unwrap();
            Instance::new(&mut store, &module, &[func.into()]).unwrap();
        }
        source.panics_at.store(left, Ordering::Relaxed);
        let outcome = catch_unwind(AssertUnwindSafe(|| drop(store)));
        assert_eq!(message(outcome), "release");
        assert_eq!(source.memories.load(Ordering::Relaxed), 0, "after a panic at {left}");
        assert_eq!(dropped.load(Ordering::Relaxed), 3, "after a panic at {left}");
    }
}

#[test]
fn an_undone_instantiation_may_meet_such_a_source() {
    let source = Source::new();
    let mut config = Config::new();
    config.memory_source(source.clone());
    let engine = Engine::new(&config).unwrap();
    let text = "(module (memory 1) (memory 1) (table 3 externref) (table 5 externref))";
    let module = Module::new(&engine, wat::parse_str(text).unwrap()).unwrap();
    let limits = StoreLimitsBuilder::new().tables(1).build();
    let mut store = Store::<StoreLimits>::new(&engine, limits).unwrap();
    store.limiter(|limits| limits).unwrap();
    let before = store.figures();
    for left in [0, 1] {
        source.panics_at.store(left, Ordering::Relaxed);
        let outcome = catch_unwind(AssertUnwindSafe(|| Instance::new(&mut store, &module, &[])));
        assert_eq!(message(outcome), "release");
        assert_eq!(source.memories.load(Ordering::Relaxed), 0);
        assert_eq!(store.figures(), before);
    }
}
