//! [`Definitions`]: what a linker defines, by module and item name.

use super::external::Extern;
use super::host_item::HostItem;
use super::link::{self, Definition};
use crate::alloc;
use crate::engine::index_table::IndexTable;
use crate::error::{LinkReason, Result};
use core::hash::BuildHasher;
use hashbrown::DefaultHashBuilder;
use std_alloc::string::String;
use std_alloc::vec::Vec;

/// What is defined, for stores whose data is a `T`.
pub(super) enum Item<T: 'static> {
    Extern(Extern),
    Host(HostItem<T>),
}

impl<T: 'static> Clone for Item<T> {
    fn clone(&self) -> Self {
        match self {
            Item::Extern(item) => Item::Extern(*item),
            Item::Host(item) => Item::Host(item.clone()),
        }
    }
}

impl<T: 'static> Item<T> {
    pub(super) fn definition(&self) -> Definition<'_> {
        match self {
            Item::Extern(item) => Definition::Extern(*item),
            Item::Host(item) => Definition::Host(item.def()),
        }
    }
}

struct Named<T: 'static> {
    module: String,
    name: String,
    item: Item<T>,
}

/// Definitions by module and item name.
pub(super) struct Definitions<T: 'static> {
    list: Vec<Named<T>>,
    by_name: IndexTable,
    hasher: DefaultHashBuilder,
    pub(super) allow_shadowing: bool,
}

impl<T: 'static> Definitions<T> {
    pub(super) fn new() -> Self {
        let (by_name, hasher) = (IndexTable::default(), DefaultHashBuilder::default());
        Self { list: Vec::new(), by_name, hasher, allow_shadowing: false }
    }

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    fn hash(&self, module: &str, name: &str) -> u64 {
        self.hasher.hash_one((module, name))
    }

    fn find(&self, hash: u64, module: &str, name: &str) -> Option<usize> {
        let same = |at: u32| {
            let known = self.list.get(at as usize);
            known.is_some_and(|known| known.name == name && known.module == module)
        };
        self.by_name.find(hash, &same).map(|at| at as usize)
    }

    pub(super) fn get(&self, module: &str, name: &str) -> Option<&Item<T>> {
        let at = self.find(self.hash(module, name), module, name)?;
        self.list.get(at).map(|known| &known.item)
    }

    pub(super) fn insert(&mut self, module: &str, name: &str, item: Item<T>) -> Result<()> {
        let hash = self.hash(module, name);
        let known = self.find(hash, module, name).and_then(|at| self.list.get_mut(at));
        if let Some(known) = known {
            if !self.allow_shadowing {
                return Err(link::link_error(module, name, LinkReason::Duplicate));
            }
            known.item = item;
            return Ok(());
        }
        let (module, name) = (alloc::try_string(module)?, alloc::try_string(name)?);
        self.by_name.try_reserve(1)?;
        let at = self.list.len() as u32;
        alloc::try_push(&mut self.list, Named { module, name, item })?;
        self.by_name.insert(hash, at);
        Ok(())
    }

    /// Defines `as_module::as_name` to be what `module::name` is.
    pub(super) fn alias(
        &mut self,
        module: &str,
        name: &str,
        as_module: &str,
        as_name: &str,
    ) -> Result<()> {
        let Some(item) = self.get(module, name).cloned() else {
            return Err(link::link_error(module, name, LinkReason::Unknown));
        };
        self.insert(as_module, as_name, item)
    }

    /// Defines everything in `module` under `as_module`, too.
    pub(super) fn alias_module(&mut self, module: &str, as_module: &str) -> Result<()> {
        let of_module = || self.list.iter().filter(|known| known.module == module);
        let mut copies = alloc::try_vec_with_capacity(of_module().count())?;
        for known in of_module() {
            copies.push((alloc::try_string(&known.name)?, known.item.clone()));
        }
        if copies.is_empty() {
            return Err(link::link_error(module, "", LinkReason::Unknown));
        }
        copies.into_iter().try_for_each(|(name, item)| self.insert(as_module, &name, item))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Config, Engine};
    use crate::runtime::{Func, Store};

    #[test]
    fn finds_what_was_put_in_in_any_order() {
        let mut store = Store::new(&Engine::new(&Config::new()).unwrap(), ()).unwrap();
        let func = Func::wrap(&mut store, || ()).unwrap();
        let mut definitions = Definitions::<()>::new();
        let names = ["m", "", "z", "a", "mm", "b"];
        for module in names {
            for name in names {
                assert!(definitions.get(module, name).is_none());
                definitions.insert(module, name, Item::Extern(func.into())).unwrap();
                assert!(definitions.insert(module, name, Item::Extern(func.into())).is_err());
            }
        }
        assert_eq!(definitions.len(), names.len() * names.len());
        assert!(names.iter().all(|m| names.iter().all(|n| definitions.get(m, n).is_some())));
        definitions.alias_module("z", "y").unwrap();
        definitions.alias("a", "b", "y", "c").unwrap();
        assert!(definitions.get("y", "mm").is_some() && definitions.get("y", "c").is_some());
        assert!(definitions.alias_module("z", "y").is_err());
    }
}
