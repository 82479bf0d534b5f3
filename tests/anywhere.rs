//! What may be called in a handler of interrupts, and from any thread
//! (`docs/embedding.md`): it neither allocates nor waits.
#![cfg(all(feature = "compile", feature = "std"))]

use kernref::fault::FaultRegisters;
use kernref::{Config, Engine, ExternRef, InterruptHandle, Linker, Module, Store};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: passes on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|n| n.set(n.get() + 1));
        // SAFETY: passed on.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        ALLOCATIONS.with(|n| n.set(n.get() + 1));
        // SAFETY: passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn types_say_what_threads_may_share() {
    fn shared<T: Send + Sync>() {}
    fn sent<T: Send>() {}
    shared::<Engine>();
    shared::<Module>();
    shared::<ExternRef>();
    shared::<InterruptHandle>();
    sent::<Store<Cell<u32>>>();
}

#[test]
fn what_handlers_call_neither_allocates_nor_waits_for_publishers() {
    let engine = Engine::new(Config::new().hardware_traps(cfg!(target_os = "linux"))).unwrap();
    let wasm = wat::parse_str(r#"(module (func (export "f")))"#).unwrap();
    let store = Store::new(&engine, ()).unwrap();
    let handle = store.interrupt_handle();
    let object = ExternRef::new(5_u32).unwrap();
    let module = Module::new(&engine, &wasm).unwrap();
    let (done, published) = (AtomicBool::new(false), AtomicU32::new(0));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    drop(Module::new(&engine, &wasm).unwrap());
                    published.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let before = ALLOCATIONS.with(Cell::get);
        let mut round = 0;
        while round < 10_000 || published.load(Ordering::Relaxed) < 100 {
            round += 1;
            let here = what_handlers_call_neither_allocates_nor_waits_for_publishers as *const ();
            let mut registers =
                FaultRegisters { pc: here as usize + round % 64, ..Default::default() };
            // SAFETY: the registers are not those of generated code, so that nothing
            // is read by them.
            unsafe {
                assert!(!engine.handle_interrupt(&mut registers));
                assert!(!engine.handle_fault(&mut registers, 8));
            }
            engine.increment_epoch();
            handle.interrupt();
            assert!(handle.is_interrupted());
            drop(handle.clone());
            drop((engine.clone(), module.clone(), object.clone()));
            if round == 5_000 {
                object.revoke();
            }
            assert_eq!(object.downcast_ref::<u32>().is_ok(), round < 5_000);
        }
        assert_eq!(ALLOCATIONS.with(Cell::get), before);
        done.store(true, Ordering::Relaxed);
    });
}

/// What may not be called in a handler allocates, or gives memory back.
#[test]
fn what_the_last_owner_does_needs_an_allocator() {
    fn allocates<R>(body: impl FnOnce() -> R) -> R {
        let before = ALLOCATIONS.with(Cell::get);
        let result = body();
        assert_ne!(ALLOCATIONS.with(Cell::get), before);
        result
    }
    let wasm = wat::parse_str(r#"(module (func (export "f")))"#).unwrap();
    let config = Config::new();
    let engine = allocates(|| Engine::new(&config)).unwrap();
    let module = allocates(|| Module::new(&engine, &wasm)).unwrap();
    let mut store = allocates(|| Store::new(&engine, ())).unwrap();
    let linker = Linker::new(&engine);
    let instance = allocates(|| linker.instantiate(&mut store, &module)).unwrap();
    let object = allocates(|| ExternRef::new(5_u32)).unwrap();
    allocates(|| drop(object));
    let handle = store.interrupt_handle();
    let f = instance.get_typed_func::<(), ()>(&mut store, "f").unwrap();
    f.call(&mut store, ()).unwrap();
    allocates(|| drop(store));
    allocates(|| drop(handle));
    allocates(|| drop(module));
    drop(linker);
    drop(config);
    allocates(|| drop(engine));
}
