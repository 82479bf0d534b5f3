//! [`Repeats`]: what the current block has made and may use again instead of making
//! it anew: constants, and fields that never change. The optimizer would find that
//! out by itself, but only after all of them have been made, and the linear way
//! not at all.
//!
//! Invariant: what is handed out was made in the current block, and so before
//! what is made next.

use crate::abi::MemoryIndex;
use cranelift_codegen::ir::{Block, Type, Value};

/// What a value is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    /// A constant with these bits.
    Constant(Type, u64),
    /// The reach of a bounds check, which may still be widened as long as only one
    /// check uses it.
    Reach(u64),
    /// A field at this distance from an address.
    Field(Type, Value, i32),
    /// The length of a memory after so many calls, none of which can change it
    /// before the next.
    Length(MemoryIndex, u32),
    /// The first index beyond which such an access of a memory of that length,
    /// which is a value, reaches its end.
    Limit(Value, u64),
}

#[derive(Clone, Copy)]
struct Entry {
    key: Key,
    block: Block,
    value: Value,
    is_shared: bool,
}

/// Few are needed: what repeats does so soon.
const ENTRIES: usize = 32;

/// The last value of each key, or of another with the same place.
#[derive(Default)]
pub(super) struct Repeats {
    entries: [Option<Entry>; ENTRIES],
    /// Whether keys of the same number but of other kinds have places of their own.
    /// The optimizer does without.
    by_kind: bool,
}

impl Key {
    fn place(self, by_kind: bool) -> usize {
        let (kind, number) = match self {
            Key::Constant(ty, bits) => (u64::from(ty.bits()), bits),
            Key::Reach(reach) => (1, reach),
            Key::Field(_, base, offset) => (2 + u64::from(base.as_u32()), offset as u64),
            Key::Length(memory, calls) => (3, u64::from(memory.0) << 32 | u64::from(calls)),
            Key::Limit(len, reach) => (4 + u64::from(len.as_u32()), reach),
        };
        // The multiplier of Knuth's hash (The Art of Computer Programming, 6.4).
        let hash = (number ^ kind << 56 ^ kind >> 8).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        // The kind reaches the uppermost bits only.
        let shift = if by_kind { u64::BITS - ENTRIES.ilog2() } else { 32 };
        (hash >> shift) as usize % ENTRIES
    }
}

impl Repeats {
    /// For code that is not optimized.
    pub(super) fn by_kind() -> Self {
        Self { by_kind: true, ..Self::default() }
    }

    /// The value that `block` has made of `key`, if it is still known.
    pub(super) fn find(&mut self, key: Key, block: Option<Block>) -> Option<Value> {
        let entry = self.entries[key.place(self.by_kind)].as_mut()?;
        let is_it = entry.key == key && Some(entry.block) == block;
        is_it.then(|| {
            entry.is_shared = true;
            entry.value
        })
    }

    /// Notes that `block` has made it.
    pub(super) fn note(&mut self, key: Key, block: Option<Block>, value: Value) {
        if let Some(block) = block {
            self.entries[key.place(self.by_kind)] = Some(Entry { key, block, value, is_shared: false });
        }
    }

    /// Whether `value`, made of `key`, is certain to have been handed out to nobody
    /// else. It never is from now on: the caller will change it.
    pub(super) fn take(&mut self, key: Key, value: Value) -> bool {
        let entry = &mut self.entries[key.place(self.by_kind)];
        let is_alone =
            entry.is_some_and(|entry| entry.key == key && entry.value == value && !entry.is_shared);
        if is_alone {
            *entry = None;
        }
        is_alone
    }
}

#[cfg(test)]
mod tests {
    use super::{Key, Repeats};
    use crate::abi::MemoryIndex;
    use cranelift_codegen::ir::{Block, Value, types};

    #[test]
    fn only_the_same_of_the_same_block_is_found() {
        let mut repeats = Repeats::default();
        let [here, there] = [1, 2].map(|n| Some(Block::from_u32(n)));
        let (key, value) = (Key::Constant(types::I32, 7), Value::from_u32(5));
        repeats.note(key, here, value);
        assert_eq!(repeats.find(key, here), Some(value));
        assert_eq!(repeats.find(key, there), None);
        assert_eq!(repeats.find(key, None), None);
        assert_eq!(repeats.find(Key::Constant(types::I64, 7), here), None);
        assert_eq!(repeats.find(Key::Reach(7), here), None);
        for n in 0..1000 {
            repeats.note(Key::Reach(n), here, Value::from_u32(n as u32));
        }
        assert!((0..999).all(|n| repeats.find(Key::Reach(n), there).is_none()));
        assert_eq!(repeats.find(Key::Reach(999), here), Some(Value::from_u32(999)));
    }

    #[test]
    fn what_was_handed_out_is_not_taken() {
        let mut repeats = Repeats::default();
        let here = Some(Block::from_u32(1));
        let [first, second] = [5, 6].map(Value::from_u32);
        repeats.note(Key::Reach(4), here, first);
        assert!(!repeats.take(Key::Reach(4), second));
        assert!(repeats.take(Key::Reach(4), first));
        assert_eq!(repeats.find(Key::Reach(4), here), None);
        assert!(!repeats.take(Key::Reach(4), first));
        repeats.note(Key::Reach(4), here, first);
        assert_eq!(repeats.find(Key::Reach(4), here), Some(first));
        assert!(!repeats.take(Key::Reach(4), first));
    }

    #[test]
    fn kinds_do_not_drive_each_other_out() {
        let mut repeats = Repeats::by_kind();
        let here = Some(Block::from_u32(1));
        let [len, base] = [1, 2].map(Value::from_u32);
        let keys = [
            Key::Constant(types::I64, 0),
            Key::Constant(types::I32, 0),
            Key::Length(MemoryIndex(0), 0),
            Key::Field(types::I64, base, 0),
            Key::Limit(len, 4),
            Key::Limit(len, 8),
        ];
        for (at, key) in keys.into_iter().enumerate() {
            repeats.note(key, here, Value::from_u32(at as u32));
        }
        for (at, key) in keys.into_iter().enumerate() {
            assert_eq!(repeats.find(key, here), Some(Value::from_u32(at as u32)));
        }
    }
}
