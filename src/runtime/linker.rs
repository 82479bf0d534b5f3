//! [`Linker`]: definitions by name, from which modules take their imports.
//!
//! Host functions defined here belong to no store until a module that imports
//! them is instantiated, so one linker can serve many stores of one data type.

use super::caller::Caller;
use super::engine::Engine;
use super::external::Extern;
use super::func::{self, Func};
use super::host_func::HostDef;
use super::instance::Instance;
use super::instantiate::{self, Definition};
use super::into_func::IntoFunc;
use super::link;
use super::module::Module;
use super::shared::Shared;
use super::store::{AsContext, AsContextMut};
use super::value::Val;
use crate::alloc;
use crate::artifact::{ExternType, FuncType};
use crate::error::{Error, LinkReason, Result};
use core::marker::PhantomData;
use hashbrown::HashMap;
use std_alloc::{string::String, vec::Vec};

/// Definitions by module and item name.
pub struct Linker<T: 'static> {
    engine: Engine,
    modules: HashMap<String, HashMap<String, Item>>,
    allow_shadowing: bool,
    _data: PhantomData<fn(T)>,
}

#[derive(Clone)]
enum Item {
    Extern(Extern),
    Host(Shared<HostDef>),
}

impl Item {
    fn definition(&self) -> Definition<'_> {
        match self {
            Item::Extern(item) => Definition::Extern(*item),
            Item::Host(def) => Definition::Host(def),
        }
    }
}

impl<T: 'static> Linker<T> {
    /// A linker without definitions.
    pub fn new(engine: &Engine) -> Self {
        let (engine, modules) = (engine.clone(), HashMap::new());
        Self { engine, modules, allow_shadowing: false, _data: PhantomData }
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Whether a name can be defined anew. Off by default.
    pub fn allow_shadowing(&mut self, allow: bool) -> &mut Self {
        self.allow_shadowing = allow;
        self
    }

    /// Defines a name as something of a store.
    ///
    /// # Errors
    /// [`Error::Link`] if the name is taken; [`crate::Misuse::WrongStore`].
    pub fn define(
        &mut self,
        store: impl AsContext<Data = T>,
        module: &str,
        name: &str,
        item: impl Into<Extern>,
    ) -> Result<&mut Self> {
        let item = item.into();
        item.check_store(store.as_context().opaque())?;
        self.insert(module, name, Item::Extern(item))
    }

    /// Defines a host function by a closure; see [`Func::wrap`] for its types.
    ///
    /// # Errors
    /// [`Error::Link`] if the name is taken; [`Error::OutOfMemory`].
    pub fn func_wrap<Params, Results>(
        &mut self,
        module: &str,
        name: &str,
        func: impl IntoFunc<T, Params, Results>,
    ) -> Result<&mut Self> {
        let def = func::wrapped_def(&self.engine, func)?;
        self.insert(module, name, Item::Host(def))
    }

    /// Defines a host function whose type is only known when the program runs.
    ///
    /// # Errors
    /// [`Error::Link`] if the name is taken; [`Error::OutOfMemory`].
    pub fn func_new(
        &mut self,
        module: &str,
        name: &str,
        ty: FuncType,
        func: impl Fn(Caller<'_, T>, &[Val], &mut [Val]) -> Result<()> + Send + Sync + 'static,
    ) -> Result<&mut Self> {
        let def = func::dynamic_def(&self.engine, &ty, func)?;
        self.insert(module, name, Item::Host(def))
    }

    /// Defines all exports of an instance under `module`.
    ///
    /// # Errors
    /// [`Error::Link`] if a name is taken; [`crate::Misuse::WrongStore`].
    pub fn instance(
        &mut self,
        store: impl AsContext<Data = T>,
        module: &str,
        instance: Instance,
    ) -> Result<&mut Self> {
        for (name, item) in instance.exports(store.as_context())? {
            self.insert(module, name, Item::Extern(item))?;
        }
        Ok(self)
    }

    /// Instantiates a module and defines its exports under `name`.
    ///
    /// # Errors
    /// As for [`Self::instantiate`] and [`Self::instance`].
    pub fn module(
        &mut self,
        mut store: impl AsContextMut<Data = T>,
        name: &str,
        module: &Module,
    ) -> Result<&mut Self> {
        let instance = self.instantiate(&mut store, module)?;
        self.instance(store, name, instance)
    }

    /// Defines `as_module::as_name` to be what `module::name` is now.
    ///
    /// # Errors
    /// [`Error::Link`] if there is no such definition or the new name is taken.
    pub fn alias(
        &mut self,
        module: &str,
        name: &str,
        as_module: &str,
        as_name: &str,
    ) -> Result<&mut Self> {
        let Some(item) = self.lookup(module, name).cloned() else {
            return Err(link::link_error(module, name, LinkReason::Unknown));
        };
        self.insert(as_module, as_name, item)
    }

    /// Defines everything in `module` under `as_module`, too.
    ///
    /// # Errors
    /// [`Error::Link`] if there is no such module or a name is taken.
    pub fn alias_module(&mut self, module: &str, as_module: &str) -> Result<&mut Self> {
        let Some(items) = self.modules.get(module) else {
            return Err(link::link_error(module, "", LinkReason::Unknown));
        };
        let mut copies: Vec<(String, Item)> = alloc::try_vec_with_capacity(items.len())?;
        for (name, item) in items {
            copies.push((alloc::try_string(name)?, item.clone()));
        }
        for (name, item) in copies {
            self.insert(as_module, &name, item)?;
        }
        Ok(self)
    }

    /// Defines each import of a module that is not defined yet and is a
    /// function as one that traps when called.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn define_unknown_imports_as_traps(&mut self, module: &Module) -> Result<&mut Self> {
        for import in module.imports() {
            let (from, name) = (import.module(), import.name());
            if self.lookup(from, name).is_some() {
                continue;
            }
            if let ExternType::Func(ty) = import.ty()? {
                self.func_new(from, name, ty, |_, _, _| {
                    Err(crate::abi::Trap::UnreachableCodeReached.into())
                })?;
            }
        }
        Ok(self)
    }

    /// A definition, as something of `store`.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`] when a host function cannot be put there.
    pub fn get(
        &self,
        mut store: impl AsContextMut<Data = T>,
        module: &str,
        name: &str,
    ) -> Result<Option<Extern>> {
        Ok(match self.lookup(module, name) {
            None => None,
            Some(Item::Extern(item)) => Some(*item),
            Some(Item::Host(def)) => {
                let mut store = store.as_context_mut();
                Some(Func::from_def(store.opaque_mut(), def.clone())?.into())
            }
        })
    }

    /// Instantiates a module with the definitions that it imports.
    ///
    /// # Errors
    /// As for [`Instance::new`]; [`Error::Link`] for a missing import.
    pub fn instantiate(
        &self,
        mut store: impl AsContextMut<Data = T>,
        module: &Module,
    ) -> Result<Instance> {
        let imports = &module.info().imports;
        let mut items: Vec<Option<&Item>> = alloc::try_vec_with_capacity(imports.len())?;
        items.extend(imports.iter().map(|import| self.lookup(&import.module, &import.name)));
        let imports = |at: usize| items.get(at).copied().flatten().map(Item::definition);
        let store = store.as_context_mut().ptr();
        // SAFETY: the store is borrowed exclusively, and its data is a `T`, as
        // host functions of this linker expect.
        unsafe { instantiate::instantiate(store, module, &imports) }
    }

    fn lookup(&self, module: &str, name: &str) -> Option<&Item> {
        self.modules.get(module)?.get(name)
    }

    fn insert(&mut self, module: &str, name: &str, item: Item) -> Result<&mut Self> {
        let no_room = |_| Error::OutOfMemory { bytes: size_of::<(String, Item)>() };
        if !self.modules.contains_key(module) {
            self.modules.try_reserve(1).map_err(no_room)?;
            self.modules.insert(alloc::try_string(module)?, HashMap::new());
        }
        let Some(items) = self.modules.get_mut(module) else {
            return Err(Error::Bug("module vanished from a linker"));
        };
        match items.get_mut(name) {
            Some(place) if self.allow_shadowing => *place = item,
            Some(_) => return Err(link::link_error(module, name, LinkReason::Duplicate)),
            None => {
                items.try_reserve(1).map_err(no_room)?;
                items.insert(alloc::try_string(name)?, item);
            }
        }
        Ok(self)
    }
}

impl<T: 'static> core::fmt::Debug for Linker<T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Linker").field("modules", &self.modules.len()).finish_non_exhaustive()
    }
}
