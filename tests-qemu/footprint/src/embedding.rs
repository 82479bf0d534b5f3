//! Everything an embedder can do with an existing module, each at least once,
//! so that the linker keeps it.

use alloc::sync::Arc;
use core::fmt::{self, Write};
use core::hint::black_box;
use core::num::NonZeroU32;
use core::ptr::NonNull;
use kernref::alloc::{CodeMemory, CodeRegion, GLOBAL_OBJECTS, HeapMemorySource};
use kernref::fault::FaultRegisters;
use kernref::{
    AsContext, AsContextMut, Caller, Config, DeferralPolicy, Engine, Error, Extern, ExternRef,
    Func, FuncType, Global, GlobalType, Instance, Linker, Memory, MemoryType, Module, OwnedRooted,
    RefType, Result, Rooted, Store, StoreLimits, StoreLimitsBuilder, Table, TableType,
    UpdateDeadline, Val, ValType,
};

/// A code source; never run.
struct Code;

// SAFETY: never run.
unsafe impl CodeMemory for Code {
    fn allocate(&self, len_bytes: usize) -> Result<CodeRegion> {
        let base = NonNull::new(black_box(core::ptr::null_mut()));
        let base = base.ok_or(Error::OutOfMemory { bytes: len_bytes })?;
        Ok(CodeRegion::in_place(base, len_bytes))
    }
    unsafe fn publish(&self, region: &CodeRegion) -> Result<()> {
        black_box(region);
        Ok(())
    }
    unsafe fn release(&self, region: CodeRegion) {
        black_box(region);
    }
}

struct Console;

impl Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        black_box(text);
        Ok(())
    }
}

/// The store's data.
pub struct Data {
    limits: StoreLimits,
    object: ExternRef,
}

/// An engine with every setting set.
///
/// # Errors
/// Those of [`Engine::new`].
pub fn engine() -> Result<Engine> {
    let mut config = Config::new();
    config
        .deferral_policy(black_box(DeferralPolicy::CloneOnRead))
        .gc_zeal(black_box(NonZeroU32::new(1)))
        .max_wasm_stack(black_box(1))
        .epoch_interruption(black_box(true))
        .consume_fuel(black_box(true))
        .hardware_traps(black_box(true))
        .reference_slots(black_box(1))
        .gc_threshold(black_box(None))
        .reference_quota(black_box(None))
        .memory_source(Arc::new(HeapMemorySource::new(black_box(1))))
        .code_memory(Arc::new(Code));
    Engine::new(&config)
}

/// Runs `module` with everything around it, and prints any error.
pub fn run(engine: &Engine, module: &Module) {
    if let Err(error) = embed(engine, module) {
        report(&error);
    }
}

/// Prints an error.
pub fn report(error: &Error) {
    let _ = write!(Console, "{error}");
}

fn embed(engine: &Engine, module: &Module) -> Result<()> {
    let limits = StoreLimitsBuilder::new().memory_size(black_box(1)).instances(1).build();
    let data = Data { limits, object: ExternRef::new(black_box(1_u32))? };
    let mut store = match black_box(true) {
        true => Store::new(engine, data)?,
        false => Store::with_reference_region(engine, data, crate::kernel::given::<[_; 4096]>())?,
    };
    store.limiter(|data| &mut data.limits)?;
    let mut linker = Linker::new(engine);
    host_functions(&mut linker)?;
    linker.allow_shadowing(black_box(true));
    linker.define_unknown_imports_as_traps(module)?;
    linker.module(&mut store, "a", module)?.alias("a", "b", "c", "d")?.alias_module("a", "e")?;
    let instance = match black_box(true) {
        true => linker.instantiate(&mut store, module)?,
        false => Instance::new(&mut store, module, &[])?,
    };
    describe(module)?;
    control(&mut store)?;
    functions(&mut store, instance)?;
    for (name, item) in instance.exports(store.as_context())? {
        let _ = write!(Console, "{name} {}", item.ty(&store)?);
    }
    match instance.get_export(&mut store, "item") {
        Some(Extern::Func(func)) => linker.define(&store, "x", "f", func).map(drop)?,
        Some(Extern::Memory(memory)) => memories(&mut store, memory)?,
        Some(Extern::Table(table)) => tables(&mut store, table)?,
        Some(Extern::Global(global)) => globals(&mut store, global)?,
        None => {}
    }
    drop(black_box(store.into_data().object));
    Ok(())
}

fn host_functions(linker: &mut Linker<Data>) -> Result<()> {
    linker.func_wrap("h", "nop", || ())?;
    linker.func_wrap("h", "take", |object: Option<Rooted>| assert!(black_box(object).is_none()))?;
    linker.func_wrap("h", "give", |caller: Caller<'_, Data>| caller.data().object.clone())?;
    linker.func_wrap("h", "read", |caller: Caller<'_, Data>, object: Rooted| {
        Ok::<u32, Error>(*object.get(&caller)?.downcast_ref::<u32>()?)
    })?;
    linker.func_wrap("h", "copy", |mut caller: Caller<'_, Data>, at: u32, len: u32| {
        let Some(Extern::Memory(memory)) = caller.get_export("memory") else { return Ok(0) };
        let mut bytes = [0; 64];
        memory.read(&caller, at as usize, &mut bytes)?;
        memory.write(&mut caller, len as usize, &bytes)?;
        caller.gc()?;
        Ok::<_, Error>(1)
    })?;
    let ty = FuncType::new([ValType::I32, ValType::EXTERNREF], [ValType::EXTERNREF])?;
    linker.func_new("h", "dynamic", ty, |_, args, results| {
        results[0] = args[1].clone();
        Ok(())
    })?;
    Ok(())
}

fn describe(module: &Module) -> Result<()> {
    let _ = write!(Console, "{} {}", module.name().unwrap_or("?"), module.code_size());
    for import in module.imports() {
        let _ = write!(Console, "{} {} {}", import.module(), import.name(), import.ty()?);
    }
    for export in module.exports() {
        let _ = write!(Console, "{} {}", export.name(), export.ty()?);
    }
    Ok(())
}

fn control(store: &mut Store<Data>) -> Result<()> {
    store.set_epoch_deadline(black_box(1));
    store.epoch_deadline_callback(|_| Ok(UpdateDeadline::Continue(1)))?;
    store.engine().increment_epoch();
    // SAFETY: there is no code at that address, so nothing else is accessed.
    black_box(unsafe { store.engine().handle_fault(&mut FaultRegisters::default(), 0) });
    store.set_fuel(black_box(1))?;
    // SAFETY: back to what the configuration says.
    unsafe { store.set_stack_limit(black_box(None)) };
    store.set_auto_drain(black_box(false));
    store.gc()?;
    store.gc_step(black_box(10))?;
    store.drain_released(black_box(10));
    black_box((store.gc_stats(), store.get_fuel()?));
    Ok(())
}

fn functions(store: &mut Store<Data>, instance: Instance) -> Result<()> {
    let object = ExternRef::new_in(black_box([0_u64; 4]), &GLOBAL_OBJECTS)?;
    black_box((object.strong_count(), object.type_name(), object.is_revoked()));
    object.revoke();
    let keep = instance.get_typed_func::<ExternRef, ()>(&mut *store, "keep")?;
    keep.call(&mut *store, object.clone())?;
    let root = OwnedRooted::new(&mut *store, object.clone())?;
    let lend = instance.get_typed_func::<Rooted, ()>(&mut *store, "keep")?;
    lend.call(&mut *store, root.to_rooted())?;
    root.to_rooted().to_owned_rooted(&mut *store)?.unroot(&mut *store)?;
    black_box(root.get(&*store)?.is_revoked());
    root.unroot(&mut *store)?;
    let find = instance.get_typed_func::<(i32, i64), Option<ExternRef>>(&mut *store, "find")?;
    black_box(find.call(&mut *store, (1, 2))?);
    let Some(func) = instance.get_func(&mut *store, "f") else { return Ok(()) };
    let (args, mut results) = ([Val::I32(1), Val::ExternRef(Some(object))], [Val::I32(0)]);
    if func.call(&mut *store, &args, &mut results).is_err() {
        for frame in store.last_backtrace().iter().flat_map(|trace| trace.frames()) {
            let _ = write!(Console, "{} {}", frame.func_name().unwrap_or("?"), frame.func_index());
        }
    }
    func.call_moving(&mut *store, args.into(), &mut results)?;
    let _ = write!(Console, "{}", func.ty(&*store)?);
    let host = Func::wrap(&mut *store, |number: i32| number)?;
    black_box(host.typed::<i32, i32>(&*store)?.call(&mut *store, 1)?);
    let ty = FuncType::new([ValType::I32], [])?;
    black_box(Func::new(store.as_context_mut(), ty, |_, _, _| Ok(()))?);
    Ok(())
}

fn memories(store: &mut Store<Data>, memory: Memory) -> Result<()> {
    memory.grow(&mut *store, 1)?;
    memory.data_mut(&mut *store)?.fill(1);
    black_box((memory.data(&*store)?, memory.size(&*store)?, memory.ty(&*store)?));
    let ty = MemoryType { minimum: black_box(1), maximum: None, memory64: black_box(false) };
    black_box(Memory::new(store, ty)?);
    Ok(())
}

fn tables(store: &mut Store<Data>, table: Table) -> Result<()> {
    let element = black_box(RefType::EXTERNREF);
    let ty = TableType { element, minimum: 1, maximum: None, table64: black_box(false) };
    let other = Table::new(&mut *store, ty, Val::null_ref(element))?;
    other.grow(&mut *store, 1, Val::null_ref(element))?;
    let (value, len) = (table.get(&*store, 1)?, table.size(&*store)?);
    other.set(&mut *store, 1, value)?;
    other.fill(&mut *store, 0, Val::null_ref(element), len)?;
    Table::copy(&mut *store, &other, 0, &table, 0, 1)
}

fn globals(store: &mut Store<Data>, global: Global) -> Result<()> {
    let ty = GlobalType { content: black_box(ValType::EXTERNREF), mutable: black_box(true) };
    let value = global.get(&*store)?;
    let other = Global::new(&mut *store, ty, value)?;
    other.set(&mut *store, Val::ExternRef(None))
}
