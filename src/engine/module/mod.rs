//! [`Module`]: an artifact whose code is published, with the engine's numbers
//! for its types. Immutable and shared; stores keep the modules they run alive.
//!
//! Invariant: every code address handed out lies inside the published code
//! and starts a function, shim or stub of the kind its name says.

mod declared;
mod serialized;

pub use declared::{ExportType, ImportType};

use super::handle::Engine;
use super::known_code::KnownCode;
use super::shared::Shared;
use crate::abi::{FuncIndex, TypeIndex, VmOffsets, VmStoreContext};
use crate::alloc::{self, PublishedCode};
use crate::arch;
use crate::artifact::{
    Artifact, ArtifactParts, CodeSite, ExternType, FunctionCode, ModuleInfo, NO_ESCAPE, ShimCode,
    StackMaps,
};
use crate::error::{Error, Result};
use crate::stack;
use core::ops::Range;
use std_alloc::{boxed::Box, vec::Vec};

/// A compiled WebAssembly module, ready to be instantiated.
#[derive(Clone)]
pub struct Module {
    inner: Shared<ModuleInner>,
}

struct ModuleInner {
    engine: Engine,
    /// All but the code.
    parts: ArtifactParts<()>,
    offsets: VmOffsets,
    /// Dropped before the code that it makes known.
    _known: Option<KnownCode>,
    code: Option<PublishedCode>,
    type_ids: TypeIds,
    escaping: Box<[Escaping]>,
    /// Code offset of the exit stub of each imported function.
    import_stubs: Box<[u32]>,
    /// Engine-wide type number and code offset of each exit stub.
    exit_stubs: Box<[(u32, u32)]>,
    /// Export indices sorted by name.
    exports_by_name: Box<[u32]>,
}

/// What a func ref of an escaping function is made from.
#[derive(Clone, Copy)]
pub(crate) struct Escaping {
    pub(crate) func: FuncIndex,
    pub(crate) type_id: u32,
    /// Code offsets of entry and entry shim; `None` for an imported function.
    pub(crate) code: Option<(u32, u32)>,
}

/// The engine's numbers for a module's types, counted while this lives.
struct TypeIds {
    engine: Engine,
    ids: Vec<u32>,
}

impl Drop for TypeIds {
    fn drop(&mut self) {
        for id in &self.ids {
            self.engine.unregister_type(*id);
        }
    }
}

impl TypeIds {
    fn get(&self, ty: TypeIndex) -> Result<u32> {
        self.ids.get(ty.index()).copied().ok_or(MALFORMED)
    }
}

const MALFORMED: Error = Error::Bug("artifact breaks its invariants");

impl Module {
    /// Compiles a module.
    ///
    /// # Errors
    /// [`Error::Malformed`] or [`Error::Unsupported`] for the guest's faults;
    /// [`Error::OutOfMemory`] when the code cannot be published.
    #[cfg(feature = "compile")]
    pub fn new(engine: &Engine, wasm: impl AsRef<[u8]>) -> Result<Self> {
        Self::from_artifact(engine, engine.precompile_module(wasm)?)
    }

    /// Publishes the code of an artifact, which may have been compiled for
    /// another engine that works as this one does.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]; [`Misuse::WrongFlavor`](crate::Misuse) if the
    /// code relies on what the engine or the processor does not offer;
    /// [`Error::Bug`] for a malformed artifact.
    pub fn from_artifact(engine: &Engine, artifact: Artifact) -> Result<Self> {
        let (code, parts) = artifact.into_parts().replace_code(());
        parts.flavor.check(engine.flavor())?;
        let code_len = u32::try_from(code.len()).map_err(|_| MALFORMED)?;
        if !parts.stack_maps.is_well_formed(code_len)? || !parts.sites.is_well_formed(code_len) {
            return Err(MALFORMED);
        }
        Self::publish(engine, parts, &code)
    }

    /// Publishes code of the engine's flavor, whose maps and sites are well-formed.
    fn publish(engine: &Engine, parts: ArtifactParts<()>, code: &[u8]) -> Result<Self> {
        let ArtifactParts { info, functions, entry_shims, exit_stubs, raise_thunk, .. } = &parts;
        let code_len = u32::try_from(code.len()).map_err(|_| MALFORMED)?;
        if functions.len() != defined_funcs(info)? {
            return Err(MALFORMED);
        }
        let offsets = info.offsets().ok_or(MALFORMED)?;
        let type_ids = register_types(engine, info)?;
        let escaping = escaping_funcs(info, &type_ids, functions, entry_shims, code_len)?;
        let import_stubs = import_stubs(info, &type_ids, exit_stubs, code_len)?;
        let mut stubs = alloc::try_vec_with_capacity(exit_stubs.len())?;
        for stub in exit_stubs {
            stubs.push((type_ids.get(stub.ty)?, within(stub.start, code_len)?));
        }
        let exit_stubs = alloc::try_boxed_slice(stubs)?;
        let exports_by_name = alloc::try_boxed_slice(info.exports_by_name()?)?;
        // If anything fails from here on, `known` is dropped before `code`: the
        // code is forgotten before it is freed.
        let code = match code.is_empty() {
            true => None,
            false => {
                let words = raise_words();
                let patch =
                    raise_thunk.map(|thunk| (thunk as usize + arch::RAISE_WORDS_AT, &words[..]));
                Some(PublishedCode::new(engine.code_memory().clone(), code, patch)?)
            }
        };
        let known = match &code {
            Some(code) => engine.make_known(code.base()..code.base() + code.len())?,
            None => None,
        };
        let inner = ModuleInner {
            engine: engine.clone(),
            exports_by_name,
            offsets,
            _known: known,
            code,
            type_ids,
            escaping,
            import_stubs,
            exit_stubs,
            parts,
        };
        Ok(Self { inner: Shared::new(inner)? })
    }

    /// The engine the module belongs to.
    pub fn engine(&self) -> &Engine {
        &self.inner.engine
    }

    /// The module's name, if it has a name section that gives one.
    pub fn name(&self) -> Option<&str> {
        self.inner.parts.info.name.as_deref()
    }

    /// What the module imports, in order.
    pub fn imports(&self) -> impl ExactSizeIterator<Item = ImportType<'_>> {
        self.inner.parts.info.imports.iter().map(|import| ImportType {
            info: &self.inner.parts.info,
            module: &import.module,
            name: &import.name,
            kind: import.kind,
        })
    }

    /// What the module exports, in order.
    pub fn exports(&self) -> impl ExactSizeIterator<Item = ExportType<'_>> {
        self.inner.parts.info.exports.iter().map(|export| ExportType {
            info: &self.inner.parts.info,
            name: &export.name,
            kind: export.kind,
        })
    }

    /// The type of an export.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`] when a function type cannot be copied.
    pub fn get_export(&self, name: &str) -> Result<Option<ExternType>> {
        let Some(index) = self.export_index(name) else { return Ok(None) };
        match self.exports().nth(index) {
            Some(export) => export.ty().map(Some),
            None => Ok(None),
        }
    }

    /// A function's name from the name section, or the name it is exported as.
    pub fn function_name(&self, func_index: u32) -> Option<&str> {
        self.inner.parts.info.func_name(FuncIndex(func_index))
    }

    /// Size of the machine code in bytes.
    pub fn code_size(&self) -> usize {
        self.inner.code.as_ref().map_or(0, PublishedCode::len)
    }

    pub(crate) fn info(&self) -> &ModuleInfo {
        &self.inner.parts.info
    }

    pub(crate) fn offsets(&self) -> &VmOffsets {
        &self.inner.offsets
    }

    pub(crate) fn same(&self, other: &Module) -> bool {
        self.inner.ptr_eq(&other.inner)
    }

    /// Engine-wide numbers by type index. The address is stable.
    pub(crate) fn type_ids(&self) -> &[u32] {
        &self.inner.type_ids.ids
    }

    pub(crate) fn escaping(&self) -> &[Escaping] {
        &self.inner.escaping
    }

    /// Position of an export in the module's list.
    pub(crate) fn export_index(&self, name: &str) -> Option<usize> {
        let exports = &self.inner.parts.info.exports;
        let order = &self.inner.exports_by_name;
        let at = order.binary_search_by(|index| (*exports[*index as usize].name).cmp(name)).ok()?;
        Some(order[at] as usize)
    }

    /// Where the code lies; empty for a module without code.
    pub(crate) fn code_range(&self) -> Range<usize> {
        match &self.inner.code {
            Some(code) => {
                let start = code.base();
                start..start + code.len()
            }
            None => 0..0,
        }
    }

    /// The address `offset` bytes into the code. Offsets given to this were
    /// checked against the length of the code when the module was made.
    pub(crate) fn code_at(&self, offset: u32) -> *const u8 {
        match &self.inner.code {
            Some(code) => code.address(offset),
            None => core::ptr::null(),
        }
    }

    /// The exit stub for an imported function.
    pub(crate) fn import_stub(&self, func: FuncIndex) -> Option<*const u8> {
        Some(self.code_at(*self.inner.import_stubs.get(func.index())?))
    }

    /// Type numbers and addresses of all exit stubs.
    pub(crate) fn exit_stubs(&self) -> impl ExactSizeIterator<Item = (u32, *const u8)> {
        self.inner.exit_stubs.iter().map(|(id, offset)| (*id, self.code_at(*offset)))
    }

    pub(crate) fn stack_maps(&self) -> &StackMaps {
        &self.inner.parts.stack_maps
    }

    /// The call or check that returns to exactly `offset`.
    pub(crate) fn site(&self, offset: u32) -> Option<CodeSite> {
        self.inner.parts.sites.lookup(offset)
    }

    /// The function whose code contains `offset`, and where that code starts.
    pub(crate) fn function_at(&self, offset: u32) -> Option<(FuncIndex, u32)> {
        let functions = &self.inner.parts.functions;
        let contains = |code: &FunctionCode| (code.start..code.end).contains(&offset);
        // Code is laid out in index order unless the compiler chose otherwise.
        let guess = functions.partition_point(|code| code.end <= offset);
        let at = match functions.get(guess).is_some_and(contains) {
            true => guess,
            false => functions.iter().position(contains)?,
        };
        let func = FuncIndex(self.inner.parts.info.counts.imported_funcs + at as u32);
        Some((func, functions[at].start))
    }
}

/// What is written into the raise thunk: where to go.
fn raise_words() -> [u8; size_of::<arch::RaiseWords>()] {
    let store_of_frame: unsafe extern "C" fn(usize) -> *mut VmStoreContext = stack::store_of_frame;
    let words: arch::RaiseWords =
        [arch::raise as *const u8 as usize, store_of_frame as *const u8 as usize];
    let mut bytes = [0; size_of::<arch::RaiseWords>()];
    for (room, word) in bytes.chunks_exact_mut(size_of::<usize>()).zip(words) {
        room.copy_from_slice(&word.to_le_bytes());
    }
    bytes
}

fn defined_funcs(info: &ModuleInfo) -> Result<usize> {
    info.funcs.len().checked_sub(info.counts.imported_funcs as usize).ok_or(MALFORMED)
}

fn within(offset: u32, code_len: u32) -> Result<u32> {
    if offset < code_len { Ok(offset) } else { Err(MALFORMED) }
}

fn register_types(engine: &Engine, info: &ModuleInfo) -> Result<TypeIds> {
    let ids = alloc::try_vec_with_capacity(info.types.len())?;
    let mut type_ids = TypeIds { engine: engine.clone(), ids };
    for ty in &info.types {
        type_ids.ids.push(engine.register_type(ty)?);
    }
    Ok(type_ids)
}

/// The shim for a type: under its own index, or under that of an equal type.
fn shim_for(shims: &[ShimCode], type_ids: &TypeIds, ty: TypeIndex, code_len: u32) -> Result<u32> {
    let wanted = type_ids.get(ty)?;
    let own = shims.binary_search_by_key(&ty, |shim| shim.ty).ok().and_then(|at| shims.get(at));
    let equal = || shims.iter().find(|shim| type_ids.get(shim.ty).is_ok_and(|id| id == wanted));
    within(own.or_else(equal).ok_or(MALFORMED)?.start, code_len)
}

fn escaping_funcs(
    info: &ModuleInfo,
    type_ids: &TypeIds,
    functions: &[FunctionCode],
    entry_shims: &[ShimCode],
    code_len: u32,
) -> Result<Box<[Escaping]>> {
    if info.escaping.len() != info.counts.escaping_funcs as usize
        || info.escape_indices.len() != info.funcs.len()
    {
        return Err(MALFORMED);
    }
    let mut escaping = alloc::try_vec_with_capacity(info.escaping.len())?;
    for (escape_index, func) in info.escaping.iter().enumerate() {
        let ty = *info.funcs.get(func.index()).ok_or(MALFORMED)?;
        if info.escape_indices[func.index()] != escape_index as u32 {
            return Err(MALFORMED);
        }
        let code = match func.0.checked_sub(info.counts.imported_funcs) {
            None => None,
            Some(defined) => {
                let code = functions.get(defined as usize).ok_or(MALFORMED)?;
                let shim = shim_for(entry_shims, type_ids, ty, code_len)?;
                Some((within(code.start, code_len)?, shim))
            }
        };
        escaping.push(Escaping { func: *func, type_id: type_ids.get(ty)?, code });
    }
    let escaping_indices = info.escape_indices.iter().filter(|index| **index != NO_ESCAPE);
    if escaping_indices.count() != escaping.len() {
        return Err(MALFORMED);
    }
    Ok(alloc::try_boxed_slice(escaping)?)
}

fn import_stubs(
    info: &ModuleInfo,
    type_ids: &TypeIds,
    exit_stubs: &[ShimCode],
    code_len: u32,
) -> Result<Box<[u32]>> {
    let count = info.counts.imported_funcs as usize;
    let mut stubs = alloc::try_vec_with_capacity(count)?;
    for ty in info.funcs.get(..count).ok_or(MALFORMED)? {
        stubs.push(shim_for(exit_stubs, type_ids, *ty, code_len)?);
    }
    Ok(alloc::try_boxed_slice(stubs)?)
}

impl core::fmt::Debug for Module {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Module").field("name", &self.name()).finish_non_exhaustive()
    }
}
