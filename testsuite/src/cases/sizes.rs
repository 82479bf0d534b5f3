//! Modules that are large in some way compile on the available stack.

use crate::support::Setup;
use alloc::vec;
use alloc::vec::Vec;
use kernref::{Config, Error, Instance, Linker, Module, Store};

const I32: u8 = 0x7f;
const EXTERNREF: u8 = 0x6f;

fn leb(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

fn section(id: u8, body: &[u8]) -> Vec<u8> {
    [vec![id], leb(body.len()), body.to_vec()].concat()
}

/// `count` functions of type `[] -> [i32]` with locals of one type and this
/// body; the first is exported as `f`.
fn module(count: usize, locals: (usize, u8), code: &[u8]) -> Vec<u8> {
    let body = [vec![1], leb(locals.0), vec![locals.1], code.to_vec(), vec![0x0b]].concat();
    let body = [leb(body.len()), body].concat();
    [
        b"\0asm\x01\0\0\0".to_vec(),
        section(1, &[1, 0x60, 0, 1, I32]),
        section(3, &[leb(count), vec![0; count]].concat()),
        section(7, &[1, 1, b'f', 0, 0]),
        section(10, &[leb(count), body.repeat(count)].concat()),
    ]
    .concat()
}

/// Compiles the module and calls its export.
fn runs(setup: Setup, bytes: &[u8], expected: i32) {
    setup.each_engine(|engine| {
        let module = Module::new(engine, bytes).unwrap();
        let mut store = Store::new(engine, ()).unwrap();
        let instance: Instance = Linker::new(engine).instantiate(&mut store, &module).unwrap();
        let f = instance.get_typed_func::<(), i32>(&mut store, "f").unwrap();
        assert_eq!(f.call(&mut store, ()).unwrap(), expected);
    });
}

pub fn fifty_thousand_locals(setup: Setup) {
    let last = [vec![0x20], leb(49_999)].concat();
    runs(setup, &module(1, (50_000, I32), &last), 0);
    let is_null = [&last[..], &[0xd1]].concat();
    runs(setup, &module(1, (50_000, EXTERNREF), &is_null), 1);
}

pub fn ten_thousand_nested_blocks(setup: Setup) {
    for open in [&[0x02, 0x40][..], &[0x03, 0x40], &[0x41, 1, 0x04, 0x40]] {
        let code = [open.repeat(10_000), vec![0x0b; 10_000], vec![0x41, 7]].concat();
        runs(setup, &module(1, (0, I32), &code), 7);
    }
}

pub fn many_functions(setup: Setup) {
    runs(setup, &module(2000, (1, I32), &[0x41, 9]), 9);
}

/// Modules whose parts multiply: a few kilobytes ask for megabytes of values,
/// or for blocks times locals. Each gives a result or names a limit, within the
/// heap that there is, and the next module compiles.
pub fn modules_that_multiply(setup: Setup) {
    let get = |local: usize| [vec![0x20], leb(local)].concat();
    let set = |local: usize| [vec![0x21], leb(local)].concat();
    // A conversion that may trap, and one back.
    let conversions = |count| [b"\x41\x07".to_vec(), b"\xb2\xa8".repeat(count)].concat();
    // Loads from addresses in a thousand locals, to others of them.
    let loads = || {
        let load = |at: usize| {
            let (to, from) = (at % 1000, (at * 7 + 3) % 1000);
            [get(from), vec![0x28, 2], leb(at % 100 * 8), set(to)].concat()
        };
        [(0..4000).flat_map(load).collect(), vec![0x41, 7]].concat()
    };
    // As many locals, set in the innermost of as many loops.
    let joins = |count: usize| {
        let increment = |at| [get(at), vec![0x41, 1, 0x6a], set(at)].concat();
        let inside: Vec<u8> = (0..count).flat_map(increment).collect();
        [b"\x03\x40".repeat(count), inside, vec![0x0b; count], vec![0x41, 7]].concat()
    };
    // Conditionals that each set a few of many locals.
    let conditionals = || {
        let conditional = |at: usize| {
            let changed =
                [vec![0x41, 1], set(at * 3 % 1000), vec![0x41, 2], set(at % 1000)].concat();
            [get(at % 1000), vec![0x04, 0x40], changed, vec![0x0b]].concat()
        };
        [(0..2000).flat_map(conditional).collect(), vec![0x41, 7]].concat()
    };
    // Loops that pass a thousand values around.
    let thousand = [vec![0x60], leb(1000), vec![I32; 1000], leb(1000), vec![I32; 1000]].concat();
    let loops = [b"\x41\0".repeat(1000), b"\x03\x01\x0b".repeat(2000), vec![0x1a; 999]].concat();
    let modules = [
        module(1, (0, I32), &conversions(10_000)),
        with_memory(&module(1, (1000, I32), &loads())),
        module(1, (1000, I32), &joins(1000)),
        module(1, (1000, I32), &conditionals()),
        with_type(&module(1, (0, I32), &loops), &thousand),
    ];
    let adjust = |config: &mut Config| {
        config.cranelift_debug_verifier(false);
    };
    setup.each_config(adjust, |engine| {
        for (index, bytes) in modules.iter().enumerate() {
            match Module::new(engine, bytes) {
                Ok(module) => {
                    let mut store = Store::new(engine, ()).unwrap();
                    let instance = Instance::new(&mut store, &module, &[]).unwrap();
                    let f = instance.get_typed_func::<(), i32>(&mut store, "f").unwrap();
                    assert_eq!(f.call(&mut store, ()).unwrap(), 7, "module {index}");
                }
                // Where compilations have a region, it may be too small.
                Err(Error::Limit(_) | Error::OutOfMemory { .. }) => {}
                Err(other) => panic!("module {index}: {other}"),
            }
        }
        assert!(Module::new(engine, &modules[0][..30]).is_err());
        Module::new(engine, module(1, (0, I32), &[0x41, 7])).unwrap();
    });
}

/// Functions with checks, long enough that branches do not reach their end on
/// every processor: what the code generator then puts amid the code may come
/// right behind a check.
pub fn checks_in_long_functions(setup: Setup) {
    for count in (1300..1348).step_by(3) {
        let load = |at: usize| {
            let (to, from) = (at % 40, (at * 7 + 3) % 40);
            let offset = leb(at % 1000);
            [vec![0x20], leb(from), vec![0x2d, 0], offset, vec![0x21], leb(to)].concat()
        };
        // A branch on one bit, which reaches least far.
        let open = [0x02, 0x40, 0x20, 0, 0x41, 4, 0x71, 0x0d, 0];
        let loads: Vec<u8> = (0..count).flat_map(load).collect();
        let sum: Vec<u8> = (0..40).flat_map(|local| [0x20, local, 0x6a]).collect();
        let code = [&open[..], &loads, &[0x0b, 0x41, 7], &sum].concat();
        runs(setup, &with_memory(&module(1, (40, I32), &code)), 7);
    }
}

/// The module with a memory of one page.
fn with_memory(module: &[u8]) -> Vec<u8> {
    const EXPORTS: &[u8] = &[7, 5, 1, 1, b'f', 0, 0];
    let at = module.windows(EXPORTS.len()).position(|bytes| bytes == EXPORTS).unwrap();
    [&module[..at], &section(5, &[1, 0, 1]), &module[at..]].concat()
}

/// The module with another type after its own.
fn with_type(module: &[u8], ty: &[u8]) -> Vec<u8> {
    let own = section(1, &[1, 0x60, 0, 1, I32]);
    let types = section(1, &[&[2, 0x60, 0, 1, I32], ty].concat());
    [&module[..8], &types, &module[8 + own.len()..]].concat()
}
