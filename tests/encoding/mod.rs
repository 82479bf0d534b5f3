//! Writes modules in the binary format (WebAssembly core, "Binary Format").
//! Shared by tests whose modules no text could tell: too large, or too wrong.

use std::vec;
use std::vec::Vec;

/// An unsigned number.
pub fn leb(value: impl TryInto<u64>) -> Vec<u8> {
    let Ok(mut value) = value.try_into() else { panic!("a number of 64 bits") };
    let mut bytes = Vec::new();
    loop {
        let more = value >= 0x80;
        bytes.push((value & 0x7f) as u8 | if more { 0x80 } else { 0 });
        value >>= 7;
        if !more {
            return bytes;
        }
    }
}

/// A section that claims to have `count` entries.
pub fn section(id: u8, count: impl TryInto<u64>, entries: &[u8]) -> Vec<u8> {
    let body = [leb(count), entries.to_vec()].concat();
    [vec![id], leb(body.len()), body].concat()
}

/// A module with these sections.
pub fn module(sections: &[Vec<u8>]) -> Vec<u8> {
    [b"\0asm\x01\0\0\0".to_vec(), sections.concat()].concat()
}
