//! Computation: kernels written by hand, and programs of the example guests.
//! One operation is a whole kernel, or a whole run of a program.

use crate::measure::{Goal, Row, Sample, Who, timed};
use crate::{native, rig};
use std::hint::black_box;

/// 1.1 times the speed of W2, whose checks are explicit too.
const GOAL: f64 = 0.91;

type Native = fn(i32) -> i64;

const KERNELS: &str = include_str!("../../guests/kernels.wat");
const SIMD: &str = include_str!("../../guests/simd.wat");

/// wasmi's vectors are a feature that makes all its values wider: left off.
const WITH_SIMD: [Who; 3] = [Who::Kernref, Who::W1, Who::W2];

type Kernel = (&'static str, &'static str, &'static [Who], Native);

const BY_HAND: [Kernel; 8] = [
    ("recursion", KERNELS, &Who::PLAIN, native::recursion),
    ("sieve", KERNELS, &Who::PLAIN, native::sieve),
    ("matrix", KERNELS, &Who::PLAIN, native::matrix),
    ("memory.copy", KERNELS, &Who::PLAIN, native::memory_copy),
    ("memory.copy, small", KERNELS, &Who::PLAIN, native::small_memory_copy),
    ("copy loop", KERNELS, &Who::PLAIN, native::copy_loop),
    ("pointer walk", KERNELS, &Who::PLAIN, native::pointer_walk),
    ("simd", SIMD, &WITH_SIMD, native::simd),
];

macro_rules! program {
    ($name:ident) => {
        (
            stringify!($name),
            include_bytes!(concat!(
                "../../../examples/guests/prebuilt/",
                stringify!($name),
                ".wasm"
            )),
            guest_logic::$name::run,
        )
    };
}

const PROGRAMS: [(&str, &[u8], Native); 4] =
    [program!(sha256), program!(json), program!(regex), program!(compress)];

/// All rows.
pub fn rows() -> Vec<Row> {
    // How often is the argument.
    let kernels = BY_HAND.into_iter().map(|(name, text, who, native)| {
        row(name, move || {
            contenders(who, text.as_bytes(), name, native, |ops, run| {
                black_box(run(ops as i32));
            })
        })
    });
    // The argument is a seed.
    let programs = PROGRAMS.into_iter().map(|(name, wasm, native)| {
        row(name, move || {
            contenders(&Who::PLAIN, wasm, "run", native, |ops, run| {
                for _ in 0..ops {
                    black_box(run(black_box(1)));
                }
            })
        })
    });
    kernels.chain(programs).collect()
}

fn row(name: &str, setup: impl FnOnce() -> Vec<(Who, Sample)> + 'static) -> Row {
    let goal = Goal { at_most: GOAL, of: &[Who::W2] };
    let mut row = Row::new(format!("compute: {name}"), Some(goal), setup);
    row.max_ops = 1 << 24;
    row
}

/// Those that run Wasm, once they agree with the native code, and that.
fn contenders(
    who: &[Who],
    wasm: &[u8],
    export: &str,
    native: Native,
    repeat: fn(u64, &mut dyn FnMut(i32) -> i64),
) -> Vec<(Who, Sample)> {
    let mut rigs = rig::load_all(who, wasm, &[export], 3);
    assert_eq!(rigs[0].1.run(0, 3), native(3), "`{export}` differs from native code");
    let sample = |(who, mut rig): (Who, Box<dyn rig::Rig>)| {
        let sample: Sample =
            Box::new(move |ops| timed(ops, || repeat(ops, &mut |argument| rig.run(0, argument))));
        (who, sample)
    };
    let mut contenders: Vec<_> = rigs.into_iter().map(sample).collect();
    let floor: Sample =
        Box::new(move |ops| timed(ops, || repeat(ops, &mut |argument| native(argument))));
    contenders.push((Who::Floor, floor));
    contenders
}
