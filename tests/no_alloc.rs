//! Collections, barriers, and passing references in and out do not allocate: a
//! global allocator counts per thread.
#![cfg(all(feature = "compile", feature = "std"))]

use kernref::{
    AsContextMut, Caller, Config, DeferralPolicy, Engine, ExternRef, Linker, Module, OwnedRooted,
    Result, Rooted, Store,
};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    ALLOCATIONS.with(|n| n.set(n.get() + 1));
}

// SAFETY: passes on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: passed on.
        unsafe { System.alloc(layout) }
    }
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: passed on.
        unsafe { System.realloc(pointer, layout, size) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn without_allocating<R>(what: &str, body: impl FnOnce() -> R) -> R {
    let before = ALLOCATIONS.with(Cell::get);
    let result = body();
    assert_eq!(ALLOCATIONS.with(Cell::get) - before, 0, "{what} allocated");
    result
}

const MODULE: &str = r#"(module
    (import "h" "owned" (func $owned (param externref)))
    (import "h" "rooted" (func $rooted (param externref) (result externref)))
    (import "h" "give" (func $give (result externref)))
    (import "h" "collect" (func $collect))
    (import "h" "step" (func $step (result i32)))
    (table $t 8 externref)
    (global $g (mut externref) (ref.null extern))
    (func (export "pass") (param externref) (result externref) local.get 0)
    (func (export "work") (param externref i32)
        (loop $again
            (table.set $t (i32.and (local.get 1) (i32.const 7)) (call $give))
            (global.set $g (table.get $t (i32.const 3)))
            (table.set $t (i32.const 3) (call $rooted (global.get $g)))
            (call $owned (local.get 0))
            (table.copy $t $t (i32.const 0) (i32.const 4) (i32.const 3))
            (table.fill $t (i32.const 5) (call $give) (i32.const 2))
            (call $collect)
            (drop (call $give))
            (drop (call $give))
            (loop $steps (br_if $steps (i32.eqz (call $step))))
            (br_if $again (local.tee 1 (i32.sub (local.get 1) (i32.const 1)))))))"#;

fn linker(engine: &Engine) -> Result<Linker<ExternRef>> {
    let mut linker = Linker::<ExternRef>::new(engine);
    linker.func_wrap("h", "owned", |object: Option<ExternRef>| drop(object))?;
    linker.func_wrap("h", "rooted", |object: Option<Rooted>| object)?;
    linker.func_wrap("h", "give", |caller: Caller<'_, ExternRef>| caller.data().clone())?;
    linker.func_wrap("h", "collect", |mut caller: Caller<'_, ExternRef>| -> Result<()> {
        caller.as_context_mut().gc()
    })?;
    linker.func_wrap("h", "step", |mut caller: Caller<'_, ExternRef>| -> Result<u32> {
        Ok(caller.as_context_mut().gc_step(1)?.finished.into())
    })?;
    Ok(linker)
}

#[test]
fn references_travel_and_are_collected_without_allocating() {
    for policy in [DeferralPolicy::ZeroCount, DeferralPolicy::CloneOnRead] {
        let mut config = Config::new();
        config.deferral_policy(policy).reference_slots(32);
        let engine = Engine::new(&config).unwrap();
        let module = Module::new(&engine, wat::parse_str(MODULE).unwrap()).unwrap();
        let linker = linker(&engine).unwrap();
        let object = ExternRef::new(7_u32).unwrap();
        let mut store = Store::new(&engine, object.clone()).unwrap();
        let instance = linker.instantiate(&mut store, &module).unwrap();
        let pass = instance.get_typed_func::<ExternRef, ExternRef>(&mut store, "pass").unwrap();
        let work = instance.get_typed_func::<(ExternRef, u32), ()>(&mut store, "work").unwrap();
        without_allocating("passing and returning", || {
            for _ in 0..100 {
                assert!(pass.call(&mut store, object.clone()).unwrap().ptr_eq(&object));
            }
        });
        let lend = instance.get_typed_func::<Rooted, ExternRef>(&mut store, "pass").unwrap();
        let first = OwnedRooted::new(&mut store, object.clone()).unwrap();
        without_allocating("passing a root, and a root in place of another", || {
            first.unroot(&mut store).unwrap();
            let root = OwnedRooted::new(&mut store, object.clone()).unwrap();
            for _ in 0..100 {
                assert!(lend.call(&mut store, root.to_rooted()).unwrap().ptr_eq(&object));
            }
            root.unroot(&mut store).unwrap();
        });
        without_allocating("barriers, host calls and nested collections", || {
            work.call(&mut store, (object.clone(), 100)).unwrap();
        });
        assert!(store.gc_stats().collections >= 200 && store.gc_stats().frames_walked > 0);
        store.set_auto_drain(false);
        pass.call(&mut store, object.clone()).unwrap();
        without_allocating("collecting from outside", || {
            store.gc().unwrap();
            while !store.gc_step(1).unwrap().finished {}
            store.drain_released(usize::MAX);
        });
        without_allocating("dropping the store", || drop(store));
    }
}
