//! Wasmtime with its reference-counting collector.

use super::{Rig, STACK_BYTES, collecting};
use crate::measure::Who;
use wasmtime::{
    AsContextMut, Caller, Collector, Config, Engine, ExternRef, InstanceAllocationStrategy, Linker,
    Module, OwnedRooted, PoolingAllocationConfig, Rooted, Store, TypedFunc,
};

/// The object that host functions return, in both of Wasmtime's kinds of root.
/// The `Rooted` was made outside all scopes and lives as long as the store.
#[derive(Default)]
struct Data {
    owned: Option<OwnedRooted<ExternRef>>,
    rooted: Option<Rooted<ExternRef>>,
}

struct Wasmtime {
    store: Store<Data>,
    funcs: Vec<TypedFunc<i32, i64>>,
}

impl Rig for Wasmtime {
    fn call(&mut self, func: usize, argument: i32) -> Result<i64, String> {
        self.funcs[func].call(&mut self.store, argument).map_err(|error| format!("{error:?}"))
    }
}

/// A configuration: `Who::W1` or `Who::W2`.
pub fn config(who: Who) -> Config {
    let mut config = Config::new();
    config.collector(Collector::DeferredReferenceCounting).max_wasm_stack(STACK_BYTES);
    if who == Who::W2 {
        config.signals_based_traps(false);
        config.memory_reservation(0).memory_guard_size(0).memory_reservation_for_growth(0);
        config.gc_heap_reservation(0).gc_heap_guard_size(0).gc_heap_reservation_for_growth(0);
    }
    config
}

/// An engine: `Who::W1` or `Who::W2`.
pub fn engine(who: Who) -> Engine {
    Engine::new(&config(who)).unwrap()
}

/// An engine with an instance pool.
pub fn pooling_engine() -> Engine {
    let mut pool = PoolingAllocationConfig::default();
    pool.total_core_instances(16).total_memories(16).total_tables(16).total_gc_heaps(16);
    let mut config = config(Who::W1);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    Engine::new(&config).unwrap()
}

fn linker(engine: &Engine) -> wasmtime::Result<Linker<Data>> {
    let mut linker = Linker::new(engine);
    linker.func_wrap("h", "nop", || ())?;
    linker.func_wrap("h", "take", |_: Option<Rooted<ExternRef>>| ())?;
    linker.func_wrap("h", "give", |caller: Caller<'_, Data>| caller.data().owned.clone())?;
    linker.func_wrap("h", "lend", |caller: Caller<'_, Data>| caller.data().rooted)?;
    linker.func_wrap("h", "make", |mut caller: Caller<'_, Data>, number: i32| {
        ExternRef::new(&mut caller, number).map(Some)
    })?;
    linker.func_wrap(
        "h",
        "number",
        |caller: Caller<'_, Data>, object: Option<Rooted<ExternRef>>| {
            let object = object.unwrap();
            let data = object.data(&caller)?.unwrap();
            wasmtime::Result::Ok(*data.downcast_ref::<i32>().unwrap())
        },
    )?;
    linker.func_wrap("h", "gc", |mut caller: Caller<'_, Data>| {
        collecting(|| caller.as_context_mut().gc(None))
    })?;
    Ok(linker)
}

pub fn load(who: Who, wasm: &[u8], exports: &[&str]) -> impl Rig + use<> {
    let engine = engine(who);
    let module = Module::new(&engine, wasm).unwrap();
    let mut store = Store::new(&engine, Data::default());
    let rooted = ExternRef::new(&mut store, 7_i32).unwrap();
    let owned = rooted.to_owned_rooted(&mut store).unwrap();
    *store.data_mut() = Data { owned: Some(owned), rooted: Some(rooted) };
    let instance = linker(&engine).unwrap().instantiate(&mut store, &module).unwrap();
    let func = |name: &&str| instance.get_typed_func(&mut store, name).unwrap();
    let funcs = exports.iter().map(func).collect();
    Wasmtime { store, funcs }
}
