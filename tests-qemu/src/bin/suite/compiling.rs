//! Compiling in memory of its own, while the kernel goes on.

use crate::interrupts::with_timer;
use crate::running::engine;
use crate::shapes::{BEYOND_16_MIB, SHAPES};
use alloc::string::String;
use alloc::vec::Vec;
use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use kernref::{Config, Engine, Error, Module};
use kernref_qemu::{console, embedder, frames, heap, timer};
use kernref_testsuite::Setup;
use spin::Mutex;

fn with_region(setup: Setup, bytes: usize) -> Engine {
    engine(setup, |config| {
        config.compile_memory(heap::compile_memory().region_bytes(bytes).stack_bytes(128 << 10));
    })
}

/// Only one setup: these take long, and what they allocate hardly differs.
fn is_first(setup: Setup) -> bool {
    setup.name() == Setup::ALL[0].name()
}

pub fn bombs_in_sixteen_mebibytes(setup: Setup) {
    if !is_first(setup) {
        return;
    }
    let engine = with_region(setup, 16 << 20);
    let mut before = None;
    for shape in SHAPES {
        let outcome = engine.precompile_module((shape.make)(shape.size)).map(drop);
        let refused = BEYOND_16_MIB.contains(&shape.name);
        match outcome {
            Ok(_) | Err(Error::Limit(_)) if !refused => {}
            Err(Error::OutOfMemory { .. }) if refused => {}
            other => panic!("{}: {other:?}", shape.name),
        }
        let now = (heap::usage().0, frames::available());
        assert_eq!(*before.get_or_insert(now), now, "after {}", shape.name);
    }
}

/// A module of a few functions with a bit of everything.
fn small() -> Vec<u8> {
    let named = |name: &&crate::shapes::Shape| name.name == "functions that call each other";
    let shape = SHAPES.iter().find(named).expect("a shape of this name");
    (shape.make)(8)
}

pub fn refused_requests_leave_nothing(setup: Setup) {
    let expected = with_region(setup, 4 << 20).precompile_module(small()).expect("it is valid");
    let mut region = alloc::vec![MaybeUninit::new(0_u8); 4 << 20];
    let mut nth = 1;
    let found = loop {
        let engine = engine(setup, |config| {
            config.compile_memory(heap::compile_memory().refuse_request(Some(nth)));
        });
        let before = (heap::usage().0, frames::available());
        let module = small();
        let outcome = engine.compilation(&module).expect("a handle").region(&mut region);
        match outcome.precompile() {
            Ok(artifact) => break artifact,
            Err(Error::OutOfMemory { .. }) => {}
            Err(other) => panic!("request {nth}: {other}"),
        }
        drop(module);
        region.fill(MaybeUninit::new(0xa5));
        assert_eq!((heap::usage().0, frames::available()), before, "request {nth}");
        drop(engine);
        embedder::forget_engines();
        // A sample: each takes longer than the one before.
        nth += 1 + nth / 16;
    };
    assert!(nth > 100, "{nth} requests");
    assert!(found.parts().code == expected.parts().code);
}

/// What handlers of timer interrupts, or a logger, have kept.
static KEPT: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Allocates, frees and grows on whatever stack it has interrupted.
fn allocate() {
    heap::outside(|| {
        let mut kept = KEPT.lock();
        let text = alloc::format!("tick {}", timer::ticks());
        kept.push(text);
        if kept.len() > 16 {
            kept.remove(0);
        }
    });
}

pub fn interrupt_handlers_allocate(setup: Setup) {
    let engine = with_region(setup, 4 << 20);
    let module = small();
    let expected = engine.precompile_module(&module).expect("it is valid");
    heap::while_handlers_allocate(|| {
        with_timer(allocate, || {
            let from = timer::ticks();
            while timer::ticks() - from < 20 {
                let found = engine.precompile_module(&module).expect("it is valid");
                assert!(found.parts().code == expected.parts().code);
            }
        });
    });
    let kept = core::mem::take(&mut *KEPT.lock());
    assert_eq!(kept.len(), 16);
    assert!(kept.iter().all(|text| text.starts_with("tick ")), "{kept:?}");
}

fn keep(record: &log::Record<'_>) {
    let text = alloc::format!("{}: {}", record.target(), record.args());
    KEPT.lock().push(text);
}

pub fn loggers_allocate(setup: Setup) {
    let engine = with_region(setup, 4 << 20);
    let module = small();
    let expected = engine.precompile_module(&module).expect("it is valid");
    let mut region = alloc::vec![MaybeUninit::new(0_u8); 4 << 20];
    for _ in 0..3 {
        let compilation = engine.compilation(&module).expect("a handle").region(&mut region);
        let found = console::while_listening(keep, || compilation.precompile());
        region.fill(MaybeUninit::new(0xa5));
        assert!(found.expect("it is valid").parts().code == expected.parts().code);
    }
    let kept = core::mem::take(&mut *KEPT.lock());
    assert!(kept.len() > 10, "{} messages", kept.len());
    let sound = |text: &String| text.starts_with("cranelift") && text.is_ascii();
    assert!(kept.iter().all(sound), "{kept:?}");
}

static ADVANCED: AtomicU64 = AtomicU64::new(0);
static WATCHED: Mutex<Option<Engine>> = Mutex::new(None);

fn advance() {
    if let Some(engines) = WATCHED.try_lock()
        && let Some(engine) = engines.as_ref()
    {
        engine.increment_epoch();
        ADVANCED.fetch_add(1, Ordering::Relaxed);
    }
}

pub fn a_timer_ends_compiling(setup: Setup) {
    let engine = engine(setup, |_: &mut Config| {});
    let shape = SHAPES.iter().find(|shape| shape.name.starts_with("A4")).expect("it is there");
    let module = (shape.make)(shape.size);
    let before = (heap::usage().0, frames::available());
    let ended_after = |ticks| {
        let asked = AtomicUsize::new(0);
        let mut ask = |_| {
            asked.fetch_add(1, Ordering::Relaxed);
        };
        *WATCHED.lock() = Some(engine.clone());
        let outcome = with_timer(advance, || {
            let compilation = engine.compilation(&module).expect("a handle");
            compilation.on_progress(&mut ask).epoch_deadline(ticks).run()
        });
        drop(WATCHED.lock().take());
        assert!(matches!(outcome, Err(Error::Interrupted)), "{outcome:?}");
        asked.into_inner() > 0
    };
    // How far compiling comes in a tick depends on the machine and on its neighbours.
    let mut ticks = (0..8).map(|doubled| 3 << doubled);
    assert!(ticks.any(ended_after), "no progress was reported");
    assert_eq!((heap::usage().0, frames::available()), before);
    Module::new(&engine, small()).expect("it is valid");
}
