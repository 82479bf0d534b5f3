//! The work of validating a module is bounded by its size: shapes whose operators
//! cost a step for each value of a type are refused where the limit says, at a
//! cost that stays below it; everything else is linear anyway. Counts, not
//! times.
#![cfg(all(feature = "compile", feature = "std"))]

mod encoding;

use encoding::{leb, module, section};
use kernref::__internals::{ValidationCost, validate};
use kernref::limits::{VALIDATION_STEPS, VALIDATION_STEPS_PER_BYTE};
use kernref::{Error, WasmFeatures};

const I32: u8 = 0x7f;
const EMPTY: u8 = 0x40;

/// Types that shapes use: nothing; 1000 parameters and as many results; 1000
/// results; 1000 parameters.
fn types() -> Vec<u8> {
    let list = |count: usize| [leb(count), vec![I32; count]].concat();
    let ty = |params, results| [vec![0x60], list(params), list(results)].concat();
    section(1, 4, &[ty(0, 0), ty(1000, 1000), ty(0, 1000), ty(1000, 0)].concat())
}

/// Functions of type `ty` with the same locals and code, after a table.
fn functions(count: usize, ty: u8, locals: &[u8], code: &[u8]) -> Vec<u8> {
    let body = [locals, code, &[0x0b]].concat();
    let body = [leb(body.len()), body].concat().repeat(count);
    let table = section(4, 1, &[0x70, 0, 1]);
    module(&[types(), section(3, count, &vec![ty; count]), table, section(10, count, &body)])
}

/// A function that repeats code where the stack may be anything.
fn repeated(ty: u8, count: usize, code: &[u8]) -> Vec<u8> {
    functions(1, ty, &[0], &[&[0x00], &code.repeat(count)[..], &[0x00]].concat())
}

/// A branch table in a block of type `ty`.
fn branch_table(ty: u8, targets: usize) -> Vec<u8> {
    let targets = targets.min(65_520);
    let table = [leb(targets), vec![0; targets + 1]].concat();
    functions(1, 0, &[0], &[&[0x02, ty, 0x00, 0x0e], &table[..], &[0x0b, 0x00]].concat())
}

/// Makes the module of a shape that is as large as asked for.
type Make = fn(usize) -> Vec<u8>;

/// Shapes that cost more than they are long, and how many steps one more of each
/// costs.
const PRODUCTS: &[(&str, u64, Make)] = &[
    ("branch table of a block with results", 2001, |n| branch_table(2, n)),
    ("br", 1001, |n| repeated(2, n, &[0x0c, 0])),
    ("br_if", 2002, |n| repeated(2, n, &[0x0d, 0])),
    ("return", 1001, |n| repeated(2, n, &[0x0f])),
    ("call", 2001, |n| repeated(1, n, &[0x10, 0])),
    ("call_indirect", 2002, |n| repeated(0, n, &[0x11, 1, 0])),
    ("return_call", 4001, |n| repeated(1, n, &[0x12, 0])),
    ("return_call_indirect", 4002, |n| repeated(1, n, &[0x13, 1, 0])),
    ("block", 4002, |n| repeated(0, n, &[0x02, 1, 0x0b])),
    ("loop", 4002, |n| repeated(0, n, &[0x03, 1, 0x0b])),
    ("if", 6003, |n| repeated(0, n, &[0x04, 1, 0x0b])),
    ("if with else", 3006, |n| repeated(0, n, &[0x04, 2, 0x00, 0x05, 0x00, 0x0b])),
    ("branches to loops", 2002, |n| {
        let code = [&[0x00, 0x03, 3, 0x00], &[0x0d, 0].repeat(n)[..], &[0x00, 0x0b]].concat();
        functions(1, 0, &[0], &code)
    }),
    ("functions with parameters", 1001, |n| functions(n, 3, &[0], &[])),
    ("functions with results", 2002, |n| functions(n, 2, &[0], &[0x00])),
    ("functions with locals", 50001, |n| {
        functions(n, 0, &[&[1][..], &leb(50_000), &[I32]].concat(), &[])
    }),
];

/// Shapes that do not.
const LINEAR: &[(&str, Make)] = &[
    ("straight code", |n| {
        functions(1, 0, &[1, 1, I32], &[0x20, 0, 0x41, 5, 0x6a, 0x21, 0].repeat(n))
    }),
    ("empty blocks", |n| repeated(0, n, &[0x02, EMPTY, 0x0b])),
    ("nested blocks", |n| {
        let n = n.min(50_000);
        functions(1, 0, &[0], &[[0x02, EMPTY].repeat(n), vec![0x0b; n]].concat())
    }),
    ("branches without operands", |n| repeated(0, n, &[0x0d, 0])),
    ("branch table without operands", |n| branch_table(EMPTY, n)),
    ("calls without parameters", |n| repeated(0, n, &[0x10, 0])),
    ("calls with parameters that are there", |n| {
        let call = [&[0x41, 0].repeat(1000)[..], &[0x10, 0]].concat();
        functions(1, 3, &[0], &call.repeat(n / 1000 + 1))
    }),
    ("unreachable", |n| repeated(0, n, &[0x00])),
    ("select in unreachable code", |n| repeated(0, n, &[0x1b])),
    ("runs of locals", |n| {
        let n = n.min(25_000);
        let runs = [&leb(2 * n)[..], &[1, I32, 1, 0x7e].repeat(n)].concat();
        functions(1, 0, &runs, &[&[0x20][..], &leb(2 * n - 1), &[0x1a]].concat().repeat(n))
    }),
    ("small functions", |n| functions(n, 0, &[0], &[])),
    ("elements that are expressions", |n| {
        let items = [0xd0, 0x70, 0x0b].repeat(n);
        module(&[section(9, 1, &[&[5, 0x70][..], &leb(n), &items].concat())])
    }),
    ("globals", |n| module(&[section(6, n, &[I32, 0, 0x41, 0, 0x0b].repeat(n))])),
    ("types", |n| module(&[section(1, n, &[0x60, 1, I32, 1, I32].repeat(n))])),
];

fn decided(name: &str, wasm: &[u8]) -> (Result<(), Error>, ValidationCost) {
    let (outcome, cost) = validate(wasm, WasmFeatures::all());
    let allowed = VALIDATION_STEPS_PER_BYTE * wasm.len() as u64 + VALIDATION_STEPS.most;
    match &outcome {
        Ok(()) => assert!(cost.steps <= allowed, "{name}: {cost:?}"),
        Err(Error::Limit(error)) => {
            assert_eq!((error.what, error.limit), (VALIDATION_STEPS.what, VALIDATION_STEPS.most));
            assert_eq!(error.requested, cost.steps - (allowed - VALIDATION_STEPS.most), "{name}");
            assert!(cost.steps > allowed, "{name}: {cost:?}");
        }
        Err(other) => panic!("{name}: {other}"),
    }
    assert_eq!(cost.passes, 1, "{name}");
    (outcome, cost)
}

#[test]
fn products_are_refused_where_the_limit_is() {
    for (name, each, make) in PRODUCTS {
        assert!(decided(name, &make(1)).0.is_ok(), "{name}");
        let (mut fine, mut refused) = (1, 65_520);
        assert!(decided(name, &make(refused)).0.is_err(), "{name}");
        while fine + 1 < refused {
            let middle = fine.midpoint(refused);
            match decided(name, &make(middle)).0.is_ok() {
                true => fine = middle,
                false => refused = middle,
            }
        }
        // At the edge, one more does not fit.
        let (wasm, less) = (make(fine), make(fine - 1));
        assert_eq!(decided(name, &wasm).1.steps - decided(name, &less).1.steps, *each, "{name}");
        let allowed = VALIDATION_STEPS_PER_BYTE * wasm.len() as u64 + VALIDATION_STEPS.most;
        let left = allowed - decided(name, &wasm).1.steps;
        println!("{name}: {fine} in {} bytes", wasm.len());
        assert!(left < *each, "{name}: {left} steps left");
    }
}

#[test]
fn everything_else_is_linear() {
    for (name, make) in LINEAR {
        let mut before = decided(name, &make(1000)).1.steps;
        for size in [2000, 4000, 8000, 16_000, 32_000] {
            let (outcome, cost) = decided(name, &make(size));
            outcome.unwrap_or_else(|error| panic!("{name}: {error}"));
            assert!(cost.steps <= 2 * before + 10, "{name}: {before}, then {cost:?}");
            before = cost.steps;
        }
    }
}
