//! Runs a module in Kernref and counts the objects released.

use crate::outcome::{Event, Value, argument, memory};
use kernref::{
    Caller, Config, DeferralPolicy, Engine, Error, Extern, ExternRef, ExternType, Linker, Module,
    Store, Trap, Val, ValType,
};
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};

/// Kernref's configuration for a run.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    policy: DeferralPolicy,
    zeal: bool,
    hardware_traps: bool,
}

impl Setup {
    /// All setups that a module is run under.
    pub fn all() -> impl Iterator<Item = Self> {
        use DeferralPolicy::{CloneOnRead, ZeroCount};
        let explicit =
            [(ZeroCount, false), (ZeroCount, true), (CloneOnRead, false), (CloneOnRead, true)];
        let explicit = explicit.map(|(policy, zeal)| Self { policy, zeal, hardware_traps: false });
        let guarded = Self { policy: ZeroCount, zeal: false, hardware_traps: true };
        explicit.into_iter().chain(cfg!(target_os = "linux").then_some(guarded))
    }
}

/// How often each object was released.
type Census = Arc<Mutex<Vec<u32>>>;

struct Object {
    number: i32,
    id: usize,
    census: Census,
}

impl Drop for Object {
    fn drop(&mut self) {
        if let Ok(mut released) = self.census.lock() {
            released[self.id] += 1;
        }
    }
}

#[derive(Default)]
struct Log {
    events: Vec<Event>,
    census: Census,
}

impl Log {
    fn object(&self, number: i32) -> kernref::Result<ExternRef> {
        let mut released = self.census.lock().map_err(|_| Error::Bug("the census is lost"))?;
        let id = released.len();
        released.push(0);
        ExternRef::new(Object { number, id, census: Arc::clone(&self.census) })
    }
}

fn number(object: Option<&ExternRef>) -> Option<i32> {
    object.and_then(|object| object.downcast_ref::<Object>().ok()).map(|object| object.number)
}

fn value(val: &Val) -> Value {
    match val {
        Val::I32(bits) => Value::Bits32(*bits as u32),
        Val::I64(bits) => Value::Bits64(*bits as u64),
        Val::F32(bits) => Value::Bits32(*bits),
        Val::F64(bits) => Value::Bits64(*bits),
        Val::V128(bits) => Value::Bits128(*bits),
        Val::ExternRef(object) => Value::Object(number(object.as_ref())),
        Val::FuncRef(func) => Value::Func(func.is_some()),
    }
}

fn linker(engine: &Engine) -> kernref::Result<Linker<Log>> {
    let mut linker = Linker::<Log>::new(engine);
    linker.func_wrap("h", "make", |mut caller: Caller<'_, Log>, n: i32| {
        caller.data_mut().events.push(Event::HostCall("make", [Some(n), None]));
        caller.data().object(n)
    })?;
    linker.func_wrap("h", "take", |mut caller: Caller<'_, Log>, object: Option<ExternRef>| {
        let n = number(object.as_ref());
        caller.data_mut().events.push(Event::HostCall("take", [n, None]));
        n.unwrap_or(-1)
    })?;
    linker.func_wrap(
        "h",
        "pick",
        |mut caller: Caller<'_, Log>, a: Option<ExternRef>, b: Option<ExternRef>| {
            let numbers = [number(a.as_ref()), number(b.as_ref())];
            caller.data_mut().events.push(Event::HostCall("pick", numbers));
            b.or(a)
        },
    )?;
    Ok(linker)
}

fn trap_name(trap: Trap) -> Option<&'static str> {
    Some(match trap {
        Trap::MemoryOutOfBounds => "memory",
        Trap::TableOutOfBounds | Trap::UndefinedElement => "table",
        Trap::IndirectCallToNull => "null",
        Trap::BadSignature => "signature",
        Trap::IntegerOverflow => "overflow",
        Trap::IntegerDivisionByZero => "division",
        Trap::BadConversionToInteger => "conversion",
        Trap::UnreachableCodeReached => "unreachable",
        _ => return None,
    })
}

/// Runs every export, then observes the resulting state.
///
/// # Errors
/// Text that says what Kernref alone got wrong: a refused module, a bug that it
/// detected, an object released never or twice.
pub fn run(wasm: &[u8], seed: u64, setup: Setup) -> Result<Vec<Event>, String> {
    let mut config = Config::new();
    config.deferral_policy(setup.policy).gc_zeal(NonZeroU32::new(u32::from(setup.zeal)));
    config.hardware_traps(setup.hardware_traps);
    config.cranelift_debug_verifier(true).max_wasm_stack(8 << 20);
    let setting_up = |error: Error| format!("Kernref cannot be set up: {error}");
    let engine = Engine::new(&config).map_err(setting_up)?;
    let module = Module::new(&engine, wasm).map_err(|error| format!("refused: {error}"))?;
    let mut store = Store::new(&engine, Log::default()).map_err(setting_up)?;
    let linker = linker(&engine).map_err(setting_up)?;
    match linker.instantiate(&mut store, &module) {
        Ok(instance) => {
            let mut exports: Vec<(String, Extern)> = instance
                .exports(&store)
                .map_err(setting_up)?
                .map(|(name, item)| (name.to_string(), item))
                .collect();
            // Sorted by name: each engine lists exports in its own order.
            exports.sort_by(|(left, _), (right, _)| left.cmp(right));
            call_all(&mut store, &exports, seed)?;
            observe(&mut store, &exports).map_err(|error| format!("cannot observe: {error}"))?;
        }
        Err(Error::Bug(bug)) => return Err(bug.into()),
        Err(_) => store.data_mut().events.push(Event::NotInstantiated),
    }
    store.gc().map_err(|error| format!("the last collection: {error}"))?;
    let log = store.into_data();
    let released = log.census.lock().map_err(|_| "the census is lost")?;
    match released.iter().position(|times| *times != 1) {
        Some(id) => Err(format!("object {id} was released {} times", released[id])),
        None => Ok(log.events),
    }
}

fn call_all(store: &mut Store<Log>, exports: &[(String, Extern)], seed: u64) -> Result<(), String> {
    let mut at = 0;
    for (name, item) in exports {
        let Ok(ExternType::Func(ty)) = item.ty(&*store) else { continue };
        let Some(func) = item.into_func() else { continue };
        let mut params = Vec::new();
        for ty in ty.params() {
            let bits = argument(seed, at);
            at += 1;
            params.push(match *ty {
                ValType::I32 => Val::I32(bits as i32),
                ValType::I64 => Val::I64(bits as i64),
                ValType::F32 => Val::F32(bits as u32),
                ValType::F64 => Val::F64(bits as u64),
                ValType::V128 => Val::V128(bits),
                ValType::FUNCREF => Val::FuncRef(None),
                ValType::EXTERNREF if bits.is_multiple_of(4) => Val::ExternRef(None),
                ValType::EXTERNREF => Val::ExternRef(Some(
                    store.data().object(bits as i32).map_err(|error| error.to_string())?,
                )),
                ValType::Ref(ty) => return Err(format!("no arguments of type {ty}")),
            });
        }
        let mut results = vec![Val::I32(0); ty.results().len()];
        let outcome = func.call(&mut *store, &params, &mut results);
        store.data_mut().events.push(match outcome {
            Ok(()) => Event::Returned(name.clone(), results.iter().map(value).collect()),
            Err(Error::Trap(trap)) => match trap_name(trap) {
                Some(trap) => Event::Trapped(name.clone(), trap),
                None if trap == Trap::StackWalkFailed => return Err("a walk failed".into()),
                None => Event::OutOfResources,
            },
            Err(error) => return Err(format!("{name}: {error}")),
        });
    }
    Ok(())
}

fn observe(store: &mut Store<Log>, exports: &[(String, Extern)]) -> kernref::Result<()> {
    for (name, item) in exports {
        let event = if let Some(global) = item.into_global() {
            Event::Global(name.clone(), value(&global.get(&*store)?))
        } else if let Some(found) = item.into_memory() {
            memory(name, found.data(&*store)?)
        } else if let Some(table) = item.into_table() {
            let len = table.size(&*store)?;
            let elements = (0..len).map(|at| table.get(&mut *store, at).map(|val| value(&val)));
            Event::Table(name.clone(), elements.collect::<kernref::Result<_>>()?)
        } else {
            continue;
        };
        store.data_mut().events.push(event);
    }
    Ok(())
}
