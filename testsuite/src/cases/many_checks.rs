//! Many checks in one function. What follows a function is shared by its
//! checks, and says by the stack pointer which of them failed: each must be
//! named in frames of any size, also behind constants.

use crate::support::{Setup, assemble};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use kernref::{Instance, Module, Store, Trap};

/// A function in which check `k` fails if it is called with `k`: divisions, loads
/// and conversions in turn, `live` values live over a call before them and in use after.
fn text(checks: usize, live: usize, constant: &str) -> String {
    let names = 0..live;
    let locals: String = names.clone().map(|n| format!("(local $l{n} i64) ")).collect();
    let set = |n| format!("(local.set $l{n} (i64.add (local.get $x) (i64.const {n})))\n");
    let use_it = |n| format!("(global.set $g (i64.xor (global.get $g) (local.get $l{n})))\n");
    let check = |k| match k % 3 {
        0 => format!("(drop (i32.div_u (i32.const 1) (i32.sub (local.get $k) (i32.const {k}))))\n"),
        1 => format!(
            "(drop (i32.load (i32.mul (i32.eq (local.get $k) (i32.const {k})) (i32.const 65536))))\n"
        ),
        _ => format!(
            "(drop (i32.trunc_f64_s (f64.mul (f64.convert_i32_u (i32.eq (local.get $k) (i32.const {k}))) (f64.const 1e10))))\n"
        ),
    };
    let sets: String = names.clone().map(set).collect();
    let uses: String = names.map(use_it).collect();
    let checks: String = (0..checks).map(check).collect();
    let call = if live > 0 { "(call $nothing)" } else { "" };
    format!(
        "(module (memory 1) (global $g (mut i64) (i64.const 0)) (global $f (mut f64) (f64.const 0))
        (func $nothing)
        (func $run (export \"run\") (param $k i32) (local $x i64) {locals}
            (local.set $x (i64.extend_i32_u (local.get $k)))
            {sets} {call} {constant}
            {checks} {uses}))"
    )
}

/// Where the divisions, loads and conversions are.
fn offsets(wasm: &[u8]) -> Vec<u32> {
    let is_check = |bytes: &[u8]| {
        matches!(bytes[..4], [0x6b, 0x6e, ..] | [0x6c, 0x28, 0x02, 0x00] | [0xa2, 0xaa, ..])
    };
    (0..wasm.len() - 4).filter(|at| is_check(&wasm[*at..])).map(|at| at as u32 + 1).collect()
}

pub fn each_of_many_checks_is_named(setup: Setup) {
    const FLOATS: &str =
        "(global.set $f (f64.mul (f64.convert_i32_u (local.get $k)) (f64.const 1.1)))";
    for (checks, live, constant) in [
        (1, 0, ""),
        (2, 0, ""),
        (15, 3, ""),
        (16, 0, ""),
        (17, 9, FLOATS),
        (40, 0, FLOATS),
        (40, 40, ""),
        // Frames that one byte cannot tell, and that a wrapper checks.
        (20, 503, ""),
        (20, 700, ""),
    ] {
        let wasm = assemble(&text(checks, live, constant));
        let offsets = offsets(&wasm);
        assert_eq!(offsets.len(), checks);
        setup.each_engine(|engine| {
            let module = Module::new(engine, &wasm).unwrap();
            let mut store = Store::new(engine, ()).unwrap();
            let instance = Instance::new(&mut store, &module, &[]).unwrap();
            let run = instance.get_typed_func::<u32, ()>(&mut store, "run").unwrap();
            run.call(&mut store, checks as u32).unwrap();
            for (k, offset) in offsets.iter().enumerate() {
                let trap = run.call(&mut store, k as u32).unwrap_err().as_trap();
                let expected =
                    [Trap::IntegerDivisionByZero, Trap::MemoryOutOfBounds, Trap::IntegerOverflow]
                        [k % 3];
                assert_eq!(trap, Some(expected), "{k} of {checks}, {live} live");
                let trace = store.last_backtrace().unwrap();
                let frame = trace.frames().next().unwrap();
                assert_eq!(frame.module_offset(), Some(*offset), "{k} of {checks}, {live} live");
                assert_eq!(frame.func_name(), Some("run"));
            }
        });
    }
}
