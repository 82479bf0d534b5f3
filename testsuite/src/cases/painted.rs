//! How far below the stack limit compiled code goes: the stack there is painted,
//! and everything that makes frames is tried at every distance from the limit.

use crate::support::{Setup, module};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use kernref::{Caller, Config, Engine, Error, Func, Linker, Store, Trap, Val};

/// What compiled frames may touch below the limit ([`MARGIN`]), and what recording
/// a trap there takes.
const ALLOWED: usize = MARGIN + 4096;
const MARGIN: usize = 4096;
/// Wasm's stack, and what is painted below its limit.
const WASM: usize = 24 << 10;
const PAINTED: usize = 20 << 10;
const PAINT: u64 = 0xa5a5_5a5a_dead_beef;

/// Paints the stack below `limit`, calls, and says how much of the paint is gone.
fn touched(limit: usize, call: impl FnOnce()) -> usize {
    let low = limit - PAINTED;
    let words = || (low..limit).step_by(8);
    let word = |at: usize| core::ptr::with_exposed_provenance_mut::<u64>(at);
    for at in words() {
        // SAFETY: this thread's stack, far below its frames.
        unsafe { word(at).write_volatile(PAINT) };
    }
    call();
    // SAFETY: as above.
    let lowest = words().find(|at| unsafe { word(*at).read_volatile() } != PAINT);
    limit - lowest.unwrap_or(limit)
}

/// A limit below the caller's frame.
#[inline(never)]
fn limit_below(bytes: usize) -> usize {
    let here = 0_u64;
    ((&raw const here).expose_provenance() - bytes) & !15
}

/// Locals that all live over a call.
fn many_locals(count: usize, call: &str) -> String {
    let mut text = format!("(local {})", "i64 ".repeat(count));
    for at in 0..count {
        text += &format!("(local.set {at} (call $value))");
    }
    text += call;
    for at in 0..count {
        text += &format!("(call $use (local.get {at}))");
    }
    text
}

/// `count` times `text`.
fn times(count: usize, text: &str) -> String {
    text.repeat(count)
}

/// Functions `$f` whose frames are of a special kind.
fn shapes() -> Vec<(&'static str, String)> {
    let vectors = |count| times(count, "v128 ");
    let zeros = |count| times(count, "(v128.const i64x2 1 2)");
    let wide = |count: usize, how: &str| {
        format!(
            "(func $g (param {})) (func $f (call $nothing) (if (global.get $z) (then {} ({how} $g))))",
            vectors(count),
            zeros(count)
        )
    };
    let results = |count: usize| {
        let drops = times(count, "drop ");
        let (types, values) = (times(count, "i64 "), times(count, "(i64.const 7)"));
        format!("(func $g (result {types}) {values}) (func $f (call $g) {drops})")
    };
    let leaf = |count: usize| {
        let mut text = format!("(func $f (local {})", vectors(count));
        for at in 0..count {
            text += &format!("(local.set {at} (v128.load offset={} (i32.const 0)))", 16 * at);
        }
        for at in 0..count {
            let back = count - 1 - at;
            text += &format!("(v128.store offset={} (i32.const 0) (local.get {at}))", 16 * back);
        }
        text + ")"
    };
    let tail = |how: &str, body: &str| {
        format!("(func $large {body}) (func $f ({how}))", body = many_locals(600, body))
    };
    let mut all = Vec::from([
        ("a small frame", "(func $f (call $nothing))".into()),
        ("a frame of some KiB", format!("(func $f {})", many_locals(300, "(call $nothing)"))),
        ("a frame beyond the margin", format!("(func $f {})", many_locals(600, "(call $nothing)"))),
        ("a frame of 16 KiB", format!("(func $f {})", many_locals(2000, "(call $nothing)"))),
        ("tail call of a large frame", tail("return_call $large", "(call $nothing)")),
        (
            "indirect tail call",
            tail("return_call_indirect (i32.const 1)", "(call $nothing)")
                + "(elem (i32.const 1) $large)",
        ),
        (
            "a call of a large host type",
            format!(r#"(func $f {} (call $wide_host) {})"#, zeros(250), times(250, "drop ")),
        ),
        (
            "an indirect call of a large host type",
            format!(
                "(elem (i32.const 2) $wide_host) (func $f {} (i32.const 2) (call_indirect (type $wide)) {})",
                zeros(250),
                times(250, "drop ")
            ),
        ),
    ]);
    for count in [17, 60, 250, 500, 1000] {
        all.push(("a tail call with vectors that is not made", wide(count, "return_call")));
    }
    for count in [17, 60, 250] {
        all.push(("a call with vectors that is not made", wide(count, "call")));
        all.push(("a leaf with vectors", leaf(count)));
    }
    for count in [10, 100, 600, 1000] {
        all.push(("results", results(count)));
    }
    all
}

/// A module whose function `$s` goes down in small steps and then calls `$f`, and
/// exports `$f` in every way.
fn text(shape: &str) -> String {
    format!(
        r#"(module
            (type $wide (func (param {wide}) (result {wide})))
            (import "h" "wide" (func $wide_host (type $wide)))
            (memory 1) (global $z (mut i32) (i32.const 0)) (table (export "t") 4 funcref)
            (func $nothing) (func $value (result i64) (i64.const 1)) (func $use (param i64))
            {shape}
            (export "f" (func $f))
            (elem (i32.const 0) $f)
            (func $s (export "direct") (param i32)
                (if (local.get 0) (then (call $s (i32.sub (local.get 0) (i32.const 1))))
                    (else (call $f))))
            (func $i (export "indirect") (param i32)
                (if (local.get 0) (then (call $i (i32.sub (local.get 0) (i32.const 1))))
                    (else (call_indirect (i32.const 0)))))
            (func $t (export "tail") (param i32)
                (if (local.get 0) (then (call $t (i32.sub (local.get 0) (i32.const 1))))
                    (else (return_call $f)))))"#,
        wide = times(250, "v128 ")
    )
}

/// Goes down in small steps, and then calls a function of another instance, or
/// starts an instance that does.
const CALLER: &str = r#"(module
    (import "" "f" (func $f))
    (func $s (export "imported") (param i32)
        (if (local.get 0) (then (call $s (i32.sub (local.get 0) (i32.const 1))))
            (else (call $f)))))"#;
const STARTER: &str = r#"(module (import "" "f" (func $f)) (func $go (call $f)) (start $go))"#;

fn identity(_: Caller<'_, ()>, params: &[Val], results: &mut [Val]) -> kernref::Result<()> {
    results.clone_from_slice(params);
    Ok(())
}

fn wide_type() -> kernref::FuncType {
    kernref::FuncType::new([kernref::ValType::V128; 250], [kernref::ValType::V128; 250]).unwrap()
}

/// Whether a call ended as it may.
fn ended(outcome: Result<(), Error>) -> bool {
    match outcome {
        Ok(()) => true,
        Err(Error::Trap(Trap::StackOverflow)) => false,
        Err(other) => panic!("{other}"),
    }
}

fn with_stack(config: &mut Config) {
    config.max_wasm_stack(WASM);
}

pub fn every_frame_however_it_is_entered(setup: Setup) {
    // Distances from the limit between two tries, in the smallest frames.
    let stride = match (setup == Setup::ALL[0], cfg!(target_os = "none")) {
        (true, false) => 1,
        (false, false) => 11,
        (true, true) => 97,
        (false, true) => return,
    };
    let setup = Setup { zeal: false, ..setup };
    setup.each_config(with_stack, |engine| {
        for (name, shape) in shapes() {
            enter(engine, name, &text(&shape), stride);
        }
    });
}

#[inline(never)]
fn enter(engine: &Engine, name: &str, text: &str, stride: usize) {
    let mut linker = Linker::<()>::new(engine);
    linker.func_new("h", "wide", wide_type(), identity).unwrap();
    let mut store = Store::new(engine, ()).unwrap();
    let instance = linker.instantiate(&mut store, &module(engine, text)).unwrap();
    let f = instance.get_func(&mut store, "f").unwrap();
    linker.define(&store, "", "f", f).unwrap();
    let caller = linker.instantiate(&mut store, &module(engine, CALLER)).unwrap();
    let mut ways: Vec<(&str, Func)> = ["direct", "indirect", "tail"]
        .map(|way| (way, instance.get_func(&mut store, way).unwrap()))
        .into();
    ways.push(("imported", caller.get_func(&mut store, "imported").unwrap()));
    for (way, func) in ways {
        let down = func.typed::<u32, ()>(&store).unwrap();
        let limit = limit_below(WASM);
        // SAFETY: the suite's stacks have that much, and what is painted below.
        unsafe { store.set_stack_limit(Some(limit)) };
        let (mut overflowed, mut worst) = (0, 0);
        for steps in (0..WASM / 16 + 100).step_by(stride) {
            let outcome = &mut overflowed;
            let call = || *outcome += usize::from(!ended(down.call(&mut store, steps as u32)));
            worst = worst.max(touched(limit, call));
        }
        assert!(worst <= ALLOWED, "{name}, {way}: {worst} bytes below the limit");
        assert!(overflowed > 0, "{name}, {way}");
    }
    // From the host: the limit comes closer.
    let starter = module(engine, STARTER);
    for room in (MARGIN..WASM).step_by(16 * stride) {
        let limit = limit_below(room);
        // SAFETY: as above, and less.
        unsafe { store.set_stack_limit(Some(limit)) };
        let worst = touched(limit, || {
            ended(f.call(&mut store, &[], &mut []));
        });
        assert!(worst <= ALLOWED, "{name}, exported, room {room}: {worst} bytes below the limit");
        let worst = touched(limit, || {
            ended(linker.instantiate(&mut store, &starter).map(|_| ()));
        });
        assert!(worst <= ALLOWED, "{name}, start, room {room}: {worst} bytes below the limit");
    }
}

pub fn shims_of_large_types(setup: Setup) {
    let setup = Setup { zeal: false, ..setup };
    setup.each_config(with_stack, |engine| {
        for (count, ty, zero) in [
            (16, "i64", Val::I64(0)),
            (33, "i64", Val::I64(0)),
            (250, "v128", Val::V128(0)),
            (1000, "i64", Val::I64(0)),
            (1000, "v128", Val::V128(0)),
        ] {
            let types = times(count, &format!("{ty} "));
            let gets: String = (0..count).map(|at| format!("(local.get {at})")).collect();
            let text =
                format!(r#"(module (func (export "f") (param {types}) (result {types}) {gets}))"#);
            let (mut store, instance) = crate::support::instance(engine, &text);
            let f = instance.get_func(&mut store, "f").unwrap();
            let params = alloc::vec![zero.clone(); count];
            let mut results = alloc::vec![zero; count];
            let mut outcomes = [0, 0];
            for room in (MARGIN..3 * WASM).step_by(560) {
                let limit = limit_below(room);
                // SAFETY: the suite's stacks have that much, and what is painted below.
                unsafe { store.set_stack_limit(Some(limit)) };
                let worst = touched(limit, || {
                    let fine = ended(f.call(&mut store, &params, &mut results));
                    outcomes[usize::from(fine)] += 1;
                });
                assert!(worst <= ALLOWED, "{count} × {ty}, room {room}: {worst} below the limit");
            }
            assert!(outcomes[1] > 0 || setup.as_if_large, "{count} × {ty}: {outcomes:?}");
        }
    });
}
