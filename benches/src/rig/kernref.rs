//! Kernref.

use super::{Rig, STACK_BYTES, collecting};
use crate::measure::Who;
use kernref::{
    Caller, Config, DeferralPolicy, Engine, ExternRef, Linker, Module, OwnedRooted, Rooted, Store,
    TypedFunc,
};

/// The object that host functions return: as a handle the host owns, and as a
/// root kept in the store.
struct Data {
    object: ExternRef,
    root: Option<OwnedRooted>,
}

struct Kernref {
    store: Store<Data>,
    funcs: Vec<TypedFunc<i32, i64>>,
}

impl Rig for Kernref {
    fn call(&mut self, func: usize, argument: i32) -> Result<i64, String> {
        self.funcs[func].call(&mut self.store, argument).map_err(|error| format!("{error:?}"))
    }
}

/// An engine; `Who::Clone` selects the other policy, `Who::Guards` hardware traps,
/// `Who::Unguarded` no speculation guards.
pub fn engine(who: Who, slots: u32) -> Engine {
    let mut config = Config::new();
    config.max_wasm_stack(STACK_BYTES).reference_slots(slots).deferral_policy(match who {
        Who::Clone => DeferralPolicy::CloneOnRead,
        _ => DeferralPolicy::ZeroCount,
    });
    config.hardware_traps(who == Who::Guards).speculation_guards(who != Who::Unguarded);
    Engine::new(&config).unwrap()
}

fn linker(engine: &Engine) -> kernref::Result<Linker<Data>> {
    let mut linker = Linker::new(engine);
    linker.func_wrap("h", "nop", || ())?;
    linker.func_wrap("h", "take", |_: Option<Rooted>| ())?;
    linker.func_wrap("h", "give", |caller: Caller<'_, Data>| caller.data().object.clone())?;
    linker.func_wrap("h", "lend", |caller: Caller<'_, Data>| {
        caller.data().root.as_ref().map(OwnedRooted::to_rooted)
    })?;
    linker.func_wrap("h", "make", |number: i32| ExternRef::new(number))?;
    linker.func_wrap(
        "h",
        "number",
        |caller: Caller<'_, Data>, object: Rooted| -> kernref::Result<i32> {
            Ok(*object.get(&caller)?.downcast_ref::<i32>()?)
        },
    )?;
    linker.func_wrap("h", "gc", |mut caller: Caller<'_, Data>| collecting(|| caller.gc()))?;
    Ok(linker)
}

pub fn load(who: Who, wasm: &[u8], exports: &[&str], slots: u32) -> impl Rig + use<> {
    let engine = engine(who, slots);
    let module = Module::new(&engine, wasm).unwrap();
    let object = ExternRef::new(7_i32).unwrap();
    let mut store = Store::new(&engine, Data { object: object.clone(), root: None }).unwrap();
    let root = OwnedRooted::new(&mut store, object).unwrap();
    store.data_mut().root = Some(root);
    let instance = linker(&engine).unwrap().instantiate(&mut store, &module).unwrap();
    let func = |name: &&str| instance.get_typed_func(&mut store, name).unwrap();
    let funcs = exports.iter().map(func).collect();
    Kernref { store, funcs }
}
