//! [`Entries`]: names in a directory, in the order in which they came.
//!
//! Invariant: `list` is sorted by serial number, which is never used twice, so that
//! a listing can go on where it was, whatever was added and removed meanwhile.

use crate::fallible::try_push;
use crate::types::{Errno, Result};
use alloc::string::String;
use alloc::vec::Vec;
use core::hash::BuildHasher;
use hashbrown::{DefaultHashBuilder, HashTable};

/// A name, and what it names.
pub(super) struct Entry {
    pub serial: u64,
    pub name: String,
    pub node: u32,
}

/// A directory's entries.
#[derive(Default)]
pub(super) struct Entries {
    list: Vec<Entry>,
    /// Serial numbers.
    by_name: HashTable<u64>,
    hasher: DefaultHashBuilder,
    last: u64,
}

/// Where a serial number is in the list.
fn position(list: &[Entry], serial: u64) -> Option<usize> {
    list.binary_search_by_key(&serial, |entry| entry.serial).ok()
}

fn name_of(list: &[Entry], serial: u64) -> &str {
    position(list, serial).and_then(|at| list.get(at)).map_or("", |entry| &entry.name)
}

impl Entries {
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    fn find(&self, name: &str) -> Option<usize> {
        let same = |serial: &u64| name_of(&self.list, *serial) == name;
        let serial = self.by_name.find(self.hasher.hash_one(name), same)?;
        position(&self.list, *serial)
    }

    pub fn get(&self, name: &str) -> Option<u32> {
        self.list.get(self.find(name)?).map(|entry| entry.node)
    }

    /// Makes sure that [`Self::insert`] does not fail.
    pub fn reserve(&mut self) -> Result<()> {
        let Self { list, by_name, hasher, .. } = self;
        list.try_reserve(1).map_err(|_| Errno::Nomem)?;
        let hash = |serial: &u64| hasher.hash_one(name_of(list, *serial));
        by_name.try_reserve(1, hash).map_err(|_| Errno::Nomem)
    }

    /// Adds a name that is not there.
    pub fn insert(&mut self, name: String, node: u32) -> Result<()> {
        self.reserve()?;
        self.last += 1;
        let (serial, hash) = (self.last, self.hasher.hash_one(name.as_str()));
        try_push(&mut self.list, Entry { serial, name, node })?;
        let Self { list, by_name, hasher, .. } = self;
        by_name.insert_unique(hash, serial, |serial| hasher.hash_one(name_of(list, *serial)));
        Ok(())
    }

    /// Lets a name that is there name something else. Returns what it named.
    pub fn replace(&mut self, name: &str, node: u32) -> Option<u32> {
        let at = self.find(name)?;
        self.list.get_mut(at).map(|entry| core::mem::replace(&mut entry.node, node))
    }

    /// Removes a name. Returns what it named.
    pub fn remove(&mut self, name: &str) -> Option<u32> {
        let at = self.find(name)?;
        let serial = self.list.get(at)?.serial;
        let hash = self.hasher.hash_one(name);
        if let Ok(found) = self.by_name.find_entry(hash, |known| *known == serial) {
            found.remove();
        }
        Some(self.list.remove(at).node)
    }

    /// Entries whose serial numbers are higher.
    pub fn after(&self, serial: u64) -> &[Entry] {
        let first = self.list.partition_point(|entry| entry.serial <= serial);
        self.list.get(first..).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::ToString;

    #[test]
    fn names_come_and_go() {
        let mut entries = Entries::default();
        for at in 0..1000 {
            entries.insert(format!("name{at}"), at).unwrap();
        }
        for at in (0..1000).step_by(3) {
            assert_eq!(entries.remove(&format!("name{at}")), Some(at));
        }
        for at in 0..1000 {
            let expected = (at % 3 != 0).then_some(at);
            assert_eq!(entries.get(&format!("name{at}")), expected);
        }
        assert_eq!(entries.replace("name1", 7), Some(1));
        assert_eq!((entries.get("name1"), entries.remove("name0")), (Some(7), None));
    }

    #[test]
    fn a_listing_goes_on_where_it_was() {
        let mut entries = Entries::default();
        for name in ["a", "b", "c", "d"] {
            entries.insert(name.to_string(), 0).unwrap();
        }
        let second = entries.after(0)[1].serial;
        entries.remove("b");
        entries.remove("c");
        entries.insert("c".to_string(), 0).unwrap();
        let names: Vec<&str> = entries.after(second).iter().map(|e| e.name.as_str()).collect();
        assert_eq!(names, ["d", "c"]);
    }
}
