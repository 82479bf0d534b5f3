//! Runs a module in Wasmtime: the counterpart of `in_wasmi` in `fuzzing`.

use kernref_fuzzing::outcome::{Event, Value, argument, memory};
use wasmtime::{
    AsContext, Caller, Config, Engine, Extern, ExternRef, Linker, Module, Ref, Rooted, Store, Trap,
    V128, Val, ValType,
};

type Log = Vec<Event>;
type Maybe = Option<Rooted<ExternRef>>;

fn number(store: &impl AsContext, object: &Maybe) -> Option<i32> {
    let data = object.as_ref()?.data(store.as_context()).ok()??;
    data.downcast_ref::<i32>().copied()
}

fn value(store: &impl AsContext, val: &Val) -> Value {
    match val {
        Val::I32(bits) => Value::Bits32(*bits as u32),
        Val::I64(bits) => Value::Bits64(*bits as u64),
        Val::F32(bits) => Value::Bits32(*bits),
        Val::F64(bits) => Value::Bits64(*bits),
        Val::V128(vector) => Value::Bits128(vector.as_u128()),
        Val::ExternRef(object) => Value::Object(number(store, object)),
        Val::FuncRef(func) => Value::Func(func.is_some()),
        _ => Value::Func(false),
    }
}

fn linker(engine: &Engine) -> wasmtime::Result<Linker<Log>> {
    let mut linker = Linker::<Log>::new(engine);
    linker.func_wrap("h", "make", |mut caller: Caller<'_, Log>, n: i32| {
        caller.data_mut().push(Event::HostCall("make", [Some(n), None]));
        ExternRef::new(&mut caller, n).map(Some)
    })?;
    linker.func_wrap("h", "take", |mut caller: Caller<'_, Log>, object: Maybe| {
        let n = number(&caller, &object);
        caller.data_mut().push(Event::HostCall("take", [n, None]));
        n.unwrap_or(-1)
    })?;
    linker.func_wrap("h", "pick", |mut caller: Caller<'_, Log>, a: Maybe, b: Maybe| {
        let numbers = [number(&caller, &a), number(&caller, &b)];
        caller.data_mut().push(Event::HostCall("pick", numbers));
        b.or(a)
    })?;
    Ok(linker)
}

fn trap_name(trap: Trap) -> Option<&'static str> {
    Some(match trap {
        Trap::MemoryOutOfBounds => "memory",
        Trap::TableOutOfBounds => "table",
        Trap::IndirectCallToNull => "null",
        Trap::BadSignature => "signature",
        Trap::IntegerOverflow => "overflow",
        Trap::IntegerDivisionByZero => "division",
        Trap::BadConversionToInteger => "conversion",
        Trap::UnreachableCodeReached => "unreachable",
        _ => return None,
    })
}

/// Runs every export, then observes the resulting state. `None` if Wasmtime
/// does not accept the module.
///
/// # Errors
/// A failure of the harness.
pub fn run(wasm: &[u8], seed: u64) -> wasmtime::Result<Option<Vec<Event>>> {
    let mut config = Config::new();
    config.wasm_memory64(true).wasm_tail_call(true).wasm_multi_memory(true);
    let engine = Engine::new(&config)?;
    let Ok(module) = Module::new(&engine, wasm) else { return Ok(None) };
    let mut store = Store::new(&engine, Log::new());
    let Ok(instance) = linker(&engine)?.instantiate(&mut store, &module) else {
        store.data_mut().push(Event::NotInstantiated);
        return Ok(Some(store.into_data()));
    };
    let mut exports: Vec<(String, Extern)> = module
        .exports()
        .filter_map(|export| {
            Some((export.name().to_string(), instance.get_export(&mut store, export.name())?))
        })
        .collect();
    exports.sort_by(|(left, _), (right, _)| left.cmp(right));
    let mut at = 0;
    for (name, item) in &exports {
        let Extern::Func(func) = item else { continue };
        let ty = func.ty(&store);
        let mut params = Vec::new();
        for ty in ty.params() {
            let bits = argument(seed, at);
            at += 1;
            params.push(match ty {
                ValType::I32 => Val::I32(bits as i32),
                ValType::I64 => Val::I64(bits as i64),
                ValType::F32 => Val::F32(bits as u32),
                ValType::F64 => Val::F64(bits as u64),
                ValType::V128 => Val::V128(V128::from(bits)),
                ValType::Ref(ty) if ty.heap_type().is_func() => Val::FuncRef(None),
                ValType::Ref(_) if bits.is_multiple_of(4) => Val::ExternRef(None),
                ValType::Ref(_) => Val::ExternRef(Some(ExternRef::new(&mut store, bits as i32)?)),
            });
        }
        let mut results = vec![Val::I32(0); ty.results().len()];
        let event = match func.call(&mut store, &params, &mut results) {
            Ok(()) => {
                let values = results.iter().map(|result| value(&store, result)).collect();
                Event::Returned(name.clone(), values)
            }
            Err(error) => match error.downcast_ref::<Trap>().map(|trap| trap_name(*trap)) {
                Some(Some(trap)) => Event::Trapped(name.clone(), trap),
                Some(None) => Event::OutOfResources,
                None => return Err(error),
            },
        };
        store.data_mut().push(event);
    }
    for (name, item) in &exports {
        let event = match item {
            Extern::Global(global) => {
                let found = global.get(&mut store);
                Event::Global(name.clone(), value(&store, &found))
            }
            Extern::Memory(found) => memory(name, found.data(&store)),
            Extern::Table(table) => {
                let mut elements = Vec::new();
                for at in 0..table.size(&store) {
                    let Some(element) = table.get(&mut store, at) else { break };
                    let element = match element {
                        Ref::Extern(object) => Val::ExternRef(object),
                        Ref::Func(func) => Val::FuncRef(func),
                        _ => Val::FuncRef(None),
                    };
                    elements.push(value(&store, &element));
                }
                Event::Table(name.clone(), elements)
            }
            _ => continue,
        };
        store.data_mut().push(event);
    }
    Ok(Some(store.into_data()))
}
