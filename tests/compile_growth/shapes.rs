//! Modules of many shapes, each for any size. Most of them multiply: what the
//! compiler must make of them, if it does as it is told, is the product of two
//! or three numbers that the module merely adds up.
use crate::encoding::{leb, module, section};
use crate::wasm::{
    EMPTY, EXTERNREF, I32, Module, constant, each, func_type, get, increment, one, op, set, times,
};
use std::vec;
use std::vec::Vec;

/// A shape, and the size at which it is measured first.
pub struct Shape {
    pub name: &'static str,
    pub size: u64,
    pub make: fn(u64) -> Vec<u8>,
}

const fn shape(name: &'static str, size: u64, make: fn(u64) -> Vec<u8>) -> Shape {
    Shape { name, size, make }
}

/// Opens a block of a function type, or of none.
const BLOCK: u8 = 0x02;
const LOOP: u8 = 0x03;
const IF: u8 = 0x04;
const ELSE: u8 = 0x05;
const END: u8 = 0x0b;
const BR: u8 = 0x0c;
const BR_IF: u8 = 0x0d;
const BR_TABLE: u8 = 0x0e;
const RETURN: u8 = 0x0f;
const CALL: u8 = 0x10;
const DROP: u8 = 0x1a;
const ADD: u8 = 0x6a;
const MULTIPLY: u8 = 0x6c;
/// Pushes an i32 that the compiler cannot know.
const LOADED: [u8; 5] = [0x41, 0, 0x28, 2, 0];

/// The shapes that 16 MiB of heap do not suffice for.
pub const BEYOND_16_MIB: [&str; 7] = [
    "a chain of loads",
    "indirect calls",
    "loads from a memory of 64 bits",
    "entries of branch tables, two targets in turn",
    "A2: conversions that may trap",
    "A3: loads with calls between them",
    "A4: a chain of conversions",
];

/// Every shape.
pub const SHAPES: &[Shape] = &[
    // What is linear by itself.
    shape("straight arithmetic", 20_000, |n| used(&times(n, &increment(0)))),
    shape("straight arithmetic, optimized", 9000, |n| used(&times(n, &increment(0)))),
    shape("many small functions", 500, |n| {
        let body = times(5, &increment(0));
        (0..n).fold(Module::new(&[]), |m, _| m.function(0, (1, I32), &body)).bytes()
    }),
    shape("functions that call each other", 500, |n| {
        let calls = |at| each(4, |k| op(CALL, (at + k * 7 + 1) % n));
        (0..n).fold(Module::new(&[]), |m, at| m.function(0, (1, I32), &calls(at))).bytes()
    }),
    shape("one long expression", 2000, |n| {
        used(&[times(n + 1, &get(0)), times(n, &[ADD]), set(0)].concat())
    }),
    shape("nested blocks", 5000, |n| {
        one(0, &[times(n, &[BLOCK, EMPTY]), times(n, &[END])].concat())
    }),
    shape("nested loops", 2000, |n| one(0, &[times(n, &[LOOP, EMPTY]), times(n, &[END])].concat())),
    shape("nested conditionals", 1300, |n| {
        one(1, &[times(n, &[0x20, 0, IF, EMPTY]), times(n, &[END])].concat())
    }),
    // Parameters and results, each of which is a value of its own at each place.
    shape("A1: loops of 1000 parameters", 2000, |n| {
        let (zeros, drops) = (times(1000, &[0x41, 0]), times(1000, &[DROP]));
        let loops = times(n, &[LOOP, 1, END]);
        Module::new(&[func_type(1000, 1000)])
            .function(0, (0, I32), &[zeros, loops, drops].concat())
            .bytes()
    }),
    shape("parameters and blocks", 500, |n| with_operands(n, &times(n, &[BLOCK, 1, END]))),
    shape("parameters and nested blocks", 500, |n| {
        with_operands(n, &[times(n, &[BLOCK, 1]), times(n, &[END])].concat())
    }),
    shape("parameters and conditional branches", 500, |n| {
        let branches = times(n, &[0x41, 0, BR_IF, 0]);
        with_operands(n, &[vec![BLOCK, 1], branches, vec![END]].concat())
    }),
    shape("parameters and conditionals", 500, |n| {
        with_operands(n, &times(n, &[0x41, 0, IF, 1, ELSE, END]))
    }),
    shape("parameters and unreachable conditionals", 500, |n| {
        let open = times(n, &[0x41, 0, IF, 1]);
        with_operands(n, &[open, times(n, &[END])].concat())
    }),
    shape("parameters and depths of a branch table", 500, |n| {
        let open = times(n, &[BLOCK, 1]);
        let table = [vec![0x41, 0, BR_TABLE], leb(n - 1), each(n, leb)].concat();
        with_operands(n, &[open, table, times(n, &[END])].concat())
    }),
    shape("entries of branch tables", 1000, |n| {
        let table = [vec![0x41, 0, BR_TABLE], leb(n - 1), each(n, |_| vec![0])].concat();
        one(0, &times(20, &[vec![BLOCK, EMPTY], table, vec![END]].concat()))
    }),
    shape("entries of branch tables, two targets in turn", 1000, |n| {
        let entries = each(n, |k| vec![(k & 1) as u8]);
        let table = [&LOADED[..], &[BR_TABLE], &leb(n - 1), &entries, &[0]].concat();
        one(0, &times(20, &[&[BLOCK, EMPTY, BLOCK, EMPTY], &table[..], &[END, END]].concat()))
    }),
    shape("a local and depths of a branch table", 3000, |n| {
        let table = [vec![0x41, 0, BR_TABLE], leb(n - 1), each(n, leb)].concat();
        let ends = times(n, &[vec![END], increment(0)].concat());
        one(1, &[times(n, &[BLOCK, EMPTY]), table, ends].concat())
    }),
    shape("results and calls", 500, |n| with_operands(n, &times(n, &[CALL, 1]))),
    shape("arguments and calls", 500, |n| {
        let arguments = times(n, &[0x41, 0]);
        let body = [arguments, vec![CALL, 1]].concat();
        let type_of_callee = func_type(n, 0);
        Module::new(&[type_of_callee])
            .function(0, (0, I32), &times(20, &body))
            .function(1, (0, I32), &[])
            .bytes()
    }),
    shape("results and returns", 500, |n| {
        let returns = times(n, &[0x41, 0, IF, EMPTY, CALL, 1, RETURN, END]);
        Module::new(&[func_type(0, n.min(1000))])
            .function(1, (0, I32), &[returns, vec![CALL, 1]].concat())
            .function(1, (0, I32), &times(n.min(1000), &[0x41, 0]))
            .bytes()
    }),
    shape("functions with parameters", 500, |n| {
        (0..n)
            .fold(Module::new(&[func_type(n.min(1000), 0)]), |m, _| m.function(1, (0, I32), &[]))
            .bytes()
    }),
    // Operands that stay on the stack.
    shape("operands below blocks", 2000, |n| {
        let body = [times(n, &[0x20, 0]), times(n, &[BLOCK, EMPTY, END])];
        one(1, &[body.concat(), times(n, &[DROP])].concat())
    }),
    shape("operands below conditional branches", 2000, |n| {
        let branches = times(n, &[0x20, 0, BR_IF, 0]);
        let operands = each(n, |k| [get(0), constant(k), vec![ADD]].concat());
        one(1, &[operands, branches, times(n, &[DROP])].concat())
    }),
    shape("results that stay below calls", 350, |n| {
        let calls = [times(n, &[CALL, 1]), times(n, &[DROP])].concat();
        Module::new(&[[0x60, 0, 1, I32].to_vec()])
            .function(0, (0, I32), &calls)
            .function(1, (0, I32), &[0x41, 0])
            .bytes()
    }),
    shape("operands below calls", 2000, |n| {
        let operands = each(n, |k| [get(0), constant(k), vec![ADD]].concat());
        one(1, &[operands, times(n, &[CALL, 0]), times(n, &[DROP])].concat())
    }),
    // Locals, which SSA form gives a value wherever paths meet.
    shape("A5: locals set in nested loops", 700, |n| {
        let sets = each(n, increment);
        one(n, &[times(n, &[LOOP, EMPTY]), sets, times(n, &[END])].concat())
    }),
    shape("locals and loops", 1000, |n| {
        let loops = times(n, &[LOOP, EMPTY, END]);
        one(n, &[each(n, increment), loops, each(n, increment)].concat())
    }),
    shape("locals and loops that set them", 1000, |n| {
        let loops = each(n, |k| [vec![LOOP, EMPTY], increment(k), vec![END]].concat());
        one(n, &[loops, each(n, increment)].concat())
    }),
    shape("locals and conditionals", 1000, |n| {
        let ifs = each(n, |k| [get(k), vec![IF, EMPTY], increment(k), vec![END]].concat());
        one(n, &[ifs, each(n, increment)].concat())
    }),
    shape("locals, loops and conditionals", 400, |n| {
        let step = |k| [get(k), vec![IF, EMPTY], increment(n - 1 - k), vec![END]].concat();
        let inner = each(n, step);
        one(n, &[times(n, &[LOOP, EMPTY]), inner, times(n, &[END])].concat())
    }),
    shape("locals and branches out of a block", 1000, |n| {
        let branches = each(n, |k| [increment(k), get(k), vec![BR_IF, 0]].concat());
        one(n, &[vec![BLOCK, EMPTY], branches, vec![END], each(n, increment)].concat())
    }),
    shape("locals and branches to a loop", 1000, |n| {
        let branches = each(n, |k| [increment(k), get(k), vec![BR_IF, 0]].concat());
        one(n, &[vec![LOOP, EMPTY], branches, vec![END]].concat())
    }),
    shape("locals and jumps", 1000, |n| {
        let jump = |k| {
            let head = [vec![BLOCK, EMPTY], get(k), vec![BR_IF, 0], increment(k)];
            [head.concat(), vec![BR, 1, END]].concat()
        };
        one(n, &[vec![BLOCK, EMPTY], each(n, jump), vec![END], each(n, increment)].concat())
    }),
    shape("locals that nothing mentions", 200, |n| {
        (0..n).fold(Module::new(&[]), |m, _| m.function(0, (50_000, I32), &[])).bytes()
    }),
    shape("references and loops", 1000, |n| {
        let swap = |k| [get(k), set((k + 1) % n)].concat();
        let loops = each(n, |k| [vec![LOOP, EMPTY], swap(k), vec![END]].concat());
        Module::new(&[]).function(0, (n, EXTERNREF), &[loops, each(n, swap)].concat()).bytes()
    }),
    shape("references and calls", 400, |n| {
        let read = each(n, |k| [op(0x23, 1), set(k)].concat());
        let write = each(n, |k| [get(k), op(0x24, 1)].concat());
        let code = [read, times(n, &[CALL, 0]), write].concat();
        Module::new(&[]).function(0, (n, EXTERNREF), &code).bytes()
    }),
    shape("references that calls return, and calls", 1000, |n| {
        let fill = each(n, |k| [vec![CALL, 1], set(k)].concat());
        let use_all = each(n, |k| [get(k), vec![CALL, 2]].concat());
        let types = [[0x60, 0, 1, EXTERNREF].to_vec(), [0x60, 1, EXTERNREF, 0].to_vec()];
        Module::new(&types)
            .function(0, (n, EXTERNREF), &[fill, use_all].concat())
            .function(1, (0, I32), &[0xd0, EXTERNREF])
            .function(2, (0, I32), &[])
            .bytes()
    }),
    shape("counting barriers", 1000, |n| {
        Module::new(&[]).function(0, (0, I32), &times(n, &[0x23, 1, 0x24, 1])).bytes()
    }),
    // Values that are live for long.
    shape("constants over blocks", 1000, |n| {
        let use_all = |base| each(n, move |k| [constant(base + k * 77), set(0)].concat());
        let add = |k| [constant(k * 3 + 1_000_000), get(0), vec![ADD], set(0)].concat();
        let blocks = each(n, |k| [&LOADED[..], &[BR_IF, 0], &add(k)].concat());
        one(1, &[use_all(0), blocks, use_all(0)].concat())
    }),
    shape("sums that are made again after many blocks", 1000, |n| {
        let product = |k| [get(1), get(0), vec![ADD], constant(k * 77), vec![MULTIPLY]].concat();
        let sums = [get(0), each(n, product), times(n, &[ADD]), set(0)].concat();
        let (load, blocks) = ([&LOADED[..], &[0x21, 1]].concat(), [&LOADED[..], &[BR_IF, 0]]);
        one(2, &[load, sums.clone(), times(n, &blocks.concat()), sums].concat())
    }),
    shape("constants that nothing uses, below many blocks", 1000, |n| {
        let blocks = times(n, &[&LOADED[..], &[BR_IF, 0]].concat());
        one(1, &[blocks, each(4 * n, |k| [constant(k * 77), vec![DROP]].concat())].concat())
    }),
    shape("constants to fold, below some blocks", 4000, |n| {
        let blocks = times(400, &[&LOADED[..], &[BR_IF, 0]].concat());
        let fold = |k| [get(0), constant(k), vec![ADD], get(1), vec![ADD], set(0)].concat();
        one(2, &[constant(77), set(1), blocks, each(n, fold)].concat())
    }),
    shape("conditionals one after another", 2000, |n| {
        let conditional = [&LOADED[..], &[0x04, EMPTY], &increment(0), &[END]].concat();
        one(1, &times(n, &conditional))
    }),
    shape("checks and live values", 2000, |n| {
        let values = each(n, |k| [get(0), constant(k), vec![ADD]].concat());
        let loads = times(n, &[0x20, 0, 0x28, 2, 0, DROP]);
        one(1, &[values, loads, times(n, &[DROP])].concat())
    }),
    // More operators than bytes that say so.
    shape("a chain of comparisons", 8000, |n| used(&[get(0), times(n, &[0x45]), set(0)].concat())),
    shape("a chain of divisions", 4000, |n| {
        one(2, &times(n, &[get(0), get(1), vec![0x6d], set(0)].concat()))
    }),
    shape("a chain of selections", 4000, |n| {
        let select = [get(0), get(1), get(0), vec![0x1b], set(1)].concat();
        used(&times(n, &[select, increment(0)].concat()))
    }),
    shape("a chain of loads", 4000, |n| {
        one(0, &[vec![0x41, 0], times(n, &[0x28, 2, 0]), vec![DROP]].concat())
    }),
    shape("lanes of vectors", 3000, |n| {
        let lane =
            |k: u64| vec![0x20, 0, 0x20, 0, 0xfd, 0x1b, (k % 4) as u8, 0xfd, 0x1c, 1, 0x21, 0];
        vector(&each(n, lane))
    }),
    shape("branch tables to blocks with results", 1000, |n| {
        let table = [&LOADED[..], &LOADED, &[BR_TABLE], &leb(n - 1), &each(n, leb)].concat();
        let ends = times(n, &[&[END], &LOADED[..], &[ADD]].concat());
        one(0, &[times(n, &[BLOCK, I32]), table, ends, vec![DROP]].concat())
    }),
    shape("results of calls in loops", 200, |n| {
        let once = [vec![CALL, 1], times(n, &[DROP])].concat();
        let looped = [vec![LOOP, EMPTY], once, LOADED.to_vec(), vec![BR_IF, 0, END]].concat();
        Module::new(&[func_type(0, n)])
            .function(0, (0, I32), &times(20, &looped))
            .function(1, (0, I32), &times(n, &[0x41, 0]))
            .bytes()
    }),
    shape("tail calls with arguments", 200, |n| {
        let arguments = times(n, &[0x41, 0]);
        let tail = [&LOADED[..], &[IF, EMPTY], &arguments, &[0x12, 1, END]].concat();
        Module::new(&[func_type(n, 0)])
            .function(0, (0, I32), &times(20, &tail))
            .function(1, (0, I32), &[])
            .bytes()
    }),
    shape("references over calls in loops", 60, |n| {
        let step = |k| [get(k), set((k + 1) % n), vec![CALL, 1]].concat();
        let looped = [vec![LOOP, EMPTY], each(n, step), LOADED.to_vec(), vec![BR_IF, 0, END]];
        Module::new(&[])
            .function(0, (n, EXTERNREF), &looped.concat())
            .function(0, (0, I32), &[])
            .bytes()
    }),
    shape("functions of types of their own", 400, |n| {
        let types: Vec<_> = (0..n).map(|k| func_type(k % 8, k / 8 % 50)).collect();
        let fill = |k: u64| times(k / 8 % 50, &[0x41, 0]);
        (0..n).fold(Module::new(&types), |m, k| m.function(k + 1, (0, I32), &fill(k))).bytes()
    }),
    // Operators of many machine instructions, or of many values.
    shape("a chain of conversions of vectors", 2000, |n| {
        let chain = times(n, &[0xfd, 0xf9, 1, 0xfd, 0xfb, 1]);
        vector(&[get(0), chain, set(0)].concat())
    }),
    shape("a chain of conversions that saturate", 2000, |n| {
        let chain = times(n, &[0xfc, 1, 0xb3]);
        one(0, &[vec![0x41, 0, 0x43, 0, 0, 0, 0], chain, vec![0x38, 2, 0]].concat())
    }),
    shape("copies in place", 1000, |n| {
        one(1, &times(n, &[&LOADED[..], &get(0), &[0x41, 63, 0xfc, 10, 0, 0]].concat()))
    }),
    shape("indirect calls", 2000, |n| one(1, &times(n, &[get(0), vec![0x11, 0, 0]].concat()))),
    shape("elements of tables", 3000, |n| {
        one(1, &times(n, &[get(0), get(0), vec![0x25, 0, 0x26, 0]].concat()))
    }),
    shape("memories that grow", 2000, |n| one(1, &times(n, &[0x20, 0, 0x40, 0, 0x21, 0]))),
    shape("results through a block, again and again", 2000, |n| {
        let leave = [&[BLOCK, I32][..], &LOADED, &LOADED, &[BR_IF, 0, END, DROP]].concat();
        one(0, &times(n, &leave))
    }),
    // What is declared and not code.
    shape("imports of globals", 3000, |n| {
        let import = each(n, |_| vec![1, b'm', 1, b'g', 3, I32, 0]);
        module(&[section(2, n, &import)])
    }),
    shape("globals and exports of them", 3000, |n| {
        let export = |k: u64| {
            [
                vec![3, (k & 63) as u8 + 32, (k >> 6 & 63) as u8 + 32],
                vec![(k >> 12 & 63) as u8 + 32, 3],
                leb(k),
            ]
            .concat()
        };
        module(&[
            section(6, n, &times(n, &[I32, 1, 0x41, 0, END])),
            section(7, n, &each(n, export)),
        ])
    }),
    shape("element segments of expressions", 5000, |n| {
        let null = times(n, &[0xd0, EXTERNREF, END]);
        module(&[section(9, 1_u64, &[vec![5, EXTERNREF], leb(n), null].concat())])
    }),
    shape("exported functions of types of their own", 400, |n| {
        let types: Vec<_> = (0..n).flat_map(|k| func_type(k % 20, k % 13)).collect();
        let body = |k: u64| {
            let body = [vec![0], times(k % 13, &[0x41, 0]), vec![END]].concat();
            [leb(body.len() as u64), body].concat()
        };
        let digit = |k: u64| (k & 63) as u8 + 32;
        let export =
            |k: u64| [vec![3, digit(k), digit(k >> 6), digit(k >> 12), 0], leb(k)].concat();
        module(&[
            section(1, n, &types),
            section(3, n, &each(n, leb)),
            section(7, n, &each(n, export)),
            section(10, n, &each(n, body)),
        ])
    }),
    shape("segments of data and their use", 2000, |n| {
        let init = |k| [vec![0x41, 0, 0x41, 0, 0x41, 1, 0xfc, 8], leb(k), vec![0]].concat();
        let body = [vec![0], each(n, init), vec![END]].concat();
        module(&[
            section(1, 1_u64, &func_type(0, 0)),
            section(3, 1_u64, &[0]),
            section(5, 1_u64, &[0, 1]),
            [vec![12], leb(leb(n).len() as u64), leb(n)].concat(),
            section(10, 1_u64, &[leb(body.len() as u64), body].concat()),
            section(11, n, &times(n, &[1, 1, b'x'])),
        ])
    }),
    shape("imported functions of types of their own", 400, |n| {
        let types: Vec<_> = (0..n).flat_map(|k| func_type(k % 25, k % 37)).collect();
        let import = each(n, |k| [vec![1, b'm', 1, b'f', 0], leb(k)].concat());
        module(&[section(1, n, &types), section(2, n, &import)])
    }),
    shape("names of functions", 2000, |n| {
        let names = each(n, |k| [leb(k), vec![4, 0xc3, 0xa4, b'b', 0x0a]].concat());
        let names = [leb(n), names].concat();
        let names = [vec![4], b"name".to_vec(), vec![1], leb(names.len() as u64), names].concat();
        let sections = [
            section(1, 1_u64, &func_type(0, 0)),
            section(3, n, &times(n, &[0])),
            section(10, n, &times(n, &[2, 0, END])),
            [vec![0], leb(names.len() as u64), names].concat(),
        ];
        module(&sections)
    }),
    shape("loads from a memory of 64 bits", 4000, |n| {
        let load = [vec![0x42, 0], times(n, &[0x29, 3, 0]), vec![DROP, END]].concat();
        let body = [vec![0], load].concat();
        module(&[
            section(1, 1_u64, &func_type(0, 0)),
            section(3, 1_u64, &[0]),
            section(5, 1_u64, &[4, 1]),
            section(10, 1_u64, &[leb(body.len() as u64), body].concat()),
        ])
    }),
    // Seen to exhaust the heap of a kernel, or to take minutes.
    shape("A2: conversions that may trap", 40_000, |n| {
        one(0, &times(n, &[0x43, 0, 0, 0, 0, 0xa8, DROP]))
    }),
    shape("A3: loads, a quarter as many locals", 4000, |n| loads(n, n / 4, &[])),
    shape("A3: loads with calls between them", 4000, |n| loads(n, n / 4, &[CALL, 1])),
    shape("A3: blocks of loads, branches and calls", 1000, |n| {
        with_locals(n / 2, n, |a, c| {
            let load = [get(c), vec![0x28, 2, 0], set(a), get(a), vec![BR_IF, 0]].concat();
            [vec![BLOCK, EMPTY], load, increment(c), vec![CALL, 1, END]].concat()
        })
    }),
    shape("A3: loops of loads, calls and branches", 1000, |n| {
        with_locals(n / 2, n, |a, c| {
            let load = [get(c), vec![0x28, 2, 0], set(a), vec![CALL, 1], get(a)].concat();
            [vec![LOOP, EMPTY], load, vec![BR_IF, 0, END]].concat()
        })
    }),
    shape("A4: a chain of conversions", 8000, |n| {
        let chain = times(n, &[0xa8, 0xb2]);
        one(0, &[vec![0x43, 0, 0, 0, 0], chain, vec![DROP]].concat())
    }),
];

/// Code that makes something of local 0 and local 1, which is kept in a global: the
/// code generator leaves out what is not used.
fn used(code: &[u8]) -> Vec<u8> {
    one(2, &[code, &get(0), &op(0x24, 0)].concat())
}

/// The same for a vector, in local 0.
fn vector(code: &[u8]) -> Vec<u8> {
    let code = [code, &[0x41, 0], &get(0), &[0xfd, 11, 0, 0]].concat();
    Module::new(&[]).function(0, (1, 0x7b), &code).bytes()
}

/// Code between `n` operands (1000 at most) that come and go; type 1 takes and
/// gives that many, and so does function 1.
fn with_operands(n: u64, code: &[u8]) -> Vec<u8> {
    let n = n.min(1000);
    let code = [times(n, &[0x41, 0]), code.to_vec(), times(n, &[DROP])].concat();
    Module::new(&[func_type(n, n)])
        .function(0, (0, I32), &code)
        .function(1, (0, I32), &each(n, get))
        .bytes()
}

/// `n` steps, each with two of `locals` locals; then all of them are added up.
/// Function 1 does nothing.
fn with_locals(locals: u64, n: u64, step: impl Fn(u64, u64) -> Vec<u8>) -> Vec<u8> {
    let steps = each(n, |at| step(1 + at % locals, 1 + (at * 7 + 3) % locals));
    let sum = each(locals, |at| [get(1 + at), vec![ADD]].concat());
    let code = [steps, get(0), sum, set(0)].concat();
    Module::new(&[]).function(0, (locals + 1, I32), &code).function(0, (0, I32), &[]).bytes()
}

fn loads(n: u64, locals: u64, after: &[u8]) -> Vec<u8> {
    with_locals(locals, n, |a, c| [get(c), vec![0x28, 2, 8], set(a), after.to_vec()].concat())
}
