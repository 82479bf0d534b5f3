//! [`IndexTable`]: finds places in a list by the hash of what is there. One
//! for all kinds of lists, so that the hash table is compiled once.
//!
//! Invariant: it knows only hashes and places; the list, and whether a place
//! holds what was looked for, are its owner's concern.

use crate::error::{Error, Result};
use core::hash::{BuildHasher, Hash};
use hashbrown::{DefaultHashBuilder, HashTable};

#[derive(Clone, Copy)]
struct Entry {
    hash: u64,
    index: u32,
}

/// One function, so that growing is compiled once.
fn hash_of(entry: &Entry) -> u64 {
    entry.hash
}

/// Hashes with a seed that guests cannot know.
pub(crate) struct SeededHash {
    seed: u64,
    hasher: DefaultHashBuilder,
}

impl SeededHash {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, hasher: DefaultHashBuilder::default() }
    }

    pub(crate) fn of(&self, value: &impl Hash) -> u64 {
        self.hasher.hash_one((self.seed, value))
    }
}

/// Places by hash.
#[derive(Default)]
pub(crate) struct IndexTable {
    table: HashTable<Entry>,
}

impl IndexTable {
    /// The place with this hash that `same` accepts.
    pub(crate) fn find(&self, hash: u64, same: &dyn Fn(u32) -> bool) -> Option<u32> {
        let found = self.table.find(hash, |entry| entry.hash == hash && same(entry.index));
        found.map(|entry| entry.index)
    }

    /// Makes room for `more` further insertions.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]; the table is then as before.
    pub(crate) fn try_reserve(&mut self, more: usize) -> Result<()> {
        let bytes = more.saturating_mul(size_of::<Entry>());
        self.table.try_reserve(more, hash_of).map_err(|_| Error::OutOfMemory { bytes })
    }

    /// Whether [`Self::insert`] allocates nothing.
    pub(crate) fn has_room(&self) -> bool {
        self.table.len() < self.table.capacity()
    }

    /// Takes over what is in `other`, for which there is room.
    pub(crate) fn take_all(&mut self, other: &mut Self) {
        for entry in other.table.drain() {
            self.insert(entry.hash, entry.index);
        }
    }

    /// Adds a place that is not in it yet. Allocates unless room was made for
    /// it.
    pub(crate) fn insert(&mut self, hash: u64, index: u32) {
        self.table.insert_unique(hash, Entry { hash, index }, hash_of);
    }

    /// Takes a place out.
    pub(crate) fn remove(&mut self, hash: u64, index: u32) {
        if let Ok(found) =
            self.table.find_entry(hash, |entry| entry.hash == hash && entry.index == index)
        {
            found.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_hashes_are_told_apart_and_places_go() {
        let mut table = IndexTable::default();
        for index in 0..100 {
            table.try_reserve(1).unwrap();
            table.insert(u64::from(index % 7), index);
        }
        let is = |wanted: u32| move |index: u32| index == wanted;
        for index in 0..100 {
            assert_eq!(table.find(u64::from(index % 7), &is(index)), Some(index));
            assert_eq!(table.find(u64::from((index + 1) % 7), &is(index)), None);
        }
        table.remove(3, 10);
        table.remove(3, 11);
        assert_eq!(table.find(3, &is(10)), None);
        assert_eq!(table.find(4, &is(11)), Some(11));
    }
}
