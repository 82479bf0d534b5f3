//! Computation: hand-written kernels, and the example guests' programs. One
//! operation is a whole kernel or a whole run of a program.

use crate::measure::{Goal, Row, Sample, Who, timed};
use crate::{native, rig};
use std::hint::black_box;

/// 1.1 times the speed of W2, which has explicit checks too.
const GOAL: Goal = Goal { at_most: 0.91, of: &[Who::W2] };
/// The speed of W1, which has guard pages too.
const GOAL_WITH_GUARDS: Goal = Goal { at_most: 1.0, of: &[Who::W1] };
/// With explicit checks, and Kernref also without what W2 has not: a guard of them.
const WITH_CHECKS: [Who; 5] = [Who::Kernref, Who::Unguarded, Who::W1, Who::W2, Who::Wasmi];
const WITH_GUARDS: [Who; 2] = [Who::Guards, Who::W1];

type Native = fn(i32) -> i64;

const KERNELS: &str = include_str!("../../guests/kernels.wat");
const SIMD: &str = include_str!("../../guests/simd.wat");

/// wasmi's SIMD is a feature that makes all its values wider: left out.
const WITH_SIMD: [Who; 4] = [Who::Kernref, Who::Unguarded, Who::W1, Who::W2];

type Kernel = (&'static str, &'static str, &'static [Who], Native);

const BY_HAND: [Kernel; 8] = [
    ("recursion", KERNELS, &WITH_CHECKS, native::recursion),
    ("sieve", KERNELS, &WITH_CHECKS, native::sieve),
    ("matrix", KERNELS, &WITH_CHECKS, native::matrix),
    ("memory.copy", KERNELS, &WITH_CHECKS, native::memory_copy),
    ("memory.copy, small", KERNELS, &WITH_CHECKS, native::small_memory_copy),
    ("copy loop", KERNELS, &WITH_CHECKS, native::copy_loop),
    ("pointer walk", KERNELS, &WITH_CHECKS, native::pointer_walk),
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

/// All rows: with explicit checks, then with guard pages.
pub fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for guards in [false, true] {
        rows.extend(BY_HAND.map(|kernel| by_hand(kernel, guards)));
        rows.extend(PROGRAMS.map(|(name, wasm, native)| program(name, wasm, native, guards)));
    }
    rows
}

fn by_hand((name, text, who, native): Kernel, guards: bool) -> Row {
    let who = if guards { &WITH_GUARDS } else { who };
    // The argument is the number of repetitions.
    row(name, guards, move || {
        contenders(who, text.as_bytes(), name, native, |ops, run| {
            black_box(run(ops as i32));
        })
    })
}

fn program(name: &str, wasm: &'static [u8], native: Native, guards: bool) -> Row {
    let who: &[Who] = if guards { &WITH_GUARDS } else { &WITH_CHECKS };
    // The argument is a seed.
    row(name, guards, move || {
        contenders(who, wasm, "run", native, |ops, run| {
            for _ in 0..ops {
                black_box(run(black_box(1)));
            }
        })
    })
}

fn row(name: &str, guards: bool, setup: impl FnOnce() -> Vec<(Who, Sample)> + 'static) -> Row {
    let (goal, suffix) = if guards { (GOAL_WITH_GUARDS, ", guard pages") } else { (GOAL, "") };
    let mut row = Row::new(format!("compute: {name}{suffix}"), Some(goal), setup);
    row.max_ops = 1 << 24;
    row
}

/// The contenders that run Wasm, after a check against the native code, and the
/// native code itself.
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
