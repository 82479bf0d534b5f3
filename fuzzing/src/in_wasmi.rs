//! Runs a module in wasmi.

use crate::outcome::{Event, Value, argument, memory};
use wasmi::{
    AsContext, Caller, Config, Engine, Extern, ExternRef, F32, F64, Linker, Module, Nullable,
    Store, TrapCode, V128, Val, ValType,
};

type Log = Vec<Event>;
type Maybe = Nullable<ExternRef>;

fn number(store: &impl AsContext, object: &Maybe) -> Option<i32> {
    object.val().and_then(|object| object.data(store.as_context()).downcast_ref::<i32>().copied())
}

fn value(store: &impl AsContext, val: &Val) -> Value {
    match val {
        Val::I32(bits) => Value::Bits32(*bits as u32),
        Val::I64(bits) => Value::Bits64(*bits as u64),
        Val::F32(float) => Value::Bits32(float.to_bits()),
        Val::F64(float) => Value::Bits64(float.to_bits()),
        Val::V128(vector) => Value::Bits128(vector.as_u128()),
        Val::ExternRef(object) => Value::Object(number(store, object)),
        Val::FuncRef(func) => Value::Func(!func.is_null()),
    }
}

fn linker(engine: &Engine) -> Result<Linker<Log>, String> {
    let mut linker = Linker::<Log>::new(engine);
    let taken = |error| format!("wasmi's linker: {error}");
    let make = |mut caller: Caller<'_, Log>, n: i32| -> Maybe {
        caller.data_mut().push(Event::HostCall("make", [Some(n), None]));
        Nullable::Val(ExternRef::new(&mut caller, n))
    };
    let take = |mut caller: Caller<'_, Log>, object: Maybe| -> i32 {
        let n = number(&caller, &object);
        caller.data_mut().push(Event::HostCall("take", [n, None]));
        n.unwrap_or(-1)
    };
    let pick = |mut caller: Caller<'_, Log>, a: Maybe, b: Maybe| -> Maybe {
        let numbers = [number(&caller, &a), number(&caller, &b)];
        caller.data_mut().push(Event::HostCall("pick", numbers));
        if b.is_null() { a } else { b }
    };
    linker.func_wrap("h", "make", make).map_err(taken)?;
    linker.func_wrap("h", "take", take).map_err(taken)?;
    linker.func_wrap("h", "pick", pick).map_err(taken)?;
    Ok(linker)
}

fn trap_name(trap: TrapCode) -> Option<&'static str> {
    Some(match trap {
        TrapCode::MemoryOutOfBounds => "memory",
        TrapCode::TableOutOfBounds => "table",
        TrapCode::IndirectCallToNull => "null",
        TrapCode::BadSignature => "signature",
        TrapCode::IntegerOverflow => "overflow",
        TrapCode::IntegerDivisionByZero => "division",
        TrapCode::BadConversionToInteger => "conversion",
        TrapCode::UnreachableCodeReached => "unreachable",
        _ => return None,
    })
}

/// Runs every export, then observes the resulting state. `None` if wasmi does
/// not accept the module.
///
/// # Errors
/// Text that describes a failure of the harness.
pub fn run(wasm: &[u8], seed: u64) -> Result<Option<Vec<Event>>, String> {
    let mut config = Config::default();
    config.set_max_recursion_depth(100_000).set_max_stack_height(16 << 20);
    let engine = Engine::new(&config);
    let Ok(module) = Module::new(&engine, wasm) else { return Ok(None) };
    let mut store = Store::new(&engine, Log::new());
    let instance = match linker(&engine)?.instantiate_and_start(&mut store, &module) {
        Ok(instance) => instance,
        Err(_) => {
            store.data_mut().push(Event::NotInstantiated);
            return Ok(Some(store.into_data()));
        }
    };
    let mut exports: Vec<(String, Extern)> = module
        .exports()
        .filter_map(|export| {
            Some((export.name().to_string(), instance.get_export(&store, export.name())?))
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
                ValType::F32 => Val::F32(F32::from_bits(bits as u32)),
                ValType::F64 => Val::F64(F64::from_bits(bits as u64)),
                ValType::V128 => Val::V128(V128::from(bits)),
                ValType::FuncRef => Val::FuncRef(Nullable::Null),
                ValType::ExternRef if bits.is_multiple_of(4) => Val::ExternRef(Nullable::Null),
                ValType::ExternRef => {
                    Val::ExternRef(Nullable::Val(ExternRef::new(&mut store, bits as i32)))
                }
            });
        }
        let mut results = vec![Val::I32(0); ty.results().len()];
        let outcome = func.call(&mut store, &params, &mut results);
        let event = match outcome {
            Ok(()) => {
                let values = results.iter().map(|result| value(&store, result)).collect();
                Event::Returned(name.clone(), values)
            }
            Err(error) => match error.as_trap_code().map(trap_name) {
                Some(Some(trap)) => Event::Trapped(name.clone(), trap),
                Some(None) => Event::OutOfResources,
                None => return Err(format!("wasmi: {name}: {error}")),
            },
        };
        store.data_mut().push(event);
    }
    for (name, item) in &exports {
        let event = match item {
            Extern::Func(_) => continue,
            Extern::Global(global) => {
                Event::Global(name.clone(), value(&store, &global.get(&store)))
            }
            Extern::Memory(found) => memory(name, found.data(&store)),
            Extern::Table(table) => {
                let elements = (0..table.size(&store)).filter_map(|at| table.get(&store, at));
                let elements = elements.map(|element| value(&store, &Val::from(element)));
                Event::Table(name.clone(), elements.collect())
            }
        };
        store.data_mut().push(event);
    }
    Ok(Some(store.into_data()))
}
