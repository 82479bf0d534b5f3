//! Checks imports against what is to satisfy them, and says in text form what
//! does not match.

use super::external::Extern;
use super::instantiate::{Definition, Imports};
use super::module::Module;
use super::store::StoreOpaque;
use crate::alloc;
use crate::artifact::{ExternType, Import, ImportKind};
use crate::error::{Error, LinkError, LinkReason, Result};
use core::fmt::{self, Write};
use std_alloc::string::String;

/// Checks every import. Returns how many of them are host functions.
pub(super) fn check_imports(
    store: &StoreOpaque,
    module: &Module,
    imports: Imports<'_, '_>,
) -> Result<u32> {
    let mut host_imports = 0;
    for (at, import) in module.info().imports.iter().enumerate() {
        let Some(definition) = imports(at) else { return Err(unknown(import)) };
        if let Definition::Extern(found) = definition {
            found.check_store(store)?;
        }
        if !satisfies(store, module, definition, import.kind)? {
            return Err(incompatible(module, at, type_of(store, definition)));
        }
        host_imports += u32::from(is_host_func(store, definition)?);
    }
    Ok(host_imports)
}

/// Checks what can be without a store: that there is something for each
/// import, and the types of host functions that are not in any store.
pub(super) fn check_definitions(module: &Module, imports: Imports<'_, '_>) -> Result<()> {
    for (at, import) in module.info().imports.iter().enumerate() {
        let Some(definition) = imports(at) else { return Err(unknown(import)) };
        let Definition::Host(def) = definition else { continue };
        module.engine().check_same(def.engine())?;
        let wanted = match import.kind {
            ImportKind::Func(ty) => module.type_ids().get(ty.index()).copied(),
            _ => None,
        };
        if wanted != Some(def.type_id()) {
            return Err(incompatible(module, at, def.ty().try_clone().map(ExternType::Func)));
        }
    }
    Ok(())
}

fn is_host_func(store: &StoreOpaque, definition: Definition<'_>) -> Result<bool> {
    match definition {
        Definition::Host(_) => Ok(true),
        Definition::Extern(Extern::Func(func)) => Ok(func.host_def(store)?.is_some()),
        Definition::Extern(_) => Ok(false),
    }
}

fn satisfies(
    store: &StoreOpaque,
    module: &Module,
    definition: Definition<'_>,
    wanted: ImportKind,
) -> Result<bool> {
    let type_id = |ty: crate::abi::TypeIndex| module.type_ids().get(ty.index()).copied();
    Ok(match (wanted, definition) {
        (ImportKind::Func(ty), Definition::Host(def)) => {
            store.engine.check_same(def.engine())?;
            type_id(ty) == Some(def.type_id())
        }
        (ImportKind::Func(ty), Definition::Extern(Extern::Func(func))) => {
            type_id(ty) == Some(func.type_id(store)?)
        }
        (ImportKind::Table(wanted), Definition::Extern(Extern::Table(table))) => {
            let table = table.data_in(store)?;
            table.ty().satisfies(table.len(), &wanted)
        }
        (ImportKind::Memory(wanted), Definition::Extern(Extern::Memory(memory))) => {
            let memory = memory.data_in(store)?;
            memory.ty().satisfies(memory.pages(), &wanted)
        }
        (ImportKind::Global(wanted), Definition::Extern(Extern::Global(global))) => {
            global.ty_in(store)? == wanted
        }
        _ => false,
    })
}

/// A string whose growth can fail.
struct Text {
    text: String,
    refused_bytes: usize,
}

impl Write for Text {
    fn write_str(&mut self, more: &str) -> fmt::Result {
        if self.text.try_reserve(more.len()).is_err() {
            self.refused_bytes = more.len();
            return Err(fmt::Error);
        }
        self.text.push_str(more);
        Ok(())
    }
}

/// The text form of a type.
fn text_of(ty: &ExternType) -> Result<String> {
    let mut text = Text { text: String::new(), refused_bytes: 0 };
    match write!(text, "{ty}") {
        Ok(()) => Ok(text.text),
        Err(fmt::Error) => Err(Error::OutOfMemory { bytes: text.refused_bytes }),
    }
}

/// The error for a name, or that there is no memory to say so.
pub(super) fn link_error(module: &str, name: &str, reason: LinkReason) -> Error {
    let make = || -> Result<Error> {
        let (module, name) = (alloc::try_string(module)?, alloc::try_string(name)?);
        Ok(Error::Link(alloc::try_box(LinkError { module, name, reason })?))
    };
    make().unwrap_or_else(|error| error)
}

pub(super) fn unknown(import: &Import) -> Error {
    link_error(&import.module, &import.name, LinkReason::Unknown)
}

/// The type of what was found.
fn type_of(store: &StoreOpaque, found: Definition<'_>) -> Result<ExternType> {
    match found {
        Definition::Host(def) => Ok(ExternType::Func(def.ty().try_clone()?)),
        Definition::Extern(found) => found.ty_in(store),
    }
}

#[cold]
#[inline(never)]
fn incompatible(module: &Module, at: usize, found: Result<ExternType>) -> Error {
    let make = || -> Result<Error> {
        let import = module.imports().nth(at).ok_or(Error::Bug("import vanished"))?;
        let expected = text_of(&import.ty()?)?;
        let found = text_of(&found?)?;
        let reason = LinkReason::IncompatibleType { expected, found };
        Ok(link_error(import.module(), import.name(), reason))
    };
    make().unwrap_or_else(|error| error)
}
