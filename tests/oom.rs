//! Each n-th allocation fails, for every n, once and from then on: through
//! store creation, linking, instantiation, calls, growth, collection and drop
//! nothing leaks and nothing aborts. The module is compiled beforehand: the
//! compiler's own allocations are infallible.
#![cfg(all(feature = "compile", feature = "std"))]

use kernref::{
    AsContextMut, Caller, Config, DeferralPolicy, Engine, Error, ExternRef, Linker, Module, Result,
    Store,
};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

struct Failing;

#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Never,
    /// Fails when so many more have succeeded.
    After(u64, bool),
    /// Fails always.
    Always,
    /// Has failed once.
    Done,
}

thread_local! {
    static MODE: Cell<Mode> = const { Cell::new(Mode::Never) };
    static LIVE: Cell<i64> = const { Cell::new(0) };
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

// SAFETY: hands on to the system's allocator, or refuses.
unsafe impl GlobalAlloc for Failing {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if refuses() {
            return std::ptr::null_mut();
        }
        LIVE.set(LIVE.get() + layout.size() as i64);
        // SAFETY: handed on.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.set(LIVE.get() - layout.size() as i64);
        // SAFETY: handed on.
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
    (memory (export "m") 1 40)
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

fn scenario(engine: &Engine, module: &Module, alive: &Arc<AtomicUsize>) -> Result<()> {
    let mut linker = Linker::<Arc<AtomicUsize>>::new(engine);
    linker.func_wrap("h", "make", |caller: Caller<'_, Arc<AtomicUsize>>| {
        Object::make(caller.data())
    })?;
    linker.func_wrap("h", "collect", |mut caller: Caller<'_, Arc<AtomicUsize>>| {
        caller.as_context_mut().gc()
    })?;
    let mut store = Store::new(engine, Arc::clone(alive))?;
    let instance = linker.instantiate(&mut store, module)?;
    let run = instance.get_typed_func::<ExternRef, Option<ExternRef>>(&mut store, "run")?;
    for _ in 0..2 {
        run.call(&mut store, Object::make(alive)?)?;
        store.gc()?;
    }
    let table = instance.get_table(&mut store, "t").ok_or(kernref::Misuse::WrongReferent)?;
    table.grow(&mut store, 3, Object::make(alive)?.into())?;
    instance
        .get_memory(&mut store, "m")
        .ok_or(kernref::Misuse::WrongReferent)?
        .grow(&mut store, 0)?;
    store.gc()
}

#[test]
fn every_nth_allocation_may_fail() {
    for policy in [DeferralPolicy::ZeroCount, DeferralPolicy::CloneOnRead] {
        let mut config = Config::new();
        config.deferral_policy(policy).reference_slots(256);
        let engine = Engine::new(&config).unwrap();
        let module = Module::new(&engine, wat::parse_str(MODULE).unwrap()).unwrap();
        let alive = Arc::new(AtomicUsize::new(0));
        scenario(&engine, &module, &alive).unwrap();
        for always in [false, true] {
            let (mut n, mut refused) = (0, 0);
            loop {
                let before = LIVE.get();
                MODE.set(Mode::After(n, always));
                let outcome = scenario(&engine, &module, &alive);
                let reached = !matches!(MODE.replace(Mode::Never), Mode::After(..));
                match outcome {
                    Ok(()) => {}
                    Err(Error::OutOfMemory { .. }) => refused += 1,
                    Err(other) => panic!("allocation {n}: {other:?}"),
                }
                assert_eq!(alive.load(Ordering::Relaxed), 0, "objects leaked at {n}");
                assert_eq!(LIVE.get(), before, "bytes leaked at {n}");
                if !reached {
                    break;
                }
                n += 1;
            }
            println!("{policy:?}, always {always}: {n} allocations, {refused} errors");
            assert!(n > 20 && refused > 10, "{n} allocations, {refused} errors");
        }
    }
}
