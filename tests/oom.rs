//! The n-th memory request fails, for every n, once or from then on, whether it
//! goes to the global allocator, the source of linear memories or that of code.
//! Across publishing a module, store creation, linking, instantiation, calls,
//! growth, collection and drop, nothing leaks and nothing aborts. The module is
//! compiled beforehand: the compiler's own allocations are infallible.
#![cfg(all(feature = "compile", feature = "std"))]

use kernref::alloc::{
    CodeMemory, CodeRegion, HeapMemorySource, LinearMemory, MemorySource, MmapCodeMemory,
    MmapMemorySource, PoolLimits, PoolingMemorySource,
};
use kernref::limits::{COUNTED_PLACES_PER_STORE, TABLE_ELEMENTS};
use kernref::{
    Artifact, AsContextMut, Caller, Config, DeferralPolicy, Engine, Error, ExternRef, Global,
    GlobalType, InstancePre, Linker, Module, OwnedRooted, RefType, Result, Store, Table, TableType,
    Val, ValType,
};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

struct Failing;

#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Never,
    /// Fails after this many more successes.
    After(u64, bool),
    /// Always fails.
    Always,
    /// Has failed once.
    Done,
}

/// Requests to the embedder's sources, by kind.
const RESERVE: usize = 0;
const COMMIT: usize = 1;
const CODE: usize = 2;
const PUBLISH: usize = 3;
const RESET: usize = 4;
const KINDS: usize = 5;

thread_local! {
    static MODE: Cell<Mode> = const { Cell::new(Mode::Never) };
    static LIVE: Cell<i64> = const { Cell::new(0) };
    /// Memories and code regions handed out and not yet returned.
    static HELD: Cell<i64> = const { Cell::new(0) };
    /// How many requests of each kind were refused.
    static REFUSED: Cell<[u32; KINDS]> = const { Cell::new([0; KINDS]) };
}

/// Refuses a request to a source if its turn has come.
fn due(kind: usize, bytes: usize) -> Result<()> {
    if !refuses() {
        return Ok(());
    }
    let mut refused = REFUSED.get();
    refused[kind] += 1;
    REFUSED.set(refused);
    Err(Error::OutOfMemory { bytes })
}

/// A source any of whose requests may fail.
struct Unreliable<S>(S);

// SAFETY: passes on to a source that keeps the contract, or refuses.
unsafe impl<S: MemorySource> MemorySource for Unreliable<S> {
    fn reserve(&self, minimum_bytes: usize, maximum_bytes: usize) -> Result<LinearMemory> {
        due(RESERVE, minimum_bytes)?;
        let memory = self.0.reserve(minimum_bytes, maximum_bytes)?;
        HELD.set(HELD.get() + 1);
        Ok(memory)
    }
    unsafe fn commit(&self, memory: &mut LinearMemory, new_committed_bytes: usize) -> Result<()> {
        due(COMMIT, new_committed_bytes)?;
        // SAFETY: passed on.
        unsafe { self.0.commit(memory, new_committed_bytes) }
    }
    unsafe fn release(&self, memory: LinearMemory) {
        HELD.set(HELD.get() - 1);
        // SAFETY: passed on.
        unsafe { self.0.release(memory) };
    }
    fn capacity_for(&self, minimum_bytes: usize, maximum_bytes: usize) -> usize {
        self.0.capacity_for(minimum_bytes, maximum_bytes)
    }
    unsafe fn reset(
        &self,
        memory: &mut LinearMemory,
        new_committed_bytes: usize,
        resident_bytes: usize,
    ) -> Result<()> {
        due(RESET, new_committed_bytes)?;
        // SAFETY: passed on.
        unsafe { self.0.reset(memory, new_committed_bytes, resident_bytes) }
    }
}

// SAFETY: as above.
unsafe impl<S: CodeMemory> CodeMemory for Unreliable<S> {
    fn allocate(&self, len_bytes: usize) -> Result<CodeRegion> {
        due(CODE, len_bytes)?;
        let region = self.0.allocate(len_bytes)?;
        HELD.set(HELD.get() + 1);
        Ok(region)
    }
    unsafe fn publish(&self, region: &CodeRegion) -> Result<()> {
        due(PUBLISH, region.len_bytes)?;
        // SAFETY: passed on.
        unsafe { self.0.publish(region) }
    }
    unsafe fn release(&self, region: CodeRegion) {
        HELD.set(HELD.get() - 1);
        // SAFETY: passed on.
        unsafe { self.0.release(region) };
    }
}

fn refuses() -> bool {
    let (next, refuses) = match MODE.get() {
        Mode::After(0, true) => (Mode::Always, true),
        Mode::After(0, false) => (Mode::Done, true),
        Mode::After(left, always) => (Mode::After(left - 1, always), false),
        Mode::Always => (Mode::Always, true),
        mode => (mode, false),
    };
    MODE.set(next);
    refuses
}

// SAFETY: passes on to the system's allocator, or refuses.
unsafe impl GlobalAlloc for Failing {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if refuses() {
            return std::ptr::null_mut();
        }
        LIVE.set(LIVE.get() + layout.size() as i64);
        // SAFETY: passed on.
        unsafe { System.alloc(layout) }
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if refuses() {
            return std::ptr::null_mut();
        }
        LIVE.set(LIVE.get() + layout.size() as i64);
        // SAFETY: passed on. Large blocks are fresh pages that nobody touches.
        unsafe { System.alloc_zeroed(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.set(LIVE.get() - layout.size() as i64);
        // SAFETY: passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Failing = Failing;

struct Object(Arc<AtomicUsize>);

impl Object {
    fn make(alive: &Arc<AtomicUsize>) -> Result<ExternRef> {
        alive.fetch_add(1, Ordering::Relaxed);
        ExternRef::new(Object(Arc::clone(alive)))
    }
}

impl Drop for Object {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

const MODULE: &str = r#"(module
    (import "h" "make" (func $make (result externref)))
    (import "h" "collect" (func $collect))
    (memory (export "m") 1 60)
    (table $t (export "t") 2 200 externref)
    (table $f 1 50 funcref)
    (elem (table $f) (i32.const 0) func)
    (elem $e externref (ref.null extern))
    (data (i32.const 8) "data")
    (func (export "run") (param externref) (result externref) (local $n i32)
        (loop $again
            (drop (memory.grow (i32.const 1)))
            (drop (table.grow $t (call $make) (i32.const 5)))
            (drop (table.grow $f (ref.null func) (i32.const 1)))
            (table.set $t (i32.const 1) (local.get 0))
            (call $collect)
            (br_if $again
                (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 20))))
        (table.get $t (i32.const 1))))"#;

/// `stores`: how many stores run, one after another.
fn scenario(
    config: &Config,
    artifact: Artifact,
    alive: &Arc<AtomicUsize>,
    stores: u32,
) -> Result<()> {
    let engine = &Engine::new(config)?;
    let module = &Module::from_artifact(engine, artifact)?;
    let mut linker = Linker::<Arc<AtomicUsize>>::new(engine);
    linker.func_wrap("h", "make", |caller: Caller<'_, Arc<AtomicUsize>>| {
        Object::make(caller.data())
    })?;
    linker.func_wrap("h", "collect", |mut caller: Caller<'_, Arc<AtomicUsize>>| {
        caller.as_context_mut().gc()
    })?;
    let ready = linker.instantiate_pre(module)?;
    (0..stores).try_for_each(|_| in_a_store(engine, &ready, alive))
}

fn in_a_store(
    engine: &Engine,
    ready: &InstancePre<Arc<AtomicUsize>>,
    alive: &Arc<AtomicUsize>,
) -> Result<()> {
    let mut store = Store::new(engine, Arc::clone(alive))?;
    let instance = ready.instantiate(&mut store)?;
    let run = instance.get_typed_func::<ExternRef, Option<ExternRef>>(&mut store, "run")?;
    for _ in 0..2 {
        run.call(&mut store, Object::make(alive)?)?;
        store.gc()?;
    }
    // One root is left to the store.
    for _ in 0..2 {
        let root = OwnedRooted::new(&mut store, Object::make(alive)?)?;
        let again = root.to_rooted().to_owned_rooted(&mut store)?;
        root.unroot(&mut store)?;
        again.get(&store)?;
    }
    let table = instance.get_table(&mut store, "t").ok_or(kernref::Misuse::WrongReferent)?;
    table.grow(&mut store, 3, Object::make(alive)?.into())?;
    let memory = instance.get_memory(&mut store, "m").ok_or(kernref::Misuse::WrongReferent)?;
    let pages = memory.size(&store)?;
    let grown = memory.grow(&mut store, 1);
    assert_eq!(memory.size(&store)?, pages + u64::from(grown.is_ok()), "{grown:?}");
    // What failed to grow is unchanged.
    memory.write(&mut store, (pages << 16) as usize - 4, b"last")?;
    assert_eq!(memory.data(&store)?[8..12], *b"data");
    grown?;
    while !store.gc_step(1)?.finished {}
    store.gc()
}

/// `is_pool`: released memories are kept for the next store.
fn each_nth_request_fails(
    policy: DeferralPolicy,
    memory: fn() -> Arc<dyn MemorySource>,
    is_pool: bool,
) {
    let mut config = Config::new();
    config.deferral_policy(policy).reference_slots(256);
    config.code_memory(Arc::new(Unreliable(MmapCodeMemory::new())));
    let wasm = wat::parse_str(MODULE).unwrap();
    let compiler = Engine::new(&config).unwrap();
    let artifact = || compiler.precompile_module(&wasm).unwrap();
    let alive = Arc::new(AtomicUsize::new(0));
    let stores = 1 + u32::from(is_pool);
    let with_source = || {
        let mut config = config.clone();
        config.memory_source(memory());
        config
    };
    scenario(&with_source(), artifact(), &alive, stores).unwrap();
    for always in [false, true] {
        let (mut n, mut refused) = (0, 0);
        REFUSED.set([0; KINDS]);
        loop {
            let before = LIVE.get();
            let (config, artifact) = (with_source(), artifact());
            MODE.set(Mode::After(n, always));
            let outcome = scenario(&config, artifact, &alive, stores);
            let reached = !matches!(MODE.replace(Mode::Never), Mode::After(..));
            // This also drops the source, which may have kept memories.
            drop(config);
            match outcome {
                Ok(()) => {}
                Err(Error::OutOfMemory { .. }) => refused += 1,
                Err(other) => panic!("request {n}: {other:?}"),
            }
            assert_eq!(alive.load(Ordering::Relaxed), 0, "objects leaked at {n}");
            assert_eq!(LIVE.get(), before, "bytes leaked at {n}");
            assert_eq!(HELD.get(), 0, "memories or code leaked at {n}");
            if !reached {
                break;
            }
            n += 1;
        }
        let kinds = REFUSED.get();
        println!("{policy:?}, always {always}: {n} requests, {refused} errors, {kinds:?}");
        assert!(n > 100 && refused > 40, "{n} requests, {refused} errors");
        let kinds = kinds.iter().enumerate().filter(|(kind, _)| *kind != RESET || is_pool);
        assert!(kinds.clone().all(|(_, count)| *count > 0), "some kind was never refused");
    }
}

/// Loading an artifact, in place and not: each n-th request for memory fails.
#[test]
fn loading_an_artifact_survives_each_refusal() {
    let mut config = Config::new();
    config.code_memory(Arc::new(Unreliable(MmapCodeMemory::new())));
    let engine = Engine::new(&config).unwrap();
    let artifact = engine.precompile_module(wat::parse_str(MODULE).unwrap()).unwrap();
    let bytes: &'static [u8] = artifact.serialize().unwrap().leak();
    let load = |in_place| match in_place {
        // SAFETY: what the compiler made.
        true => unsafe { Module::deserialize_in_place(&engine, bytes) },
        // SAFETY: as above.
        false => unsafe { Module::deserialize(&engine, bytes) },
    };
    for in_place in [false, true] {
        // What the engine keeps for later is allocated by the first two.
        drop(load(in_place).unwrap());
        drop(load(in_place).unwrap());
        let mut n = 0;
        loop {
            let before = LIVE.get();
            MODE.set(Mode::After(n, true));
            let outcome = load(in_place).and_then(|module| module.serialize()).map(drop);
            let reached = !matches!(MODE.replace(Mode::Never), Mode::After(..));
            match outcome {
                Ok(()) => assert!(!reached, "request {n} was refused without effect"),
                Err(Error::OutOfMemory { .. }) => {}
                Err(other) => panic!("request {n}: {other:?}"),
            }
            assert_eq!(LIVE.get(), before, "bytes leaked at {n}");
            assert_eq!(HELD.get(), 0, "code leaked at {n}");
            if !reached {
                break;
            }
            n += 1;
        }
        assert!(n > 20, "{n} requests");
    }
}

#[test]
fn every_nth_request_for_memory_may_fail() {
    for policy in [DeferralPolicy::ZeroCount, DeferralPolicy::CloneOnRead] {
        let mmap: fn() -> Arc<dyn MemorySource> = || Arc::new(Unreliable(MmapMemorySource::new()));
        let heap: fn() -> Arc<dyn MemorySource> =
            || Arc::new(Unreliable(HeapMemorySource::new(48 << 16)));
        each_nth_request_fails(policy, mmap, false);
        each_nth_request_fails(policy, heap, false);
    }
}

#[test]
fn every_nth_request_may_fail_when_memories_are_kept() {
    each_nth_request_fails(
        DeferralPolicy::ZeroCount,
        || {
            let source = Unreliable(MmapMemorySource::new());
            Arc::new(PoolingMemorySource::new(source, PoolLimits::default()).unwrap())
        },
        true,
    );
}

/// A table of null references.
fn make_table(store: &mut Store<()>, elements: u64) -> Result<()> {
    let element = RefType::EXTERNREF;
    let ty = TableType { element, minimum: elements, maximum: None, table64: false };
    Table::new(store, ty, Val::null_ref(element)).map(drop)
}

fn make_global(store: &mut Store<()>, value: Option<ExternRef>) -> Result<()> {
    let ty = GlobalType { content: ValType::EXTERNREF, mutable: true };
    Global::new(store, ty, value.into()).map(drop)
}

/// A store with all its counted places used but one. The tables that fill it
/// are never touched, so they take address space but no memory.
fn store_with_one_place_left(reference_quota: Option<u32>) -> Store<()> {
    let mut config = Config::new();
    config.reference_slots(1).reference_quota(reference_quota);
    let mut store = Store::new(&Engine::new(&config).unwrap(), ()).unwrap();
    let mut rest = COUNTED_PLACES_PER_STORE.most - 1;
    while rest > 0 {
        let elements = rest.min(TABLE_ELEMENTS.most);
        make_table(&mut store, elements).unwrap();
        rest -= elements;
    }
    store
}

#[test]
fn what_fails_to_be_made_takes_no_counted_place() {
    type Make = fn(&mut Store<()>) -> Result<()>;
    let makes: [Make; 4] = [
        |store| make_table(store, 1),
        |store| make_global(store, None),
        |store| make_global(store, Some(ExternRef::new(1)?)),
        // Dropping a root's handle does not unroot it.
        |store| OwnedRooted::new(store, ExternRef::new(1)?).map(drop),
    ];
    for (at, make) in makes.iter().enumerate() {
        let mut store = store_with_one_place_left(None);
        let mut refused = 0;
        loop {
            MODE.set(Mode::After(refused, false));
            let outcome = make(&mut store);
            MODE.set(Mode::Never);
            match outcome {
                Ok(()) => break,
                Err(Error::OutOfMemory { .. }) => refused += 1,
                Err(other) => panic!("{at}, request {refused}: {other:?}"),
            }
        }
        assert!(refused > 0, "{at}: asks for no memory");
        // The one that succeeded has taken the last place.
        let outcome = make_global(&mut store, None);
        assert!(matches!(outcome, Err(Error::Limit(_))), "{at}: {outcome:?}");
    }
}

#[test]
fn a_global_whose_value_gets_no_slot_takes_no_counted_place() {
    let mut store = store_with_one_place_left(Some(0));
    let outcome = make_global(&mut store, Some(ExternRef::new(1).unwrap()));
    assert!(matches!(outcome, Err(Error::Limit(_))), "{outcome:?}");
    make_global(&mut store, None).unwrap();
    let outcome = make_global(&mut store, None);
    assert!(matches!(outcome, Err(Error::Limit(_))), "{outcome:?}");
}
