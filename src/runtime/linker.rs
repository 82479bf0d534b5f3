//! [`Linker`]: definitions by name, from which modules take their imports.
//!
//! Host functions defined here belong to no store until a module that imports
//! them is instantiated, so one linker can serve many stores of one data type.

use super::caller::Caller;
use super::definitions::Definitions;
use super::external::Extern;
use super::host_func;
use super::instance::Instance;
use super::instance_pre::InstancePre;
use super::into_func::IntoFunc;
use super::link;
use super::store::{AsContext, AsContextMut};
use super::value::Val;
use crate::alloc;
use crate::artifact::{ExternType, FuncType};
use crate::engine::Engine;
use crate::engine::Module;
use crate::error::{LinkReason, Result};

/// Definitions by module and item name.
///
/// Its host functions read and write the data of a store, so neither a longer
/// nor a shorter lifetime in `T` will do:
///
/// ```compile_fail
/// use kernref::Linker;
/// fn shorten(linker: Linker<fn(&'static str)>) -> Linker<fn(&str)> {
///     linker
/// }
/// ```
pub struct Linker<T: 'static> {
    engine: Engine,
    definitions: Definitions<T>,
}

impl<T: 'static> Linker<T> {
    /// A linker without definitions.
    pub fn new(engine: &Engine) -> Self {
        Self { engine: engine.clone(), definitions: Definitions::new(engine) }
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Whether a name can be redefined. Off by default.
    pub fn allow_shadowing(&mut self, allow: bool) -> &mut Self {
        self.definitions.allow_shadowing(allow);
        self
    }

    /// Defines a name as something of a store.
    ///
    /// # Errors
    /// [`crate::Error::Link`] if the name is taken; [`crate::Misuse::WrongStore`].
    pub fn define(
        &mut self,
        store: impl AsContext<Data = T>,
        module: &str,
        name: &str,
        item: impl Into<Extern>,
    ) -> Result<&mut Self> {
        let item = item.into();
        item.store().check(store.as_context().opaque())?;
        self.definitions.define(module, name, item)?;
        Ok(self)
    }

    /// Defines a host function by a closure; see [`crate::Func::wrap`] for its types.
    ///
    /// # Errors
    /// [`crate::Error::Link`] if the name is taken; [`crate::Error::OutOfMemory`].
    pub fn func_wrap<Params, Results>(
        &mut self,
        module: &str,
        name: &str,
        func: impl IntoFunc<T, Params, Results>,
    ) -> Result<&mut Self> {
        let item = host_func::wrapped_item(&self.engine, func)?;
        self.definitions.define_host(module, name, item)?;
        Ok(self)
    }

    /// Defines a host function whose type is only known at run time.
    ///
    /// # Errors
    /// [`crate::Error::Link`] if the name is taken; [`crate::Error::OutOfMemory`].
    pub fn func_new(
        &mut self,
        module: &str,
        name: &str,
        ty: FuncType,
        func: impl Fn(Caller<'_, T>, &[Val], &mut [Val]) -> Result<()> + Send + Sync + 'static,
    ) -> Result<&mut Self> {
        let item = host_func::dynamic_item(&self.engine, &ty, func)?;
        self.definitions.define_host(module, name, item)?;
        Ok(self)
    }

    /// Defines all exports of an instance under `module`.
    ///
    /// # Errors
    /// [`crate::Error::Link`] if a name is taken; [`crate::Misuse::WrongStore`].
    pub fn instance(
        &mut self,
        store: impl AsContext<Data = T>,
        module: &str,
        instance: Instance,
    ) -> Result<&mut Self> {
        for (name, item) in instance.exports(store.as_context())? {
            self.definitions.define(module, name, item)?;
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
    /// [`crate::Error::Link`] if there is no such definition or the new name is taken.
    pub fn alias(
        &mut self,
        module: &str,
        name: &str,
        as_module: &str,
        as_name: &str,
    ) -> Result<&mut Self> {
        self.definitions.alias(module, name, as_module, as_name)?;
        Ok(self)
    }

    /// Defines everything in `module` under `as_module`, too.
    ///
    /// # Errors
    /// [`crate::Error::Link`] if there is no such module or a name is taken.
    pub fn alias_module(&mut self, module: &str, as_module: &str) -> Result<&mut Self> {
        self.definitions.alias_module(module, as_module)?;
        Ok(self)
    }

    /// Whether a name is defined.
    pub fn contains(&self, module: &str, name: &str) -> bool {
        self.definitions.get(module, name).is_some()
    }

    /// Module and item names of all definitions, in the order in which they were made.
    pub fn names(&self) -> impl Iterator<Item = (&str, &str)> {
        self.definitions.names()
    }

    /// Defines each function that a module imports and that is not defined yet
    /// as one that ends the guest when called, with an error that names it
    /// ([`crate::LinkReason::Unknown`]).
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`].
    pub fn define_unknown_imports_as_traps(&mut self, module: &Module) -> Result<&mut Self> {
        for import in module.imports() {
            let (from, name) = (import.module(), import.name());
            if self.contains(from, name) {
                continue;
            }
            if let ExternType::Func(ty) = import.ty()? {
                let named = (alloc::try_string(from)?, alloc::try_string(name)?);
                self.func_new(from, name, ty, move |_, _, _| {
                    Err(link::link_error(&named.0, &named.1, LinkReason::Unknown))
                })?;
            }
        }
        Ok(self)
    }

    /// Defines each function that a module imports and that is not defined yet
    /// as one that returns zeros and nulls.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`].
    pub fn define_unknown_imports_as_default_values(
        &mut self,
        module: &Module,
    ) -> Result<&mut Self> {
        for import in module.imports() {
            let (from, name) = (import.module(), import.name());
            if self.contains(from, name) {
                continue;
            }
            if let ExternType::Func(ty) = import.ty()? {
                // Results are zeros and nulls when a host function is called.
                self.func_new(from, name, ty, |_, _, _| Ok(()))?;
            }
        }
        Ok(self)
    }

    /// A definition, as something of `store`.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`] when a host function cannot be put there.
    pub fn get(
        &self,
        mut store: impl AsContextMut<Data = T>,
        module: &str,
        name: &str,
    ) -> Result<Option<Extern>> {
        let found = self.definitions.get(module, name);
        found.map(|found| found.to_extern(&mut store.as_context_mut())).transpose()
    }

    /// Instantiates a module with the definitions that it imports.
    ///
    /// # Errors
    /// As for [`Instance::new`]; [`crate::Error::Link`] for a missing import.
    pub fn instantiate(
        &self,
        mut store: impl AsContextMut<Data = T>,
        module: &Module,
    ) -> Result<Instance> {
        let imports = &module.info().imports;
        let find = |at: usize| {
            let import = imports.get(at)?;
            self.definitions.get(&import.module, &import.name)
        };
        Instance::of_items(store.as_context_mut(), module, find)
    }

    /// Looks up what a module imports, to instantiate it many times.
    ///
    /// # Errors
    /// [`crate::Error::Link`] for a missing import or a host function of
    /// another type; [`crate::Error::OutOfMemory`].
    pub fn instantiate_pre(&self, module: &Module) -> Result<InstancePre<T>> {
        InstancePre::new(module, self.definitions.items_of(module)?)
    }
}

impl<T: 'static> core::fmt::Debug for Linker<T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Linker")
            .field("definitions", &self.definitions.len())
            .finish_non_exhaustive()
    }
}
