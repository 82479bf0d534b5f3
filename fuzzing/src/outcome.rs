//! What running a module leads to, in terms shared by both engines.

use crate::generate::random;
use std::hash::{DefaultHasher, Hash, Hasher};

/// A value; references are represented by their object's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// `i32`, or a 32-bit float's bits.
    Bits32(u32),
    /// `i64`, or a 64-bit float's bits.
    Bits64(u64),
    /// `v128`.
    Bits128(u128),
    /// The object's number; `None` for null.
    Object(Option<i32>),
    /// Whether there is a function.
    Func(bool),
}

/// One observation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The module could not be instantiated.
    NotInstantiated,
    /// An export was called and returned.
    Returned(String, Vec<Value>),
    /// An export was called and trapped.
    Trapped(String, &'static str),
    /// A host function was called with these objects or numbers.
    HostCall(&'static str, [Option<i32>; 2]),
    /// The final value of a global.
    Global(String, Value),
    /// The final length of a memory and the hash of its content.
    Memory(String, usize, u64),
    /// The final content of a table.
    Table(String, Vec<Value>),
    /// An engine ran out of some resource; anything after this may differ.
    OutOfResources,
}

/// The event for a memory.
pub fn memory(name: &str, bytes: &[u8]) -> Event {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    Event::Memory(name.into(), bytes.len(), hasher.finish())
}

/// An argument's bits: often small numbers.
pub fn argument(seed: u64, at: u64) -> u128 {
    let bits = random(seed, at);
    match bits % 3 {
        0 => u128::from(bits >> 60),
        1 => u128::from(bits >> 2),
        _ => u128::from(random(!seed, at)) << 64 | u128::from(bits),
    }
}

/// The first difference, if any occurs before resources run out.
pub fn difference(left: &[Event], right: &[Event], peer: &str) -> Option<String> {
    for at in 0..left.len().max(right.len()) {
        let (left, right) = (left.get(at), right.get(at));
        if [left, right].contains(&Some(&Event::OutOfResources)) {
            return None;
        }
        if left != right {
            return Some(format!("event {at}: {left:?} in Kernref, {right:?} in {peer}"));
        }
    }
    None
}
