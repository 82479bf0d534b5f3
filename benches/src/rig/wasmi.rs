//! wasmi. It keeps all references until the store is dropped.

use super::Rig;
use wasmi::{Caller, Config, Engine, ExternRef, Linker, Module, Nullable, Store, TypedFunc};

/// An instance in wasmi.
struct Wasmi {
    store: Store<Option<ExternRef>>,
    funcs: Vec<TypedFunc<i32, i64>>,
}

impl Rig for Wasmi {
    fn call(&mut self, func: usize, argument: i32) -> Result<i64, String> {
        self.funcs[func].call(&mut self.store, argument).map_err(|error| format!("{error:?}"))
    }
}

type Data = Option<ExternRef>;

fn linker(engine: &Engine) -> Result<Linker<Data>, wasmi::Error> {
    let mut linker = Linker::new(engine);
    linker.func_wrap("h", "nop", || ())?;
    linker.func_wrap("h", "take", |_: Nullable<ExternRef>| ())?;
    linker.func_wrap("h", "give", |caller: Caller<'_, Data>| {
        Nullable::from(caller.data().unwrap())
    })?;
    linker.func_wrap("h", "lend", |caller: Caller<'_, Data>| {
        Nullable::from(caller.data().unwrap())
    })?;
    linker.func_wrap("h", "make", |mut caller: Caller<'_, Data>, number: i32| {
        Nullable::from(ExternRef::new(&mut caller, number))
    })?;
    linker.func_wrap("h", "number", |caller: Caller<'_, Data>, object: Nullable<ExternRef>| {
        *object.val().unwrap().data(&caller).downcast_ref::<i32>().unwrap()
    })?;
    linker.func_wrap("h", "gc", || ())?;
    Ok(linker)
}

pub fn load(wasm: &[u8], exports: &[&str]) -> impl Rig + use<> {
    let mut config = Config::default();
    config.set_max_recursion_depth(100_000).set_max_stack_height(1 << 24);
    let engine = Engine::new(&config);
    let module = Module::new(&engine, wasm).unwrap();
    let mut store = Store::new(&engine, None);
    let object = ExternRef::new(&mut store, 7_i32);
    *store.data_mut() = Some(object);
    let instance = linker(&engine).unwrap().instantiate_and_start(&mut store, &module).unwrap();
    let func = |name: &&str| instance.get_typed_func(&store, name).unwrap();
    let funcs = exports.iter().map(func).collect();
    Wasmi { store, funcs }
}
