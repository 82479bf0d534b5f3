//! Compiling: time on a single thread, and bytes of code. Wasmtime is built
//! without parallel compilation and has no cache.

use crate::measure::{Goal, Row, Sample, Who, timed};
use crate::rig::{kernref_engine, wasmtime_engine};
use crate::yardstick;
use kernref::__internals::{CompileSettings, count_instructions};
use std::fmt::Write;
use std::hint::black_box;
use std::rc::Rc;

/// A Rust program with libraries for regular expressions, JSON and others.
const LARGE: &[u8] = include_bytes!("../../../examples/guests/prebuilt/large.wasm");

const SMALL_MODULES: u32 = 200;

/// One goal, and so one row, per peer; the last with guard pages.
const GOALS: [(Who, f64, &[Who]); 3] = [
    (Who::Kernref, 1.0, &[Who::W1]),
    (Who::Kernref, 0.6, &[Who::W2]),
    (Who::Guards, 1.0, &[Who::W1]),
];

type Modules = Rc<[Vec<u8>]>;

/// All rows.
pub fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for (name, modules, max_samples) in
        [("2.4 MB", large_module as fn() -> Modules, 5), ("200 small modules", small_modules, 21)]
    {
        for (us, at_most, of) in GOALS {
            let goal = || Some(Goal { at_most, of });
            let to = of[0];
            let how = if us == Who::Guards { ", guard pages" } else { "" };
            let title = |what: &str| format!("compile: {name}, {what}{how}, to {}", to.name());
            let mut time = Row::new(title("time"), goal(), move || times(modules(), us, to));
            (time.unit, time.max_ops, time.max_samples) = ("ms", 1, max_samples);
            let mut bytes = Row::new(title("code"), goal(), move || sizes(modules(), us, to));
            (bytes.unit, bytes.exact) = ("KiB", true);
            rows.extend([time, bytes]);
        }
    }
    let goal = Goal { at_most: 1.0, of: &[Who::CraneliftWasm] };
    let mut row = Row::new("translate: 2.4 MB", Some(goal), translations);
    (row.unit, row.max_ops, row.max_samples) = ("ms", 1, 11);
    rows.push(row);
    rows
}

fn large_module() -> Modules {
    Rc::new([LARGE.to_vec()])
}

/// Modules such as kernel extensions might be: some functions, a table, a memory.
fn small_modules() -> Modules {
    (0..SMALL_MODULES).map(small_module).collect()
}

fn small_module(seed: u32) -> Vec<u8> {
    let mut text = String::from(
        r#"(module (import "h" "nop" (func $nop)) (memory (export "memory") 1) (table 8 externref)
        (func (export "keep") (param i32 externref) (table.set (local.get 0) (local.get 1)))
        (func (export "kept") (param i32) (result externref) (table.get (local.get 0)))"#,
    );
    for func in 0..1 + seed % 16 {
        let number = seed.wrapping_mul(2_654_435_761).rotate_left(func);
        let _ = write!(
            text,
            r#"(func $f{func} (export "f{func}") (param $n i32) (result i64)
                (local $sum i64) (local $at i32)
                (local.set $at (i32.and (local.get $n) (i32.const 0xfff8)))
                (loop $l
                    (local.set $sum (i64.add (local.get $sum)
                        (i64.mul (i64.load (local.get $at)) (i64.const {number}))))
                    (i64.store (local.get $at) (local.get $sum))
                    (if (i64.eqz (local.get $sum)) (then (call $nop)))
                    (br_if $l (local.tee $at (i32.sub (local.get $at) (i32.const 8)))))
                (local.get $sum))"#
        );
    }
    text.push(')');
    wat::parse_str(text).expect("the text is right")
}

/// Kernref in one of its modes, and one peer.
fn times(modules: Modules, us: Who, peer: Who) -> Vec<(Who, Sample)> {
    let ms = |ops, work: &mut dyn FnMut()| timed(ops, work) / 1e6;
    let kernref = {
        let (engine, modules) = (kernref_engine(us, 1 << 10), modules.clone());
        move |ops| {
            ms(ops, &mut || {
                for module in modules.iter() {
                    black_box(kernref::Module::new(&engine, module).expect("it compiles"));
                }
            })
        }
    };
    let wasmtime = {
        let engine = wasmtime_engine(peer);
        move |ops| {
            ms(ops, &mut || {
                for module in modules.iter() {
                    black_box(wasmtime::Module::new(&engine, module).expect("it compiles"));
                }
            })
        }
    };
    vec![(us, Box::new(kernref)), (peer, Box::new(wasmtime))]
}

/// Machine code only: no stack maps or other tables.
fn sizes(modules: Modules, us: Who, peer: Who) -> Vec<(Who, Sample)> {
    let (kernref, wasmtime) = (kernref_engine(us, 1 << 10), wasmtime_engine(peer));
    let ours = modules
        .iter()
        .map(|module| kernref::Module::new(&kernref, module).expect("it compiles").code_size());
    let theirs = modules
        .iter()
        .map(|module| wasmtime::Module::new(&wasmtime, module).expect("it compiles").text().len());
    let kib = |bytes: usize| -> Sample { Box::new(move |_| bytes as f64 / 1024.0) };
    vec![(us, kib(ours.sum())), (peer, kib(theirs.sum()))]
}

/// Validation and translation, without code generation.
fn translations() -> Vec<(Who, Sample)> {
    let kernref = |ops| {
        let settings = CompileSettings::default();
        timed(ops, || {
            black_box(count_instructions(LARGE, &settings).expect("it is valid"));
        }) / 1e6
    };
    let cranelift_wasm = |ops| {
        timed(ops, || {
            black_box(yardstick::translate(LARGE));
        }) / 1e6
    };
    vec![(Who::Kernref, Box::new(kernref)), (Who::CraneliftWasm, Box::new(cranelift_wasm))]
}
