//! [`TypeRegistry`]: gives each function type of an engine one number, so that
//! an indirect call compares integers.
//!
//! Invariants: a number means the same type for as long as anyone counts it;
//! modules and host functions count the numbers they use. Under the lock nothing is
//! hashed, allocated, freed or dropped: what takes place there is one look-up, a
//! comparison with the types of the same 64-bit hash, and, when the lists have become
//! full, moving them: 50 bytes for each type that is registered.

use super::index_table::{IndexTable, SeededHash};
use super::shared::Shared;
use crate::alloc;
use crate::artifact::FuncType;
use crate::error::Result;
use spin::mutex::SpinMutex;
use std_alloc::vec::Vec;

pub(crate) struct TypeRegistry {
    hash: SeededHash,
    types: SpinMutex<Types>,
}

/// Also: room for more, until it is used.
#[derive(Default)]
struct Types {
    entries: Vec<Option<Entry>>,
    /// Numbers that nobody uses; has room for all.
    free: Vec<u32>,
    /// Numbers by the hash of their types.
    numbers: IndexTable,
}

struct Entry {
    ty: Shared<FuncType>,
    hash: u64,
    users: usize,
}

impl TypeRegistry {
    /// An empty registry, with what the embedder gives as a seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self { hash: SeededHash::new(seed), types: SpinMutex::new(Types::default()) }
    }

    /// Counts one more user of `ty` and returns its number.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`].
    pub(crate) fn register(&self, ty: &FuncType) -> Result<u32> {
        let hash = self.hash.of(ty);
        if let Some(id) = self.types.lock().count(hash, ty) {
            return Ok(id);
        }
        // Dropped after the lock, if they are not used.
        let shared = Shared::new(ty.try_clone()?)?;
        let mut room = Types::default();
        loop {
            let mut types = self.types.lock();
            // Another thread may have come first.
            if let Some(id) = types.count(hash, ty) {
                return Ok(id);
            }
            let Some(wanted) = types.lacks(&room) else {
                return Ok(types.add(Entry { ty: shared.clone(), hash, users: 1 }, &mut room));
            };
            drop(types);
            room = Types::with_room(wanted)?;
        }
    }

    /// Counts one user fewer.
    pub(crate) fn unregister(&self, id: u32) {
        // Dropped when the lock is free again.
        let gone = self.types.lock().uncount(id);
        drop(gone);
    }

    /// The type with this number.
    pub(crate) fn get(&self, id: u32) -> Option<Shared<FuncType>> {
        Some(self.types.lock().entry(id)?.ty.clone())
    }
}

impl Types {
    /// Room for so many types.
    fn with_room(count: usize) -> Result<Self> {
        let mut numbers = IndexTable::default();
        numbers.try_reserve(count)?;
        let entries = alloc::try_vec_with_capacity(count)?;
        Ok(Self { entries, free: alloc::try_vec_with_capacity(count)?, numbers })
    }

    fn entry(&self, id: u32) -> Option<&Entry> {
        self.entries.get(id as usize)?.as_ref()
    }

    /// Counts one more user of a type that has a number.
    fn count(&mut self, hash: u64, ty: &FuncType) -> Option<u32> {
        let same = |id: u32| self.entry(id).is_some_and(|known| *known.ty == *ty);
        let id = self.numbers.find(hash, &same)?;
        self.entries.get_mut(id as usize)?.as_mut()?.users += 1;
        Some(id)
    }

    /// For how many types there must be room before one more can be added, if there
    /// is none and `room` has none either.
    fn lacks(&self, room: &Self) -> Option<usize> {
        let len = self.entries.len();
        let most = self.entries.capacity().min(self.free.capacity());
        let has_room = self.numbers.has_room() && (len < most || !self.free.is_empty());
        (!has_room && room.entries.capacity() <= len).then_some(2 * len + 8)
    }

    /// Adds a type, in `room` if there is any; what is there then is no longer used.
    fn add(&mut self, entry: Entry, room: &mut Self) -> u32 {
        if room.entries.capacity() > self.entries.len() {
            room.entries.append(&mut self.entries);
            room.free.append(&mut self.free);
            room.numbers.take_all(&mut self.numbers);
            core::mem::swap(self, room);
        }
        let hash = entry.hash;
        let id = self.free.pop().unwrap_or(self.entries.len() as u32);
        match self.entries.get_mut(id as usize) {
            Some(place) => *place = Some(entry),
            None => self.entries.push(Some(entry)),
        }
        self.numbers.insert(hash, id);
        id
    }

    /// Counts one user fewer, and takes the type out if it was the last.
    fn uncount(&mut self, id: u32) -> Option<Entry> {
        let place = self.entries.get_mut(id as usize)?;
        let entry = place.as_mut()?;
        entry.users -= 1;
        if entry.users > 0 {
            return None;
        }
        let gone = place.take()?;
        self.numbers.remove(gone.hash, id);
        // There is room for as many as there are entries.
        self.free.push(id);
        Some(gone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifact::ValType;

    fn ty(params: &[ValType]) -> FuncType {
        FuncType::new(params.iter().copied(), []).unwrap()
    }

    #[test]
    fn equal_types_share_a_number_and_numbers_are_reused() {
        let registry = TypeRegistry::new(7);
        let a = registry.register(&ty(&[ValType::I32])).unwrap();
        let b = registry.register(&ty(&[ValType::I64])).unwrap();
        assert_ne!(a, b);
        assert_eq!(registry.register(&ty(&[ValType::I32])).unwrap(), a);
        registry.unregister(a);
        assert_eq!(registry.get(a).unwrap().params(), &[ValType::I32]);
        registry.unregister(a);
        assert!(registry.get(a).is_none());
        assert_eq!(registry.register(&ty(&[ValType::F32])).unwrap(), a);
    }

    /// Types with numbers of their own, as parameters in base 4.
    fn numbered(mut number: u32) -> FuncType {
        let digits = [ValType::I32, ValType::I64, ValType::F32, ValType::F64];
        let mut params = std::vec::Vec::new();
        while number > 0 {
            params.push(digits[(number % 4) as usize]);
            number /= 4;
        }
        ty(&params)
    }

    #[test]
    fn lists_grow_and_threads_agree() {
        let registry = TypeRegistry::new(1);
        let number = |number: u32| {
            let id = registry.register(&numbered(number)).unwrap();
            assert_eq!(*registry.get(id).unwrap(), numbered(number));
            id
        };
        let of_thread = |from: u32| (from..1000).chain(0..from).map(number).collect::<Vec<_>>();
        std::thread::scope(|scope| {
            let threads = [0, 300, 700].map(|from| (from, scope.spawn(move || of_thread(from))));
            let found = threads.map(|(from, thread)| {
                let mut ids = thread.join().unwrap();
                ids.rotate_right(from as usize);
                ids
            });
            assert!(found[0] == found[1] && found[1] == found[2]);
            for id in found.iter().flatten() {
                registry.unregister(*id);
            }
        });
        let types = registry.types.lock();
        assert!(types.entries.iter().all(Option::is_none));
        assert_eq!(types.free.len(), types.entries.len());
        assert!(types.entries.len() <= 1000);
    }
}
