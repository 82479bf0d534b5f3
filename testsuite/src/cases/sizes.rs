//! Modules that are large in some way compile on the available stack.

use crate::support::Setup;
use alloc::vec;
use alloc::vec::Vec;
use kernref::{Instance, Linker, Module, Store};

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
