//! The demonstration kernel: compiles the module the host passed in, or loads the
//! artifact (without the feature `compile` it can do no more), gives it
//! the host module `kernel`, runs it, and reports what happened.
//!
//! Requests are `key=value`: `invoke=NAME`, `arg=VALUE` (repeated),
//! `policy=zero-count|clone-on-read`, `zeal=1`, `hardware-traps=1`,
//! `timeout=SECONDS`, `key=HEX` (repeated: keys with which artifacts may be signed).
//! Programs for WASI are handed what `wasi.rs` says. With `smp=N`, `guests=N` of them run
//! at once on so many processors: see `several.rs`.
#![no_std]
#![no_main]

extern crate alloc;

mod host;
mod load;
mod objects;
mod report;
mod request;
mod several;
mod values;
mod wasi;

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::num::NonZeroU32;
use core::sync::atomic::{AtomicU32, Ordering};
use kernref::{DeferralPolicy, Engine, Error, Extern, Func, Instance, Linker, Module, Store, Val};
#[cfg(feature = "compile")]
use kernref_qemu::heap;
use kernref_qemu::{Verdict, embedder, faults, payload, println, timer};
use request::Request;
use spin::Once;

kernref_qemu::entry!(main);

/// Timer interrupts per second; each advances the epoch.
const HERTZ: u32 = 100;

static ENGINE: Once<Engine> = Once::new();
static TICKS_LEFT: AtomicU32 = AtomicU32::new(0);

/// Runs in interrupt context: atomics only.
fn tick() {
    let left = TICKS_LEFT.load(Ordering::Relaxed).saturating_sub(1);
    TICKS_LEFT.store(left, Ordering::Relaxed);
    if left == 0
        && let Some(engine) = ENGINE.get()
    {
        engine.increment_epoch();
    }
}

fn main() -> Verdict {
    let payload = payload::read();
    let verdict = match Request::parse(&payload) {
        Ok(request) => serve(request),
        Err(message) => {
            println!("refused: {message}");
            Verdict::Refused
        }
    };
    if !wasi::has_run() {
        report::objects();
        println!("[kernel] shutting down");
    }
    verdict
}

fn engine(request: &Request) -> kernref::Result<Engine> {
    let mut config = embedder::config();
    // Several guests are ended by their interrupt handles, without polls.
    config.epoch_interruption(request.processors.is_none()).deferral_policy(
        match request.clone_on_read {
            true => DeferralPolicy::CloneOnRead,
            false => DeferralPolicy::ZeroCount,
        },
    );
    config.gc_zeal(NonZeroU32::new(u32::from(request.zeal)));
    config.hardware_traps(request.hardware_traps);
    // Only one module is compiled, before there is anything else.
    #[cfg(feature = "compile")]
    config.compile_memory(heap::compile_memory().region_bytes(heap::SIZE_BYTES / 8 * 5));
    // Some guests are interpreters, which recurse with what they run.
    config.max_wasm_stack(1 << 20).stack_bounds(Arc::new(embedder::CurrentStack));
    // Small enough for a modest guest to trigger collections.
    config.reference_slots(4096).gc_threshold(Some(64));
    Engine::new(&config)
}

/// What is made of a request: for a program for WASI the rest is done elsewhere.
enum Made {
    Usual(Store<()>, Module, Linker<()>, faults::Watch),
    Wasi(Module, faults::Watch),
}

fn serve(request: Request) -> Verdict {
    let (name, bytes) = request.module;
    let outcome = (|| {
        let engine = engine(&request)?;
        // From before the first guest until the last is gone.
        let watch = faults::watch(&engine)?;
        ENGINE.call_once(|| engine.clone());
        let started = timer::now_ns();
        let (how, module) = within_time(&request, || load::module(&request, &engine))?;
        if wasi::is_for_wasi(&module) {
            return Ok(Made::Wasi(module, watch));
        }
        let milliseconds = (timer::now_ns() - started) / 1_000_000;
        println!(
            "[kernel] {} {how} {name}: {} bytes to {} bytes of code in {milliseconds} ms",
            kernref_qemu::arch::NAME,
            bytes.len(),
            module.code_size(),
        );
        let mut linker = Linker::new(&engine);
        host::define(&mut linker)?;
        Ok::<_, Error>(Made::Usual(Store::new(&engine, ())?, module, linker, watch))
    })();
    let (mut store, module, linker, watch) = match outcome {
        Ok(Made::Usual(store, module, linker, watch)) => (store, module, linker, watch),
        Ok(Made::Wasi(module, _watch)) => return wasi::serve(&request, &module),
        Err(error) => return report::refusal(name, &error),
    };
    if let Some(processors) = request.processors {
        drop(store);
        several::run(request, processors, module, linker, watch);
    }
    store.set_epoch_deadline(1);
    let verdict = within_time(&request, || run(&request, &mut store, &module, &linker));
    report::statistics("at the end", &store);
    match store.gc() {
        Ok(()) => report::statistics("after a collection", &store),
        Err(error) => println!("collection failed: {error}"),
    }
    drop(store);
    drop(watch);
    host::forget_counters();
    verdict
}

/// Runs `body`; the epoch advances once it has taken longer than was requested.
pub(crate) fn within_time<R>(request: &Request, body: impl FnOnce() -> R) -> R {
    TICKS_LEFT.store(request.timeout_seconds.saturating_mul(HERTZ), Ordering::Relaxed);
    timer::set_hook(Some(tick));
    timer::start(HERTZ);
    let result = body();
    timer::stop();
    result
}

fn run(request: &Request, store: &mut Store<()>, module: &Module, linker: &Linker<()>) -> Verdict {
    let instance = match linker.instantiate(&mut *store, module) {
        Ok(instance) => instance,
        Err(error @ Error::Trap(_)) => return report::trap("instantiation", store, &error),
        Err(error) => return report::refusal(request.module.0, &error),
    };
    let (name, func) = match choose(request, store, instance) {
        Ok(Some(chosen)) => chosen,
        Ok(None) => {
            println!("no `run` or `_start`, and no --invoke: instantiated only");
            report::exports(module);
            return Verdict::Success;
        }
        Err(()) => {
            report::exports(module);
            return Verdict::Refused;
        }
    };
    let Ok(ty) = func.ty(&*store) else { return Verdict::Refused };
    let args = match values::parse_all(&request.args, &ty) {
        Ok(args) => args,
        Err(message) => {
            println!("refused: {name}: {message}");
            return Verdict::Refused;
        }
    };
    let mut results: Vec<Val> = ty.results().iter().map(|ty| Val::default_for_ty(*ty)).collect();
    match func.call(&mut *store, &args, &mut results) {
        Ok(()) => {
            println!("{name}({}) = {}", request.args.join(", "), values::Shown(&results));
            Verdict::Success
        }
        Err(error) => report::trap(name, store, &error),
    }
}

/// The function to call: the one requested, else `run`, else `_start`.
pub(crate) fn choose<'r>(
    request: &'r Request,
    store: &mut Store<()>,
    instance: Instance,
) -> Result<Option<(&'r str, Func)>, ()> {
    let Some(name) = request.invoke else {
        let found = ["run", "_start"]
            .into_iter()
            .find_map(|name| Some((name, instance.get_func(&mut *store, name)?)));
        return Ok(found);
    };
    match instance.get_export(&mut *store, name) {
        Some(Extern::Func(func)) => Ok(Some((name, func))),
        Some(_) => {
            println!("refused: the export `{name}` is not a function");
            Err(())
        }
        None => {
            println!("refused: the module exports nothing named `{name}`");
            Err(())
        }
    }
}
