//! How much stack Wasm gets: by default, and when the embedder knows the bounds of
//! the stack of each thread.
#![cfg(all(feature = "compile", feature = "std", target_os = "linux"))]

use kernref::alloc::{STACK_RESERVE_BYTES, StackBounds};
use kernref::{
    AsContextMut, Caller, Config, Engine, Error, Extern, Instance, Linker, Misuse, Module, Store,
    Trap,
};
use std::cell::Cell;
use std::ops::Range;
use std::sync::Arc;

thread_local! {
    static STACK: Cell<Option<(usize, usize)>> = const { Cell::new(None) };
}

/// What each thread has noted of its own stack.
struct Noted;

// SAFETY: threads note what the system says.
unsafe impl StackBounds for Noted {
    fn current(&self) -> Option<Range<usize>> {
        STACK.get().map(|(start, end)| start..end)
    }
}

/// Notes the stack of this thread, and returns it.
fn note() -> Range<usize> {
    // SAFETY: the attributes are written before they are read, and destroyed once.
    let (start, len) = unsafe {
        let mut attributes = core::mem::zeroed();
        let (mut start, mut len) = (core::ptr::null_mut(), 0);
        assert_eq!(libc::pthread_getattr_np(libc::pthread_self(), &raw mut attributes), 0);
        let found =
            libc::pthread_attr_getstack(&raw const attributes, &raw mut start, &raw mut len);
        assert_eq!(found, 0);
        libc::pthread_attr_destroy(&raw mut attributes);
        (start.addr(), len)
    };
    STACK.set(Some((start, start + len)));
    start..start + len
}

fn here() -> usize {
    let local = 0_u8;
    (&raw const local).addr()
}

fn bounded(adjust: impl FnOnce(&mut Config)) -> Engine {
    let mut config = Config::new();
    config.stack_bounds(Arc::new(Noted));
    adjust(&mut config);
    Engine::new(&config).unwrap()
}

fn assemble(engine: &Engine, text: &str) -> Module {
    Module::new(engine, wat::parse_str(text).unwrap()).unwrap()
}

/// Counts how deep it can go.
const DEEP: &str = r#"(module
    (import "h" "at" (func $at))
    (func $down (export "down") (call $at) (call $down)))"#;

/// The lowest address at which a recursion called the host.
fn lowest(module: &Module) -> usize {
    let engine = module.engine();
    let mut linker = Linker::<usize>::new(engine);
    let at = |mut caller: Caller<'_, usize>| {
        let lowest = (*caller.data()).min(here());
        *caller.data_mut() = lowest;
    };
    linker.func_wrap("h", "at", at).unwrap();
    let mut store = Store::new(engine, usize::MAX).unwrap();
    let instance = linker.instantiate(&mut store, module).unwrap();
    let down = instance.get_typed_func::<(), ()>(&mut store, "down").unwrap();
    for _ in 0..2 {
        let error = down.call(&mut store, ()).unwrap_err();
        assert_eq!(error.as_trap(), Some(Trap::StackOverflow));
    }
    *store.data()
}

/// Runs on a thread with such a stack, whatever the test's is like.
fn on_a_stack<R: Send>(bytes: usize, run: impl FnOnce() -> R + Send) -> R {
    std::thread::scope(|scope| {
        std::thread::Builder::new()
            .stack_size(bytes)
            .spawn_scoped(scope, run)
            .unwrap()
            .join()
            .unwrap()
    })
}

#[test]
fn recursion_ends_before_each_stack_does() {
    let module = assemble(&bounded(|_| {}), DEEP);
    for bytes in [96 << 10, 256 << 10, 4 << 20] {
        on_a_stack(bytes, || {
            let stack = note();
            let lowest = lowest(&module);
            let limit = stack.start + STACK_RESERVE_BYTES;
            assert!(lowest < limit + (4 << 10), "{} bytes are unused", lowest - limit);
            // A frame of the host lies below the limit.
            assert!(lowest > limit - STACK_RESERVE_BYTES / 2, "beyond the reserve");
        });
    }
}

#[test]
fn a_number_bounds_what_is_known() {
    let module = assemble(&bounded(|config| _ = config.max_wasm_stack(64 << 10)), DEEP);
    on_a_stack(1 << 20, || {
        note();
        let used = here() - lowest(&module);
        assert!((50 << 10..80 << 10).contains(&used), "{used}");
    });
    // A small stack ends before that.
    on_a_stack(48 << 10, || {
        let stack = note();
        assert!(lowest(&module) > stack.start + STACK_RESERVE_BYTES / 2);
    });
}

#[test]
fn an_unknown_stack_is_refused() {
    let engine = bounded(|_| {});
    let module = assemble(&engine, r#"(module (func (export "run")))"#);
    let mut store = Store::new(&engine, ()).unwrap();
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let run = instance.get_typed_func::<(), ()>(&mut store, "run").unwrap();
    on_a_stack(256 << 10, || {
        let unknown = |error| matches!(error, Error::Misuse(Misuse::UnknownStack));
        assert!(unknown(run.call(&mut store, ()).unwrap_err()));
        // Another thread's.
        STACK.set(Some((4096, 8192)));
        assert!(unknown(run.call(&mut store, ()).unwrap_err()));
        note();
        run.call(&mut store, ()).unwrap();
    });
}

/// A store that a host function lends to another thread is refused there, wherever
/// that thread's stack lies.
#[test]
fn a_nested_call_on_another_stack_is_told_from_an_overflow() {
    let engine = bounded(|_| {});
    let mut linker = Linker::<(u32, u32)>::new(&engine);
    let enter = |mut caller: Caller<'_, (u32, u32)>| {
        let down = caller.get_export("down").and_then(Extern::into_func).unwrap();
        let outer = here();
        let mut context = caller.as_context_mut();
        let (inner, outcome) = on_a_stack(512 << 10, || {
            note();
            (here(), down.call(&mut context, &[], &mut []))
        });
        let error = outcome.unwrap_err();
        assert!(matches!(error, Error::Misuse(Misuse::OtherStack)), "{error}");
        let (above, below) = caller.data_mut();
        *(if inner > outer { above } else { below }) += 1;
        // On this stack, it is an overflow.
        let mut context = caller.as_context_mut();
        let error = down.call(&mut context, &[], &mut []).unwrap_err();
        assert_eq!(error.as_trap(), Some(Trap::StackOverflow));
    };
    linker.func_wrap("h", "enter", enter).unwrap();
    let text = r#"(module (import "h" "enter" (func $enter))
        (func $r (export "down") (call $r)) (func (export "run") (call $enter)))"#;
    let mut store = Store::new(&engine, (0, 0)).unwrap();
    let instance = linker.instantiate(&mut store, &assemble(&engine, text)).unwrap();
    let run = instance.get_typed_func::<(), ()>(&mut store, "run").unwrap();
    for _ in 0..10 {
        let (go, wait) = std::sync::mpsc::channel::<()>();
        // Lies above the outer stack as a rule, and is free when the inner one is made.
        let first = std::thread::Builder::new().stack_size(512 << 10);
        let first = first.spawn(move || wait.recv().unwrap()).unwrap();
        on_a_stack(512 << 10, || {
            note();
            go.send(()).unwrap();
            first.join().unwrap();
            run.call(&mut store, ()).unwrap();
        });
    }
    let (above, below) = *store.data();
    println!("{above} of 10 inner stacks were above, {below} below");
    assert_eq!(above + below, 10);
}

/// An interpreter as guests are: `eval` walks a tree of nodes in memory, and keeps
/// much in its frame while it evaluates what is below.
fn interpreter(locals: usize) -> String {
    let declared = "(local i64) ".repeat(locals);
    let load = |at| format!("(local.set {at} (i64.load offset={} (i32.const 1024))) ", 8 * at);
    let kept: String = (3..3 + locals).map(load).collect();
    let used: String = (3..3 + locals).map(|at| format!("(local.get {at}) i64.add ")).collect();
    format!(
        r#"(module (memory 64)
            (func $eval (param $node i32) (result i64) (local $sum i64) (local $unused i32)
                {declared}
                (if (i32.eqz (local.get $node)) (then (return (i64.const 1))))
                {kept}
                (local.set $sum (i64.add (call $eval (i32.load (local.get $node)))
                    (call $eval (i32.load offset=4 (local.get $node)))))
                (local.get $sum) {used})
            ;; A list of $n nodes, each with a leaf and the node before.
            (func (export "run") (param $n i32) (result i64) (local $node i32) (local $at i32)
                (local.set $at (i32.const 65536))
                (loop $more
                    (i32.store offset=4 (local.get $at) (local.get $node))
                    (local.set $node (local.get $at))
                    (local.set $at (i32.add (local.get $at) (i32.const 8)))
                    (br_if $more (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
                (call $eval (local.get $node))))"#
    )
}

fn levels(config: &Config, locals: usize, levels: u32) -> Result<i64, Error> {
    let engine = Engine::new(config)?;
    let module = assemble(&engine, &interpreter(locals));
    let mut store = Store::new(&engine, ())?;
    let instance = Instance::new(&mut store, &module, &[])?;
    instance.get_typed_func::<u32, i64>(&mut store, "run")?.call(&mut store, levels)
}

#[test]
fn an_interpreter_goes_deep_by_default() {
    // A kilobyte for each level, as that of a scripting language takes.
    assert_eq!(levels(&Config::new(), 120, 400).unwrap(), 401);
    let mut mebibyte = Config::new();
    mebibyte.max_wasm_stack(1 << 20);
    assert_eq!(levels(&mebibyte, 120, 850).unwrap(), 851);
    let error = levels(&Config::new(), 120, 850).unwrap_err();
    assert_eq!(error.as_trap(), Some(Trap::StackOverflow));
    let mut small = Config::new();
    small.max_wasm_stack(128 << 10);
    let error = levels(&small, 120, 200).unwrap_err();
    assert_eq!(error.as_trap(), Some(Trap::StackOverflow));
}
