//! Resolves imports: finds what satisfies each, checks it, and says as text
//! what does not match.

use super::external::Extern;
use crate::abi::TypeIndex;
use crate::alloc;
use crate::artifact::{ExternType, Import, ImportKind};
use crate::engine::Module;
use crate::engine::shared::Shared;
use crate::error::{Error, LinkError, LinkReason, Result};
use crate::vm::host_def::HostDef;
use crate::vm::instantiate::VmImport;
use crate::vm::store::StoreOpaque;
use core::ptr::NonNull;
use std_alloc::vec::Vec;

/// What satisfies an import.
#[derive(Clone, Copy)]
pub(super) enum Definition<'d> {
    /// Something of the store.
    Extern(Extern),
    /// A host function that is not in any store; its data type is right.
    Host(&'d Shared<HostDef>),
}

/// Returns the definition of the n-th import.
pub(super) type Imports<'i, 'd> = &'i dyn Fn(usize) -> Option<Definition<'d>>;

/// Checks every import and finds what the store has for it. What is found lives
/// as long as the store and the definitions.
///
/// # Errors
/// [`Error::Link`], [`crate::Misuse::WrongStore`], [`crate::Misuse::WrongEngine`].
pub(super) fn resolve(
    store: &StoreOpaque,
    module: &Module,
    imports: Imports<'_, '_>,
) -> Result<Vec<VmImport>> {
    store.engine.check_same(module.engine())?;
    let imported = &module.info().imports;
    let mut resolved = alloc::try_vec_with_capacity(imported.len())?;
    for (at, import) in imported.iter().enumerate() {
        let Some(definition) = imports(at) else { return Err(unknown(import)) };
        if let Definition::Extern(found) = definition {
            found.store().check(store)?;
        }
        match resolve_one(store, module, definition, import.kind)? {
            Some(found) => resolved.push(found),
            None => return Err(incompatible(module, at, type_of(store, definition))),
        }
    }
    Ok(resolved)
}

/// Checks what can be checked without a store: that there is something for each
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

/// What an import resolves to; `None` if that has another type.
fn resolve_one(
    store: &StoreOpaque,
    module: &Module,
    definition: Definition<'_>,
    wanted: ImportKind,
) -> Result<Option<VmImport>> {
    let type_id = |ty: TypeIndex| module.type_ids().get(ty.index()).copied();
    let (is_same, import) = match (wanted, definition) {
        (ImportKind::Func(ty), Definition::Host(def)) => {
            store.engine.check_same(def.engine())?;
            (type_id(ty) == Some(def.type_id()), VmImport::HostFunc(NonNull::from(def)))
        }
        (ImportKind::Func(ty), Definition::Extern(Extern::Func(func))) => {
            let import = match func.pinned.host_def(store)? {
                Some(def) => VmImport::HostFunc(def),
                None => VmImport::Func(func.pinned.in_store(store)?),
            };
            (type_id(ty) == Some(func.pinned.type_id(store)?), import)
        }
        (ImportKind::Table(wanted), Definition::Extern(Extern::Table(table))) => {
            let found = table.data_in(store)?;
            (found.ty().satisfies(found.len(), &wanted), VmImport::Table(table.index))
        }
        (ImportKind::Memory(wanted), Definition::Extern(Extern::Memory(memory))) => {
            let found = memory.data_in(store)?;
            (found.ty().satisfies(found.pages(), &wanted), VmImport::Memory(memory.index))
        }
        (ImportKind::Global(wanted), Definition::Extern(Extern::Global(global))) => {
            (global.ty_in(store)? == wanted, VmImport::Global(global.pinned.in_store(store)?))
        }
        _ => return Ok(None),
    };
    Ok(is_same.then_some(import))
}

/// The link error for a name, or [`Error::OutOfMemory`] if it cannot be made.
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
        let expected = alloc::try_to_string(&import.ty()?)?;
        let found = alloc::try_to_string(&found?)?;
        let reason = LinkReason::IncompatibleType { expected, found };
        Ok(link_error(import.module(), import.name(), reason))
    };
    make().unwrap_or_else(|error| error)
}
