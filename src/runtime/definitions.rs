//! [`Definitions`]: what a linker defines, by module and item name, and
//! [`Items`]: the part of it that a module imports.
//!
//! Invariant: host functions among them expect a store's data to be a `T`. What
//! is inside does not depend on `T`, so that it is compiled once.

use super::external::Extern;
use super::func::Func;
use super::host_item::HostItem;
use super::link::{self, Definition};
use super::store::StoreContextMut;
use crate::alloc;
use crate::engine::Engine;
use crate::engine::Module;
use crate::engine::index_table::IndexTable;
use crate::engine::shared::Shared;
use crate::error::{LinkReason, Result};
use crate::vm::host_def::HostDef;
use core::hash::BuildHasher;
use core::marker::PhantomData;
use hashbrown::DefaultHashBuilder;
use std_alloc::boxed::Box;
use std_alloc::string::String;
use std_alloc::vec::Vec;

/// Definitions for stores whose data is a `T`.
pub(super) struct Definitions<T: 'static> {
    list: List,
    _data: PhantomData<fn(T) -> T>,
}

impl<T: 'static> Definitions<T> {
    pub(super) fn new(engine: &Engine) -> Self {
        let seed = engine.config().hash_seed;
        Self { list: List::new(seed), _data: PhantomData }
    }

    pub(super) fn allow_shadowing(&mut self, allow: bool) {
        self.list.allow_shadowing = allow;
    }

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    pub(super) fn names(&self) -> impl Iterator<Item = (&str, &str)> {
        self.list.list.iter().map(|known| (&*known.module, &*known.name))
    }

    pub(super) fn get(&self, module: &str, name: &str) -> Option<Found<'_, T>> {
        self.list.get(module, name).map(|item| Found { item, _data: PhantomData })
    }

    pub(super) fn define(&mut self, module: &str, name: &str, item: Extern) -> Result<()> {
        self.list.insert(module, name, Item::Extern(item))
    }

    #[inline(never)]
    pub(super) fn define_host(
        &mut self,
        module: &str,
        name: &str,
        item: HostItem<T>,
    ) -> Result<()> {
        self.list.insert(module, name, Item::Host(item.into_def()))
    }

    /// Defines `as_module::as_name` to be what `module::name` is.
    pub(super) fn alias(
        &mut self,
        module: &str,
        name: &str,
        as_module: &str,
        as_name: &str,
    ) -> Result<()> {
        self.list.alias(module, name, as_module, as_name)
    }

    /// Defines everything in `module` under `as_module`, too.
    pub(super) fn alias_module(&mut self, module: &str, as_module: &str) -> Result<()> {
        self.list.alias_module(module, as_module)
    }

    /// What a module imports.
    ///
    /// # Errors
    /// [`crate::Error::Link`] for a missing import; [`crate::Error::OutOfMemory`].
    pub(super) fn items_of(&self, module: &Module) -> Result<Items<T>> {
        Ok(Items { list: self.list.items_of(module)?, _data: PhantomData })
    }
}

/// A definition, for stores whose data is a `T`.
pub(super) struct Found<'d, T: 'static> {
    item: &'d Item,
    _data: PhantomData<fn(T) -> T>,
}

impl<'d, T: 'static> Found<'d, T> {
    pub(super) fn definition(self) -> Definition<'d> {
        match self.item {
            Item::Extern(item) => Definition::Extern(*item),
            Item::Host(def) => Definition::Host(def),
        }
    }

    /// The definition as something of a store.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`] when a host function cannot be put there.
    pub(super) fn to_extern(&self, store: &mut StoreContextMut<'_, T>) -> Result<Extern> {
        Ok(match self.item {
            Item::Extern(item) => *item,
            Item::Host(def) => {
                Extern::Func(Func { pinned: store.opaque_mut().add_host_func(def.clone())? })
            }
        })
    }
}

/// What a module imports, for stores whose data is a `T`.
pub(super) struct Items<T: 'static> {
    list: Box<[Item]>,
    _data: PhantomData<fn(T) -> T>,
}

impl<T: 'static> Items<T> {
    /// What the n-th import resolves to.
    pub(super) fn get(&self, at: usize) -> Option<Found<'_, T>> {
        self.list.get(at).map(|item| Found { item, _data: PhantomData })
    }
}

/// What is defined.
#[derive(Clone)]
enum Item {
    Extern(Extern),
    Host(Shared<HostDef>),
}

struct Named {
    module: String,
    name: String,
    item: Item,
}

struct List {
    list: Vec<Named>,
    by_name: IndexTable,
    hasher: DefaultHashBuilder,
    /// [`crate::Config::hash_seed`]: names may be a guest's choice.
    seed: u64,
    allow_shadowing: bool,
}

impl List {
    fn new(seed: u64) -> Self {
        let (by_name, hasher) = (IndexTable::default(), DefaultHashBuilder::default());
        Self { list: Vec::new(), by_name, hasher, seed, allow_shadowing: false }
    }

    fn len(&self) -> usize {
        self.list.len()
    }

    fn hash(&self, module: &str, name: &str) -> u64 {
        self.hasher.hash_one((self.seed, module, name))
    }

    fn find(&self, hash: u64, module: &str, name: &str) -> Option<usize> {
        let same = |at: u32| {
            let known = self.list.get(at as usize);
            known.is_some_and(|known| known.name == name && known.module == module)
        };
        self.by_name.find(hash, &same).map(|at| at as usize)
    }

    fn get(&self, module: &str, name: &str) -> Option<&Item> {
        let at = self.find(self.hash(module, name), module, name)?;
        self.list.get(at).map(|known| &known.item)
    }

    fn insert(&mut self, module: &str, name: &str, item: Item) -> Result<()> {
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
    fn alias(&mut self, module: &str, name: &str, as_module: &str, as_name: &str) -> Result<()> {
        let Some(item) = self.get(module, name).cloned() else {
            return Err(link::link_error(module, name, LinkReason::Unknown));
        };
        self.insert(as_module, as_name, item)
    }

    /// Defines everything in `module` under `as_module`, too.
    fn alias_module(&mut self, module: &str, as_module: &str) -> Result<()> {
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

    fn items_of(&self, module: &Module) -> Result<Box<[Item]>> {
        let imports = &module.info().imports;
        let mut items = alloc::try_vec_with_capacity(imports.len())?;
        for import in imports {
            let item = self.get(&import.module, &import.name).cloned();
            items.push(item.ok_or_else(|| link::unknown(import))?);
        }
        Ok(alloc::try_boxed_slice(items)?)
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
        let mut definitions = List::new(0);
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
