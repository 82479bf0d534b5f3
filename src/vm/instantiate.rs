//! Makes an instance from resolved imports: first makes everything, and only
//! then writes to what others can see.
//!
//! Invariant: until the initial contents are written, a failure leaves the store as it
//! was. From then on the instance stays, because its functions may sit in
//! shared tables (specification: "Instantiation", step 16 and after).

use super::bulk::{pay_for_bytes, pay_for_elements};
use super::call;
use super::const_expr;
use super::context::ContextBox;
use super::global;
use super::host_def::{HostContext, HostDef};
use super::initial_contents;
use super::instance::InstanceData;
use super::memory;
use super::memory_ops;
use super::raw_box::VmPlace;
use super::store::{StoreOpaque, StorePtr};
use super::table;
use super::table_ops;
use crate::abi::{
    FuncIndex, GlobalIndex, MemoryIndex, TableIndex, ValRaw, VmFuncRef, VmFunctionImport, VmGlobal,
};
use crate::alloc;
use crate::arch;
use crate::artifact::{NO_ESCAPE, WASM_PAGE_BYTES};
use crate::engine::Module;
use crate::engine::bits::Bits;
use crate::engine::limits;
use crate::engine::shared::Shared;
use crate::error::{Error, LimitError, Result};
use core::ptr::NonNull;
use std_alloc::boxed::Box;

/// What satisfies an import.
#[derive(Clone, Copy)]
pub(crate) enum VmImport {
    /// A function of an instance.
    Func(NonNull<VmFuncRef>),
    /// A function of the host, for data of the store's type.
    HostFunc(NonNull<Shared<HostDef>>),
    /// A table, by its store index.
    Table(u32),
    /// A memory, by its store index.
    Memory(u32),
    /// A global.
    Global(NonNull<VmGlobal>),
}

/// Instantiates a module and runs its start function. Returns the instance's
/// number in the store.
///
/// # Safety
/// The store is alive, and the caller has the exclusive right to use it.
/// `imports` has one of the right type for each of the module's, in its order;
/// all are alive until this returns, and those that belong to a store belong to
/// this one.
pub(crate) unsafe fn instantiate(
    store: StorePtr,
    module: &Module,
    imports: &[VmImport],
) -> Result<u32> {
    // Another processor may have published the code.
    arch::synchronize_fetch();
    // SAFETY: each reference ends before embedder code or generated code runs (V3).
    let (index, start) = unsafe {
        let index = create(store.get(), module, imports)?;
        let outcome = initial_contents::write(store, index, module);
        let store = store.get();
        store.call_returned();
        if outcome.is_err() && store.is_idle() {
            store.outermost_failed();
        }
        outcome?;
        (index, start_func(store, index, module)?)
    };
    if let Some(start) = start {
        let mut no_cells = call::Cells::new(0)?;
        // SAFETY: a function of the store (V6), without parameters or results.
        let outcome = unsafe { call::invoke(store, start, no_cells.as_mut_ptr()) };
        // SAFETY: generated code has ended (V3).
        unsafe { store.get() }.call_returned();
        outcome?;
    }
    Ok(index)
}

fn start_func(
    store: &StoreOpaque,
    index: u32,
    module: &Module,
) -> Result<Option<NonNull<VmFuncRef>>> {
    let Some(start) = module.info().start else { return Ok(None) };
    let instance = store.instances.get(index as usize).ok_or(GONE)?;
    const_expr::func_ref(start, module, instance.view()).map(Some)
}

/// What every module may have without paying for it.
const FREE_CONTEXT_BYTES: usize = 4096;

const GONE: Error = Error::Bug("instance vanished");

/// Lengths of the store's lists, and what is counted, before an instance was begun.
struct Mark {
    tables: usize,
    memories: usize,
    counted_places: u64,
    guest_bytes: usize,
}

impl Mark {
    fn of(store: &StoreOpaque) -> Self {
        let StoreOpaque { counted_places, guest_bytes, .. } = *store;
        let (tables, memories) = (store.tables.len(), store.memories.len());
        Self { tables, memories, counted_places, guest_bytes }
    }

    /// Undoes what was made for an instance that failed.
    fn undo(&self, store: &mut StoreOpaque, instance: Option<&InstanceData>) {
        if let Some(instance) = instance {
            clear_globals(store, instance);
        }
        for table in self.tables..store.tables.len() {
            table_ops::clear(store, table as u32);
        }
        store.tables.truncate(self.tables);
        store.counted_places = self.counted_places;
        store.guest_bytes = self.guest_bytes;
        store.memories.truncate(self.memories);
    }
}

/// Takes every reference out of the globals of an instance that is being undone.
fn clear_globals(store: &mut StoreOpaque, instance: &InstanceData) {
    let info = instance.module.info();
    let imported = info.counts.imported_globals;
    for (at, global) in info.globals.iter().enumerate().skip(imported as usize) {
        if global.ty.content.is_counted()
            && let Ok(place) = instance.view().defined_global(at as u32 - imported)
        {
            // SAFETY: in the context of an instance of this store (V6).
            unsafe {
                let null = ValRaw::null();
                global::write(&mut store.heap, place, global.ty.content, null);
            }
        }
    }
}

/// Everything before the initial contents.
fn create(store: &mut StoreOpaque, module: &Module, imports: &[VmImport]) -> Result<u32> {
    let is_host_func = |import: &&VmImport| matches!(import, VmImport::HostFunc(_));
    let host_imports = imports.iter().filter(is_host_func).count();
    let count = store.instances.len();
    limits::INSTANCES_PER_STORE.check(count as u64 + 1)?;
    if !store.limiter_allows(|limiter| count < limiter.instances()) {
        let requested = count as u64 + 1;
        let what = "instances (store's limiter)";
        return Err(Error::Limit(LimitError { what, requested, limit: count as u64 }));
    }
    store
        .instances
        .try_reserve(1)
        .map_err(|_| Error::OutOfMemory { bytes: size_of::<InstanceData>() })?;
    let mut unfinished =
        Unfinished { mark: Mark::of(store), store, instance: None, is_done: false };
    let (info, store) = (module.info(), &mut *unfinished.store);
    let segments = info.elems.len() + info.data.len();
    let context_bytes = ContextBox::bytes_for(module.offsets(), host_imports as u32)?;
    let lists = Bits::bytes_for(segments) + imported_count(module) * size_of::<u32>();
    pay_for_bytes(store, context_bytes.saturating_sub(FREE_CONTEXT_BYTES) as u64)?;
    store.claim(0, context_bytes.saturating_add(lists + size_of::<InstanceData>()))?.keep();
    let (vm, type_ids) = (store.vm().as_ptr(), module.type_ids().as_ptr());
    unfinished.instance = Some(InstanceData {
        context: ContextBox::new(
            module.offsets(),
            host_imports as u32,
            count as u32,
            vm,
            type_ids,
        )?,
        module: module.clone(),
        imported: imported_indices(module, imports)?,
        first_table: store.tables.len() as u32,
        first_memory: store.memories.len() as u32,
        dropped: Bits::new(segments)?,
    });
    unfinished.build(imports)?;
    // The store keeps the module from now on. Nothing of the instance has run yet.
    unfinished.store.register_module(module)?;
    let instance = unfinished.instance.take().ok_or(GONE)?;
    unfinished.is_done = true;
    StoreOpaque::push(&mut unfinished.store.instances, instance)
}

/// An instance that is being made. What was made for it is undone when this is
/// dropped before the instance was taken out: after an error, or when embedder
/// code has panicked.
struct Unfinished<'s> {
    store: &'s mut StoreOpaque,
    mark: Mark,
    instance: Option<InstanceData>,
    is_done: bool,
}

impl Unfinished<'_> {
    fn build(&mut self, imports: &[VmImport]) -> Result<()> {
        build(self.store, self.instance.as_mut().ok_or(GONE)?, imports)
    }
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        if !self.is_done {
            self.mark.undo(self.store, self.instance.as_ref());
        }
    }
}

fn imported_count(module: &Module) -> usize {
    let counts = &module.info().counts;
    (counts.imported_tables + counts.imported_memories) as usize
}

/// Store indices of imported tables, then of imported memories.
fn imported_indices(module: &Module, imports: &[VmImport]) -> Result<Box<[u32]>> {
    let count = imported_count(module);
    let mut indices = alloc::try_vec_with_capacity(count)?;
    indices.resize(count, 0);
    let (mut table, mut memory) = (0, module.info().counts.imported_tables as usize);
    for import in imports {
        let (place, index) = match import {
            VmImport::Table(index) => (&mut table, *index),
            VmImport::Memory(index) => (&mut memory, *index),
            _ => continue,
        };
        if let Some(known) = indices.get_mut(*place) {
            *known = index;
        }
        *place += 1;
    }
    Ok(alloc::try_boxed_slice(indices)?)
}

/// Fills in a context. What the embedder may refuse comes last.
fn build(store: &mut StoreOpaque, instance: &mut InstanceData, imports: &[VmImport]) -> Result<()> {
    let module = instance.module.clone();
    let info = module.info();
    fill_imports(store, instance, &module, imports)?;
    fill_func_refs(instance, &module)?;
    for (at, global) in info.globals.iter().enumerate().skip(info.counts.imported_globals as usize)
    {
        let init = global.init.as_ref().ok_or(Error::Bug("global without a value"))?;
        pay_for_elements(store, const_expr::extra_work(init))?;
        let value = const_expr::eval(init, &module, instance.view())?;
        if global.ty.content.is_counted() {
            store.claim(1, 0)?.keep();
        }
        let place = instance.view().global(GlobalIndex(at as u32))?;
        // SAFETY: in the context of this instance, which is of the store (V6).
        unsafe { global::write(&mut store.heap, place, global.ty.content, value) };
    }
    for (defined, ty) in
        info.memories.iter().skip(info.counts.imported_memories as usize).enumerate()
    {
        // SAFETY: the context lives as long as its store (V1); if making the
        // instance fails, as long as what was made for it.
        let place = unsafe { VmPlace::in_context(instance.view().defined_memory(defined as u32)?) };
        pay_for_bytes(store, ty.minimum.saturating_mul(WASM_PAGE_BYTES))?;
        memory_ops::create(store, *ty, place)?;
    }
    for (defined, ty) in info.tables.iter().skip(info.counts.imported_tables as usize).enumerate() {
        // SAFETY: as above.
        let place = unsafe { VmPlace::in_context(instance.view().defined_table(defined as u32)?) };
        pay_for_elements(store, ty.minimum)?;
        table_ops::create(store, *ty, place)?;
    }
    Ok(())
}

fn fill_imports(
    store: &StoreOpaque,
    instance: &mut InstanceData,
    module: &Module,
    imports: &[VmImport],
) -> Result<()> {
    let (mut funcs, mut tables, mut memories, mut globals) = (0, 0, 0, 0);
    for import in imports {
        let view = instance.view();
        match *import {
            VmImport::Func(_) | VmImport::HostFunc(_) => {
                import_func(store, instance, module, FuncIndex(funcs), *import)?;
                funcs += 1;
            }
            VmImport::Table(index) => {
                let vm = table::table_at(&store.tables, index)?.vm();
                // SAFETY: a place inside the context (V5).
                unsafe { view.table_import(TableIndex(tables))?.write(vm.as_ptr()) };
                tables += 1;
            }
            VmImport::Memory(index) => {
                let vm = memory::memory_at(&store.memories, index)?.vm();
                // SAFETY: a place inside the context (V5).
                unsafe { view.memory_import(MemoryIndex(memories))?.write(vm.as_ptr()) };
                memories += 1;
            }
            VmImport::Global(place) => {
                // SAFETY: a place inside the context (V5).
                unsafe { view.global_import(GlobalIndex(globals))?.write(place.as_ptr()) };
                globals += 1;
            }
        }
    }
    Ok(())
}

/// Fills in an imported function, and its func ref if it escapes. A host
/// function gets a context that knows this instance as its caller.
fn import_func(
    store: &StoreOpaque,
    instance: &mut InstanceData,
    module: &Module,
    func: FuncIndex,
    import: VmImport,
) -> Result<()> {
    let func_ref = match import {
        VmImport::HostFunc(def) => {
            // SAFETY: alive until the instance is made.
            let def = unsafe { def.as_ref() }.clone();
            let type_id = def.type_id();
            let caller = instance.context.as_non_null().as_ptr();
            let context = HostContext::new(def, func.0, store.vm().as_ptr(), caller);
            let context = instance.context.push_host_context(context)?.cast().as_ptr();
            let code = module.import_stub(func).ok_or(Error::Bug("import without an exit stub"))?;
            VmFuncRef { code, context, entry_shim: core::ptr::null(), type_id, index: func.0 }
        }
        // SAFETY: of this store, and so alive (V6).
        VmImport::Func(func_ref) => unsafe { func_ref.read() },
        _ => return Err(Error::Bug("import of another kind")),
    };
    let import = VmFunctionImport { code: func_ref.code, context: func_ref.context };
    // SAFETY: places inside the context (V5).
    unsafe {
        instance.view().function_import(func)?.write(import);
        match module.info().escape_indices.get(func.index()) {
            Some(&escape_index) if escape_index != NO_ESCAPE => {
                instance.view().func_ref(escape_index)?.write(func_ref);
            }
            _ => {}
        }
    }
    Ok(())
}

/// Fills in the func refs of escaping defined functions.
fn fill_func_refs(instance: &InstanceData, module: &Module) -> Result<()> {
    let view = instance.view();
    let context = instance.context.as_non_null().as_ptr();
    for (escape_index, escaping) in module.escaping().iter().enumerate() {
        let Some((code, shim)) = escaping.code else { continue };
        let func_ref = VmFuncRef {
            code: module.code_at(code),
            context,
            entry_shim: module.code_at(shim),
            type_id: escaping.type_id,
            index: escaping.func.0,
        };
        // SAFETY: a place inside the context (V5).
        unsafe { view.func_ref(escape_index as u32)?.write(func_ref) };
    }
    Ok(())
}
