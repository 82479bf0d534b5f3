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
    /// When it was last handed out or made.
    used: u32,
}

/// Few are needed: what repeats does so soon.
const ENTRIES: usize = 32;

/// The last value of each key, or of another with the same place.
#[derive(Default)]
pub(super) struct Repeats {
    entries: [Option<Entry>; ENTRIES],
    /// Whether a key may have any place, and drives out what was not used for longest,
    /// rather than one of its own. The optimizer does without.
    anywhere: bool,
    now: u32,
}

impl Key {
    fn place(self) -> usize {
        let (kind, number) = match self {
            Key::Constant(ty, bits) => (u64::from(ty.bits()), bits),
            Key::Reach(reach) => (1, reach),
            Key::Field(_, base, offset) => (2 + u64::from(base.as_u32()), offset as u64),
            Key::Length(memory, calls) => (3, u64::from(memory.0) << 32 | u64::from(calls)),
            Key::Limit(len, reach) => (4 + u64::from(len.as_u32()), reach),
        };
        // The multiplier of Knuth's hash (The Art of Computer Programming, 6.4).
        let hash = (number ^ kind << 56 ^ kind >> 8).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (hash >> 32) as usize % ENTRIES
    }
}

impl Repeats {
    /// For code that is not optimized.
    pub(super) fn anywhere() -> Self {
        Self { anywhere: true, ..Self::default() }
    }

    /// Where `key` may be.
    fn places(&mut self, key: Key) -> &mut [Option<Entry>] {
        let place = key.place();
        let places = if self.anywhere { 0..ENTRIES } else { place..place + 1 };
        &mut self.entries[places]
    }

    /// The value that `block` has made of `key`, if it is still known.
    pub(super) fn find(&mut self, key: Key, block: Option<Block>) -> Option<Value> {
        self.now = self.now.wrapping_add(1);
        let now = self.now;
        let is_it = |entry: &&mut Entry| entry.key == key && Some(entry.block) == block;
        let entry = self.places(key).iter_mut().flatten().find(is_it)?;
        entry.is_shared = true;
        entry.used = now;
        Some(entry.value)
    }

    /// Notes that `block` has made it.
    pub(super) fn note(&mut self, key: Key, block: Option<Block>, value: Value) {
        let Some(block) = block else { return };
        let used = self.now;
        // That of an earlier block is of no use any more.
        let age = |place: &&mut Option<Entry>| match place {
            Some(entry) if entry.key != key => entry.used.saturating_add(1),
            _ => 0,
        };
        if let Some(place) = self.places(key).iter_mut().min_by_key(age) {
            *place = Some(Entry { key, block, value, is_shared: false, used });
        }
    }

    /// Whether `value`, made of `key`, is certain to have been handed out to nobody
    /// else. It never is from now on: the caller will change it.
    pub(super) fn take(&mut self, key: Key, value: Value) -> bool {
        let is_alone = |place: &&mut Option<Entry>| {
            place.is_some_and(|it| it.key == key && it.value == value && !it.is_shared)
        };
        let place = self.places(key).iter_mut().find(is_alone);
        place.is_some_and(|place| place.take().is_some())
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
    fn what_is_used_again_stays() {
        let mut repeats = Repeats::anywhere();
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
        for others in 0..1000 {
            repeats.note(Key::Constant(types::I32, 1000 + others), here, len);
            for (at, key) in keys.into_iter().enumerate() {
                assert_eq!(repeats.find(key, here), Some(Value::from_u32(at as u32)));
            }
        }
    }
}
