//! Compiling: time on a single thread, bytes of code, and heap. Wasmtime is built
//! without parallel compilation and has no cache.

use crate::heap;
use crate::measure::{Goal, Row, Sample, Who, timed};
use crate::packages::REAL_MODULES;
use crate::rig::{kernref_engine, wasmtime_engine};
use crate::yardstick;
use kernref::__internals::{CompileSettings, count_instructions};
use std::cell::OnceCell;
use std::fmt::Write;
use std::hint::black_box;
use std::rc::Rc;

/// A Rust program with libraries for regular expressions, JSON and others.
const LARGE: &[u8] = include_bytes!("../../../examples/guests/prebuilt/large.wasm");

const SMALL_MODULES: u32 = 200;

/// One of Kernref's modes beside one peer: a row for time and a row for code.
struct Match {
    us: Who,
    peer: &'static [Who],
    /// At most so many times as much as the peer.
    time: Option<f64>,
    code: Option<f64>,
}

/// With goals for time and code.
const fn pair(us: Who, peer: &'static [Who], time: f64, code: Option<f64>) -> Match {
    Match { us, peer, time: Some(time), code }
}

/// What guards of explicit checks cost beside a peer that has none of either. Neither
/// W1 nor W2 guards its accesses to memories, so the goals are without.
const GUARDED: Match = Match { us: Who::Kernref, peer: &[Who::W1], time: None, code: None };

const LARGE_MODULE: [Match; 4] = [
    GUARDED,
    pair(Who::Unguarded, &[Who::W1], 1.0, Some(1.1)),
    pair(Who::Unguarded, &[Who::W2], 0.6, Some(0.6)),
    pair(Who::Guards, &[Who::W1], 0.75, Some(1.0)),
];
const SMALL: [Match; 4] = [
    GUARDED,
    pair(Who::Unguarded, &[Who::W1], 1.0, Some(1.0)),
    pair(Who::Unguarded, &[Who::W2], 0.6, Some(0.6)),
    pair(Who::Guards, &[Who::W1], 1.0, Some(1.0)),
];
const REAL: [Match; 3] = [
    GUARDED,
    pair(Who::Unguarded, &[Who::W1], 1.1, None),
    pair(Who::Guards, &[Who::W1], 1.0, None),
];

type Modules = Rc<[Vec<u8>]>;

/// What is compiled.
struct Subject {
    name: &'static str,
    /// Made, or fetched, when the first of its rows is measured.
    modules: Rc<dyn Fn() -> Result<Modules, String>>,
    max_samples: usize,
    matches: &'static [Match],
    /// The most bytes of heap for each byte of the modules.
    heap: Option<f64>,
}

impl Subject {
    fn new(
        name: &'static str,
        (matches, heap): (&'static [Match], Option<f64>),
        max_samples: usize,
        make: impl Fn() -> Result<Modules, String> + 'static,
    ) -> Self {
        let made = OnceCell::new();
        let modules = Rc::new(move || made.get_or_init(&make).clone());
        Self { name, modules, max_samples, matches, heap }
    }

    fn rows(&self) -> Vec<Row> {
        let mut rows = Vec::new();
        for Match { us, peer: of, time, code } in self.matches {
            let (us, peer) = (*us, of[0]);
            let how = match us {
                Who::Guards => ", guard pages",
                Who::Unguarded => ", guards off",
                _ => "",
            };
            let title =
                |what: &str| format!("compile: {}, {what}{how}, to {}", self.name, peer.name());
            let goal = |at_most| Goal { at_most, of };
            let make = self.modules.clone();
            let mut row =
                Row::try_new(title("time"), time.map(goal), move || Ok(times(make()?, us, peer)));
            (row.unit, row.max_ops, row.max_samples) = ("ms", 1, self.max_samples);
            rows.push(row);
            let make = self.modules.clone();
            let mut row =
                Row::try_new(title("code"), code.map(goal), move || Ok(sizes(&make()?, us, peer)));
            (row.unit, row.exact) = ("KiB", true);
            rows.push(row);
        }
        let make = self.modules.clone();
        let goal = self.heap.map(|at_most| Goal { at_most, of: &[] });
        let title = format!("compile: {}, heap for each byte", self.name);
        let mut row = Row::try_new(title, goal, move || Ok(heaps(&make()?)));
        (row.unit, row.exact) = ("bytes", true);
        rows.push(row);
        rows
    }
}

/// All rows.
pub fn rows() -> Vec<Row> {
    let mut subjects = vec![
        Subject::new("2.4 MB", (&LARGE_MODULE, Some(60.0)), 5, || Ok(Rc::new([LARGE.to_vec()]))),
        Subject::new("200 small modules", (&SMALL, None), 21, || Ok(small_modules())),
    ];
    subjects.extend(REAL_MODULES.map(|module| {
        Subject::new(module.name, (&REAL, None), 5, move || Ok(Rc::new([module.bytes()?])))
    }));
    let mut rows: Vec<_> = subjects.iter().flat_map(Subject::rows).collect();
    let goal = Goal { at_most: 1.0, of: &[Who::CraneliftWasm] };
    let mut row = Row::new("translate: 2.4 MB", Some(goal), translations);
    (row.unit, row.max_ops, row.max_samples) = ("ms", 1, 11);
    rows.push(row);
    rows
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

/// Compiles all of them, one after another.
fn compiler(modules: Modules, who: Who) -> Box<dyn FnMut()> {
    match who {
        Who::W1 | Who::W2 => {
            let engine = wasmtime_engine(who);
            Box::new(move || {
                for module in modules.iter() {
                    black_box(wasmtime::Module::new(&engine, module).expect("it compiles"));
                }
            })
        }
        _ => {
            let engine = kernref_engine(who, 1 << 10);
            Box::new(move || {
                for module in modules.iter() {
                    black_box(kernref::Module::new(&engine, module).expect("it compiles"));
                }
            })
        }
    }
}

/// Kernref in one of its modes, and one peer.
fn times(modules: Modules, us: Who, peer: Who) -> Vec<(Who, Sample)> {
    let contender = |who| {
        let mut compile = compiler(modules.clone(), who);
        let sample: Sample = Box::new(move |ops| timed(ops, &mut compile) / 1e6);
        (who, sample)
    };
    vec![contender(us), contender(peer)]
}

/// A sample that has been taken already.
fn taken(who: Who, value: f64) -> (Who, Sample) {
    (who, Box::new(move |_| value))
}

/// Machine code only: no stack maps or other tables.
fn sizes(modules: &Modules, us: Who, peer: Who) -> Vec<(Who, Sample)> {
    let (kernref, wasmtime) = (kernref_engine(us, 1 << 10), wasmtime_engine(peer));
    let ours = modules
        .iter()
        .map(|module| kernref::Module::new(&kernref, module).expect("it compiles").code_size());
    let theirs = modules
        .iter()
        .map(|module| wasmtime::Module::new(&wasmtime, module).expect("it compiles").text().len());
    let kib = |bytes: usize| bytes as f64 / 1024.0;
    vec![taken(us, kib(ours.sum())), taken(peer, kib(theirs.sum()))]
}

/// The heap at its fullest, divided by the size of the module; of several, of all
/// of them. An engine's own is not counted, nor is memory from the system.
fn heaps(modules: &Modules) -> Vec<(Who, Sample)> {
    let bytes: usize = modules.iter().map(Vec::len).sum();
    let heap = |who| {
        let peak: u64 =
            modules.iter().map(|module| heap::peak(compiler(Rc::new([module.clone()]), who))).sum();
        taken(who, peak as f64 / bytes as f64)
    };
    [Who::Kernref, Who::Guards, Who::W1, Who::W2].map(heap).into()
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
