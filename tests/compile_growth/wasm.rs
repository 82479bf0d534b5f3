//! The modules that shapes are made of, operator by operator.

use crate::encoding::{self, leb, module};
use std::vec;
use std::vec::Vec;

pub const I32: u8 = 0x7f;
pub const EXTERNREF: u8 = 0x6f;
pub const EMPTY: u8 = 0x40;
pub const END: u8 = 0x0b;

/// A section of these entries.
fn section(id: u8, entries: &[Vec<u8>]) -> Vec<u8> {
    encoding::section(id, entries.len(), &entries.concat())
}

/// A function type.
pub fn func_type(params: u64, results: u64) -> Vec<u8> {
    let list = |count: u64| [leb(count), vec![I32; count as usize]].concat();
    [vec![0x60], list(params), list(results)].concat()
}

/// An operator with one immediate.
pub fn op(code: u8, immediate: u64) -> Vec<u8> {
    [vec![code], leb(immediate)].concat()
}

pub fn get(local: u64) -> Vec<u8> {
    op(0x20, local)
}

pub fn set(local: u64) -> Vec<u8> {
    op(0x21, local)
}

/// `i32.const`, of a number that is not negative.
pub fn constant(value: u64) -> Vec<u8> {
    let mut bytes = leb(value);
    // The sign is the last byte's highest bit but one.
    if let Some(last) = bytes.last_mut().filter(|last| **last & 0x40 != 0) {
        *last |= 0x80;
        bytes.push(0);
    }
    [vec![0x41], bytes].concat()
}

/// Adds one to a local.
pub fn increment(local: u64) -> Vec<u8> {
    [get(local), constant(1), vec![0x6a], set(local)].concat()
}

/// What `make` says for each number below `count`.
pub fn each(count: u64, make: impl FnMut(u64) -> Vec<u8>) -> Vec<u8> {
    (0..count).flat_map(make).collect()
}

/// The same code, `count` times.
pub fn times(count: u64, code: &[u8]) -> Vec<u8> {
    code.repeat(count as usize)
}

/// A module with one memory, a table of functions, and two globals: an i32 and
/// an externref.
#[derive(Default)]
pub struct Module {
    pub types: Vec<Vec<u8>>,
    functions: Vec<Vec<u8>>,
    bodies: Vec<Vec<u8>>,
}

impl Module {
    /// Type 0 is `[] -> []`; `types` follow.
    pub fn new(types: &[Vec<u8>]) -> Self {
        Self { types: [&[func_type(0, 0)], types].concat(), ..Self::default() }
    }

    /// Adds a function with `locals` further locals of one type.
    pub fn function(mut self, ty: u64, locals: (u64, u8), code: &[u8]) -> Self {
        self.functions.push(leb(ty));
        let locals = match locals {
            (0, _) => vec![0],
            (count, ty) => [vec![1], leb(count), vec![ty]].concat(),
        };
        let body = [locals, code.to_vec(), vec![END]].concat();
        self.bodies.push([leb(body.len() as u64), body].concat());
        self
    }

    pub fn bytes(self) -> Vec<u8> {
        let globals = [vec![I32, 1, 0x41, 0, END], vec![EXTERNREF, 1, 0xd0, EXTERNREF, END]];
        module(&[
            section(1, &self.types),
            section(3, &self.functions),
            section(4, &[vec![0x70, 0, 8]]),
            section(5, &[vec![0, 1]]),
            section(6, &globals),
            section(7, &[vec![3, b'r', b'u', b'n', 0, 0]]),
            section(10, &self.bodies),
        ])
    }
}

/// A module of one function `[] -> []` with i32 locals.
pub fn one(locals: u64, code: &[u8]) -> Vec<u8> {
    Module::new(&[]).function(0, (locals, I32), code).bytes()
}
