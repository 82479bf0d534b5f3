//! The same objects in four stores on four threads that are inside Wasm at the
//! same time: each waits there for the other three.
#![cfg(all(feature = "compile", feature = "std"))]

use kernref::{
    AsContextMut, Caller, Config, DeferralPolicy, Engine, Error, Extern, ExternRef, Linker, Misuse,
    Module, Result, Rooted, Store, Trap,
};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex};

const THREADS: usize = 4;
const OBJECTS: usize = 4;

/// How many objects are alive and how many have been released.
#[derive(Default)]
struct Census {
    alive: AtomicUsize,
    released: AtomicUsize,
}

struct Object {
    number: u32,
    census: Arc<Census>,
}

impl Object {
    fn make(number: u32, census: &Arc<Census>) -> Result<ExternRef> {
        census.alive.fetch_add(1, Ordering::Relaxed);
        ExternRef::new(Object { number, census: Arc::clone(census) })
    }
}

impl Drop for Object {
    fn drop(&mut self) {
        self.census.alive.fetch_sub(1, Ordering::Relaxed);
        self.census.released.fetch_add(1, Ordering::Relaxed);
    }
}

/// What the threads share.
struct Shared {
    /// One place per object: whoever takes an object out may hold its last handle.
    shelf: [Mutex<Option<ExternRef>>; OBJECTS],
    meeting: Barrier,
    /// Threads that are inside Wasm.
    inside: AtomicUsize,
    most_inside: AtomicUsize,
    census: Arc<Census>,
}

type C<'a> = Caller<'a, Arc<Shared>>;

const MODULE: &str = r#"(module
    (import "h" "meet" (func $meet))
    (import "h" "take" (func $take (param i32) (result externref)))
    (import "h" "put" (func $put (param i32 externref)))
    (import "h" "look" (func $look (param externref) (result i32)))
    (import "h" "gc" (func $gc))
    (table $t 4 externref)
    (global $g (mut externref) (ref.null extern))
    (func (export "run") (param $n i32) (result i32)
        (local $object externref) (local $seen i32)
        (call $meet)
        (loop $again
            (local.set $object (call $take (local.get $n)))
            (table.set $t (i32.and (local.get $n) (i32.const 3)) (local.get $object))
            (global.set $g (table.get $t
                (i32.and (i32.shr_u (local.get $n) (i32.const 2)) (i32.const 3))))
            (local.set $seen (i32.add (local.get $seen) (call $look (local.get $object))))
            (if (i32.eqz (i32.and (local.get $n) (i32.const 15))) (then (call $gc)))
            (call $put
                (i32.and (i32.add (local.get $n) (i32.const 1)) (i32.const 3))
                (global.get $g))
            (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
        (call $meet)
        (table.fill $t (i32.const 0) (ref.null extern) (i32.const 4))
        (global.set $g (ref.null extern))
        (local.get $seen)))"#;

fn linker(engine: &Engine) -> Result<Linker<Arc<Shared>>> {
    let mut linker = Linker::<Arc<Shared>>::new(engine);
    linker.func_wrap("h", "meet", |caller: C<'_>| {
        let shared = caller.data();
        let inside = shared.inside.fetch_add(1, Ordering::SeqCst) + 1;
        shared.most_inside.fetch_max(inside, Ordering::SeqCst);
        shared.meeting.wait();
        shared.inside.fetch_sub(1, Ordering::SeqCst);
        // Nobody re-enters before all have left.
        shared.meeting.wait();
    })?;
    linker.func_wrap("h", "take", |caller: C<'_>, round: u32| -> Result<ExternRef> {
        let shared = caller.data();
        let at = round % OBJECTS as u32;
        let taken = shared.shelf[at as usize].lock().expect("no panic").take();
        match taken {
            // Occasionally a new object instead, so that objects come and go.
            Some(object) if round % 8 < 6 => Ok(object),
            _ => Object::make(at, &shared.census),
        }
    })?;
    linker.func_wrap("h", "put", |caller: C<'_>, at: u32, object: Option<ExternRef>| {
        let place = &caller.data().shelf[at as usize];
        let before = core::mem::replace(&mut *place.lock().expect("no panic"), object);
        drop(before);
    })?;
    linker.func_wrap("h", "look", |caller: C<'_>, object: Option<Rooted>| -> Result<u32> {
        let Some(object) = object else { return Ok(0) };
        let object = object.get(&caller)?;
        assert!(object.clone().strong_count() > 1);
        match object.downcast_ref::<Object>() {
            Ok(value) if value.number % 2 == 1 && Arc::strong_count(&value.census) % 7 == 0 => {
                object.revoke();
                Ok(1)
            }
            Ok(_) => Ok(1),
            Err(Misuse::Revoked) => Ok(0),
            Err(other) => Err(other.into()),
        }
    })?;
    linker.func_wrap("h", "gc", |mut caller: C<'_>| caller.as_context_mut().gc())?;
    Ok(linker)
}

#[test]
fn four_stores_on_four_threads_share_objects() {
    for policy in [DeferralPolicy::ZeroCount, DeferralPolicy::CloneOnRead] {
        for zeal in [None, NonZeroU32::new(1)] {
            let mut config = Config::new();
            config.deferral_policy(policy).gc_zeal(zeal).reference_slots(16);
            let engine = Engine::new(&config).unwrap();
            let module = Module::new(&engine, wat::parse_str(MODULE).unwrap()).unwrap();
            let census = Arc::new(Census::default());
            let shared = Arc::new(Shared {
                shelf: std::array::from_fn(|at| {
                    Mutex::new(Some(Object::make(at as u32, &census).unwrap()))
                }),
                meeting: Barrier::new(THREADS),
                inside: AtomicUsize::new(0),
                most_inside: AtomicUsize::new(0),
                census: Arc::clone(&census),
            });
            let stores: Vec<Store<Arc<Shared>>> = std::thread::scope(|scope| {
                let threads: Vec<_> = (0..THREADS)
                    .map(|at| {
                        let (engine, module, shared) = (&engine, &module, Arc::clone(&shared));
                        scope.spawn(move || {
                            let mut store = Store::new(engine, shared).unwrap();
                            let linker = linker(engine).unwrap();
                            let instance = linker.instantiate(&mut store, module).unwrap();
                            let run = instance.get_typed_func::<u32, u32>(&mut store, "run");
                            let seen = run.unwrap().call(&mut store, 20_000 + at as u32).unwrap();
                            assert!(seen > 0);
                            store
                        })
                    })
                    .collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            assert_eq!(shared.most_inside.load(Ordering::SeqCst), THREADS, "never all inside");
            // The stores are empty, and are dropped on this thread.
            for mut store in stores {
                store.gc().unwrap();
                assert_eq!(store.gc_stats().slots_used, 0);
            }
            let shelved = || shared.shelf.iter().filter_map(|p| p.lock().unwrap().take());
            let left: Vec<ExternRef> = shelved().collect();
            // Several places may hold the same object.
            let distinct = (0..left.len())
                .filter(|at| !left[..*at].iter().any(|other| other.ptr_eq(&left[*at])));
            assert_eq!(census.alive.load(Ordering::Relaxed), distinct.count());
            drop(left);
            assert_eq!(census.alive.load(Ordering::Relaxed), 0);
            let released = census.released.load(Ordering::Relaxed);
            assert!(released > 50, "only {released} objects");
        }
    }
}

/// A store lent to another thread from within a host function: the stack limit is
/// that of the stack on which the store already runs.
#[test]
fn a_store_runs_on_one_stack_at_a_time() {
    fn here() -> usize {
        let local = 0_u8;
        (&raw const local).addr()
    }
    let engine = Engine::new(&Config::new()).unwrap();
    let mut linker = Linker::<usize>::new(&engine);
    linker
        .func_wrap("h", "enter", |mut caller: Caller<'_, usize>| {
            let recurse = caller.get_export("recurse").and_then(Extern::into_func).unwrap();
            let outer = here();
            let mut context = caller.as_context_mut();
            let (inner, outcome) = std::thread::scope(|scope| {
                let call = || (here(), recurse.call(&mut context, &[], &mut []));
                scope.spawn(call).join().unwrap()
            });
            let error = outcome.unwrap_err();
            match inner > outer {
                true => assert!(matches!(error, Error::Misuse(Misuse::OtherStack)), "{error}"),
                false => assert_eq!(error.as_trap(), Some(Trap::StackOverflow)),
            }
            *caller.data_mut() += usize::from(inner > outer);
        })
        .unwrap();
    let text = r#"(module (import "h" "enter" (func $enter))
        (func $r (export "recurse") (call $r)) (func (export "run") (call $enter)))"#;
    let module = Module::new(&engine, wat::parse_str(text).unwrap()).unwrap();
    let mut store = Store::new(&engine, 0).unwrap();
    let instance = linker.instantiate(&mut store, &module).unwrap();
    let run = instance.get_typed_func::<(), ()>(&mut store, "run").unwrap();
    // The first thread's stack lies higher as a rule; the inner one gets it.
    for _ in 0..10 {
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let first = std::thread::spawn(move || wait.recv().unwrap());
        std::thread::scope(|scope| {
            scope.spawn(|| {
                go.send(()).unwrap();
                first.join().unwrap();
                run.call(&mut store, ()).unwrap();
            });
        });
    }
    println!("{} of 10 inner stacks were higher", store.data());
    run.call(&mut store, ()).unwrap();
}
