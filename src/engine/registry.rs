//! [`TypeRegistry`]: gives each function type of an engine one number, so that
//! an indirect call compares integers.
//!
//! Invariant: a number means the same type for as long as anyone counts it;
//! modules and host functions count the numbers they use.

use super::index_table::IndexTable;
use super::shared::Shared;
use crate::alloc;
use crate::artifact::FuncType;
use crate::error::{Error, Result};
use core::hash::BuildHasher;
use hashbrown::DefaultHashBuilder;
use std_alloc::vec::Vec;

#[derive(Default)]
pub(crate) struct TypeRegistry {
    entries: Vec<Option<Entry>>,
    free: Vec<u32>,
    /// Numbers by the hash of their types.
    numbers: IndexTable,
    hasher: DefaultHashBuilder,
}

struct Entry {
    ty: Shared<FuncType>,
    users: usize,
}

impl TypeRegistry {
    /// Counts one more user of `ty` and returns its number.
    pub(crate) fn register(&mut self, ty: &FuncType) -> Result<u32> {
        let hash = self.hasher.hash_one(ty);
        let same = |id: u32| self.entry(id).is_some_and(|known| *known.ty == *ty);
        if let Some(id) = self.numbers.find(hash, &same) {
            let entry = self.entries.get_mut(id as usize).and_then(Option::as_mut);
            entry.ok_or(Error::Bug("type number without a type"))?.users += 1;
            return Ok(id);
        }
        let entry = Entry { ty: Shared::new(ty.try_clone()?)?, users: 1 };
        self.numbers.try_reserve(1)?;
        // Room to free the number again, so that `unregister` cannot fail.
        let numbers = self.entries.len() + 1;
        let bytes = numbers * size_of::<u32>();
        self.free.try_reserve(numbers).map_err(|_| Error::OutOfMemory { bytes })?;
        let id = match self.free.pop() {
            Some(id) => {
                if let Some(place) = self.entries.get_mut(id as usize) {
                    *place = Some(entry);
                }
                id
            }
            None => {
                let id = self.entries.len() as u32;
                alloc::try_push(&mut self.entries, Some(entry))?;
                id
            }
        };
        self.numbers.insert(hash, id);
        Ok(id)
    }

    /// Counts one user fewer.
    pub(crate) fn unregister(&mut self, id: u32) {
        let Some(place) = self.entries.get_mut(id as usize) else { return };
        let Some(entry) = place else { return };
        entry.users -= 1;
        if entry.users == 0 {
            self.numbers.remove(self.hasher.hash_one(&*entry.ty), id);
            *place = None;
            // Room was made when the number was given out.
            self.free.push(id);
        }
    }

    /// The type with this number.
    pub(crate) fn get(&self, id: u32) -> Option<Shared<FuncType>> {
        Some(self.entry(id)?.ty.clone())
    }

    fn entry(&self, id: u32) -> Option<&Entry> {
        self.entries.get(id as usize)?.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifact::ValType;

    #[test]
    fn equal_types_share_a_number_and_numbers_are_reused() {
        let mut registry = TypeRegistry::default();
        let ty = |params: &[ValType]| FuncType::new(params.iter().copied(), []).unwrap();
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
}
