//! What only several processors show: stores that share objects, modules that
//! come and go, registers and pages that belong to threads wherever they run.

use crate::interrupts::with_timer;
use crate::running::{engine, module};
use crate::texts;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use kernref::{
    Caller, Engine, Error, ExternRef, Instance, Linker, Module, Result, Rooted, Store, Trap,
};
use kernref_qemu::arch::{self, Registers};
use kernref_qemu::probe::read_faults;
use kernref_qemu::sched::{self, JoinHandle, Mutex};
use kernref_qemu::{frames, smp, vspace};
use kernref_testsuite::Setup;

/// Runs `body` in as many threads; what each returned.
fn in_threads<R: Send + 'static>(
    threads: usize,
    body: impl Fn(usize) -> R + Send + Sync + 'static,
) -> Vec<R> {
    let body = Arc::new(body);
    let spawn = |number| {
        let body = body.clone();
        let name = sched::name().expect("a thread");
        sched::spawn(&name, 2, move || body(number))
    };
    let threads: Vec<JoinHandle<R>> = (0..threads).map(spawn).collect();
    threads.into_iter().map(JoinHandle::join).collect()
}

/// Runs `body` once on every processor, with interrupts masked, in a thread that
/// goes from one to the next.
fn on_every_processor(body: impl Fn() + Send + 'static) {
    let name = sched::name().expect("a thread");
    let visitor = sched::spawn(&name, 2, move || {
        let mut missing = (1_u64 << smp::processors()) - 1;
        while missing != 0 {
            let enabled = arch::mask_interrupts();
            let this = 1 << smp::this();
            if missing & this != 0 {
                body();
                missing &= !this;
            }
            arch::restore_interrupts(enabled);
            sched::give_way();
        }
    });
    visitor.join();
}

const KEEPER: &str = include_str!("guests/keeper.wat");
const STRAY: &str = include_str!("guests/stray.wat");
const SUM: &str = include_str!("guests/sum.wat");
const OBJECTS: usize = 64;

/// How often each object was destroyed.
type Drops = Arc<[AtomicU32; OBJECTS]>;

struct Tracked {
    number: u32,
    drops: Drops,
}

impl Drop for Tracked {
    fn drop(&mut self) {
        self.drops[self.number as usize].fetch_add(1, Ordering::Relaxed);
    }
}

/// What [`KEEPER`] imports. `made` counts the objects that it made and that are
/// alive.
fn keeper_linker(engine: &Engine, made: &Arc<AtomicUsize>) -> Linker<()> {
    struct Made(u32, Arc<AtomicUsize>);
    impl Drop for Made {
        fn drop(&mut self) {
            self.1.fetch_sub(1, Ordering::Relaxed);
        }
    }
    let mut linker = Linker::<()>::new(engine);
    let made = made.clone();
    let make = move |number: u32| {
        made.fetch_add(1, Ordering::Relaxed);
        ExternRef::new(Made(number, made.clone()))
    };
    let number = |caller: Caller<'_, ()>, object: Rooted| -> Result<u32> {
        let object = object.get(&caller)?;
        let tracked = object.downcast_ref::<Tracked>().map(|tracked| tracked.number);
        Ok(tracked.or_else(|_| object.downcast_ref::<Made>().map(|made| made.0))?)
    };
    linker.func_wrap("h", "make", make).expect("a new name");
    linker.func_wrap("h", "number", number).expect("a new name");
    linker
}

/// The same objects in a table of each of four stores, which exchange them, while
/// each makes others. Each is destroyed once, when the last store is gone.
pub fn four_stores_share_objects(setup: Setup) {
    let engine = engine(setup, |config| {
        config.reference_slots(256);
    });
    let keeper = module(&engine, KEEPER);
    let drops: Drops = Arc::new([const { AtomicU32::new(0) }; OBJECTS]);
    let objects: Vec<ExternRef> = (0..OBJECTS as u32)
        .map(|number| ExternRef::new(Tracked { number, drops: drops.clone() }))
        .collect::<Result<_>>()
        .expect("objects");
    let made = Arc::new(AtomicUsize::new(0));
    let objects = Arc::new(Mutex::new(objects));
    let rounds = if setup.zeal { 3 } else { 40 };
    let sums = in_threads(4, {
        let (drops, made) = (drops.clone(), made.clone());
        move |_| {
            let linker = keeper_linker(&engine, &made);
            let mut store = Store::new(&engine, ()).expect("a store");
            let instance = linker.instantiate(&mut store, &keeper).expect("an instance");
            let keep = instance.get_typed_func::<(u32, ExternRef), ()>(&mut store, "keep");
            let keep = keep.expect("keep");
            let churn = instance.get_typed_func::<u32, u32>(&mut store, "churn").expect("churn");
            let own: Vec<ExternRef> = objects.lock().clone();
            for (at, object) in own.into_iter().enumerate() {
                keep.call(&mut store, (at as u32, object)).expect("no trap");
            }
            let sums = [(); 4].map(|()| churn.call(&mut store, rounds).expect("no trap"));
            assert!(drops.iter().all(|drops| drops.load(Ordering::Relaxed) == 0));
            store.gc().expect("a collection");
            sums
        }
    });
    assert!(sums.windows(2).all(|pair| pair[0] == pair[1]), "each saw the same: {sums:?}");
    // The host's handles went with the closure, the stores' with the stores.
    for (number, drops) in drops.iter().enumerate() {
        assert_eq!(drops.load(Ordering::Relaxed), 1, "object {number}");
    }
    assert_eq!(made.load(Ordering::Relaxed), 0, "objects that the guests made");
}

/// A module's outcome: with hardware traps, its stray access is found among the
/// code of modules that come and go meanwhile.
fn use_stray(engine: &Engine, module: &Module) {
    let mut store = Store::new(engine, ()).expect("a store");
    let instance = Instance::new(&mut store, module, &[]).expect("an instance");
    let load = instance.get_typed_func::<u32, u32>(&mut store, "load").expect("load");
    let sum = instance.get_typed_func::<u32, f64>(&mut store, "sum").expect("sum");
    assert_eq!(load.call(&mut store, 65_535).expect("in bounds"), 0);
    for at in [65_536, u32::MAX] {
        let outcome = load.call(&mut store, at);
        assert!(matches!(outcome, Err(Error::Trap(Trap::MemoryOutOfBounds))), "{outcome:?}");
    }
    let outcome = sum.call(&mut store, 500);
    assert!(matches!(outcome, Err(Error::Trap(Trap::MemoryOutOfBounds))), "{outcome:?}");
}

/// Threads publish modules, use them and each other's, and drop them, all in one
/// engine.
pub fn modules_come_and_go_everywhere(setup: Setup) {
    let engine = engine(setup, |_| {});
    let stray = texts::assemble(STRAY).expect("known text");
    let pool: Arc<Mutex<Vec<Module>>> = Arc::new(Mutex::new(Vec::new()));
    let before = frames::available();
    in_threads(6, move |number| {
        for round in 0..8 {
            // Where it was compiled is not where it is published, nor where it runs:
            // the thread is moved all the time.
            let artifact = engine.precompile_module(&stray).expect("it is valid");
            let own = Module::from_artifact(&engine, artifact).expect("loaded");
            use_stray(&engine, &own);
            pool.lock().push(own);
            let others = {
                let mut pool = pool.lock();
                let at = (number + round) % pool.len();
                pool.swap_remove(at)
            };
            use_stray(&engine, &others);
            if round % 2 == 0 {
                pool.lock().push(others);
            }
        }
    });
    assert_eq!(frames::available(), before, "frames of code and of memories");
}

/// A store with an instance goes from thread to thread, and is dropped in another
/// than the one that made it; the module was compiled in yet another.
pub fn compiled_here_run_there(setup: Setup) {
    let engine = engine(setup, |_| {});
    for _ in 0..4 {
        let compiling = engine.clone();
        let module = in_threads(1, move |_| module(&compiling, SUM)).remove(0);
        let running = engine.clone();
        let mut state = in_threads(1, move |_| {
            let mut store = Store::new(&running, ()).expect("a store");
            let instance = Instance::new(&mut store, &module, &[]).expect("an instance");
            let sum = instance.get_typed_func::<u32, f64>(&mut store, "sum").expect("sum");
            (store, sum)
        })
        .remove(0);
        let expected = state.1.call(&mut state.0, 5_000).expect("no trap");
        let state = Arc::new(Mutex::new(state));
        let results = in_threads(4, {
            let state = state.clone();
            move |_| {
                let (store, sum) = &mut *state.lock();
                sum.call(store, 5_000).expect("no trap").to_bits()
            }
        });
        assert_eq!(results, [expected.to_bits(); 4]);
        let last = Arc::into_inner(state).expect("the threads have ended");
        in_threads(1, {
            let last = Mutex::new(Some(last));
            move |_| drop(last.lock().take())
        });
    }
}

/// Whether all registers are as they were after some time.
pub fn registers_are_kept(seed: u64, turns: u64) {
    let registers = Registers::new(seed);
    assert_eq!(registers.hold(turns), registers, "registers of another thread");
}

/// Guests compute with vectors and floating point while threads change every
/// register and every rounding mode.
pub fn guests_keep_their_registers(setup: Setup) {
    let engine = engine(setup, |_| {});
    let module = module(&engine, SUM);
    let call = move |numbers: u32| {
        let mut store = Store::new(&engine, ()).expect("a store");
        let instance = Instance::new(&mut store, &module, &[]).expect("an instance");
        let sum = instance.get_typed_func::<u32, f64>(&mut store, "sum").expect("sum");
        sum.call(&mut store, numbers).expect("no trap").to_bits()
    };
    let numbers = |thread: usize| 1_000 + 977 * thread as u32;
    let call = Arc::new(call);
    let quiet: Vec<u64> = (0..4).map(|thread| call(numbers(thread))).collect();
    let seeds = AtomicU64::new(1);
    in_threads(8, move |thread| {
        let from = arch::now_ns();
        while arch::now_ns() - from < 60_000_000 {
            match thread {
                0..4 => assert_eq!(call(numbers(thread)), quiet[thread], "of thread {thread}"),
                _ => registers_are_kept(seeds.fetch_add(1, Ordering::Relaxed), 50_000),
            }
        }
    });
}

/// No processor reaches a page that was given back.
pub fn pages_are_gone_everywhere(_: Setup) {
    const BYTES: usize = 40 * frames::FRAME_BYTES;
    let before = frames::available();
    // Few pages are forgotten one by one, many all at once.
    for bytes in [frames::FRAME_BYTES, BYTES, frames::FRAME_BYTES, BYTES] {
        let start = vspace::reserve(bytes).expect("address space");
        let last = start + bytes - 8;
        assert!(vspace::commit(start, start + bytes), "frames");
        // SAFETY: mapped just now, and nobody else's.
        unsafe { (last as *mut u64).write_volatile(7) };
        on_every_processor(move || {
            // SAFETY: as above.
            assert_eq!(unsafe { (last as *const u64).read_volatile() }, 7);
            // SAFETY: reading has no side effects.
            assert!(!unsafe { read_faults(start) });
        });
        // SAFETY: nobody uses the range any more.
        unsafe { vspace::decommit(start, start + bytes) };
        // SAFETY: reading has no side effects.
        on_every_processor(move || assert!(unsafe { read_faults(start) && read_faults(last) }));
        vspace::unreserve(start, bytes);
    }
    assert_eq!(frames::available(), before);
}

static ENDING: spin::Mutex<Option<Engine>> = spin::Mutex::new(None);

fn advance() {
    if let Some(engine) = ENDING.try_lock()
        && let Some(engine) = engine.as_ref()
    {
        engine.increment_epoch();
    }
}

/// Every processor's timer advances the epoch of guests on all of them.
pub fn ticks_end_endless_loops_everywhere(setup: Setup) {
    let engine = engine(setup, |config| {
        config.epoch_interruption(true);
    });
    let module = module(&engine, SUM);
    *ENDING.lock() = Some(engine.clone());
    with_timer(advance, || {
        in_threads(6, move |thread| {
            let mut store = Store::new(&engine, ()).expect("a store");
            let instance = Instance::new(&mut store, &module, &[]).expect("an instance");
            let forever =
                instance.get_typed_func::<(), ()>(&mut store, "forever").expect("forever");
            store.set_epoch_deadline(5 + thread as u64);
            let outcome = forever.call(&mut store, ());
            assert!(matches!(outcome, Err(Error::Trap(Trap::Interrupt))), "{outcome:?}");
        })
    });
    drop(ENDING.lock().take());
}

/// A thread that holds what others spin for gets its turn, though they have a
/// higher priority and there are more of them than processors.
pub fn spinning_threads_let_the_holder_run(_: Setup) {
    let released = Arc::new(AtomicBool::new(false));
    let spinning: Vec<_> = (0..smp::processors() + 2)
        .map(|_| {
            let released = released.clone();
            sched::spawn("spinning", 3, move || {
                while !released.load(Ordering::Acquire) {
                    core::hint::spin_loop();
                }
            })
        })
        .collect();
    let holder = sched::spawn("holder", 0, move || released.store(true, Ordering::Release));
    holder.join();
    spinning.into_iter().for_each(JoinHandle::join);
}

/// Waiting and waking, and a lock that threads hold while they wait.
pub fn threads_wait_for_each_other(_: Setup) {
    let count = Arc::new(Mutex::new(0_u32));
    in_threads(6, {
        let count = count.clone();
        move |thread| {
            for turn in 0..50 {
                let mut held = count.lock();
                let seen = *held;
                if turn % 8 == thread {
                    sched::sleep(100_000);
                } else {
                    sched::give_way();
                }
                *held = seen + 1;
            }
        }
    });
    assert_eq!(*count.lock(), 300);
    let waiting = sched::spawn("waiting", 2, || {
        sched::park();
        sched::park();
        arch::now_ns()
    });
    waiting.thread().unpark();
    sched::sleep(5_000_000);
    let woken = arch::now_ns();
    waiting.thread().unpark();
    assert!(waiting.join() >= woken, "woken too early");
}
