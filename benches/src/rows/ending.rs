//! From the end of a guest's time to the error at the host, by the clock on the wall:
//! Kernref ends it by a signal, without polls in its code; Wasmtime at one of the
//! polls that it compiles in for epochs.

use crate::measure::{Row, Sample, Who};
use crate::rig;
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// How long a guest may run.
const TIME: Duration = Duration::from_millis(2);

const LOOP: &str = r#"(module (func (export "run") (loop $again (br $again))))"#;
/// Each piece of bulk work takes longer than a guest may run.
const FILL: &str = r#"(module (memory 2048)
    (func (export "run")
        (loop $again
            (memory.fill (i32.const 0) (i32.const 7) (i32.const 0x8000000)) (br $again))))"#;

/// The rows.
pub fn rows() -> Vec<Row> {
    [("an endless loop", LOOP), ("fills of 128 MiB", FILL)]
        .map(|(what, text)| {
            let row = Row::new(format!("interrupt to end: {what}"), None, move || {
                let wasm = wat::parse_str(text).expect("the module's text is right");
                vec![(Who::Kernref, kernref_sample(&wasm)), (Who::W1, wasmtime_sample(&wasm))]
            });
            Row { max_ops: 1, ..row }
        })
        .into()
}

/// By how much calls exceed the time that they may take.
fn lateness(ops: u64, mut call: impl FnMut()) -> f64 {
    let late = (0..ops).map(|_| {
        let begun = Instant::now();
        call();
        begun.elapsed().saturating_sub(TIME).as_nanos() as f64
    });
    late.sum::<f64>() / ops as f64
}

fn kernref_sample(wasm: &[u8]) -> Sample {
    use kernref::{Instance, Module, Store, Trap, Watchdog};
    let engine = rig::kernref_engine(Who::Kernref, rig::SLOTS);
    let mut store = Store::new(&engine, ()).unwrap();
    let module = Module::new(&engine, wasm).unwrap();
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let run = instance.get_typed_func::<(), ()>(&mut store, "run").unwrap();
    let watchdog = Watchdog::new().unwrap();
    Box::new(move |ops| {
        lateness(ops, || {
            let outcome = watchdog.run(&mut store, TIME, |store| run.call(store, ())).unwrap();
            assert_eq!(outcome.unwrap_err().as_trap(), Some(Trap::Interrupt));
        })
    })
}

/// A thread of its own advances the epoch, as Kernref's watchdog sends its signal.
fn wasmtime_sample(wasm: &[u8]) -> Sample {
    use wasmtime::{Engine, Instance, Module, Store, Trap};
    let mut config = rig::wasmtime_config(Who::W1);
    config.epoch_interruption(true).wasm_backtrace_max_frames(None);
    let engine = Engine::new(&config).unwrap();
    let mut store = Store::new(&engine, ());
    let module = Module::new(&engine, wasm).unwrap();
    store.set_epoch_deadline(u64::MAX / 2);
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let run = instance.get_typed_func::<(), ()>(&mut store, "run").unwrap();
    let (begin, begun) = mpsc::channel::<Instant>();
    std::thread::spawn(move || {
        // Until the sample, and with it the sender, is dropped.
        for at in begun {
            std::thread::sleep(at.saturating_duration_since(Instant::now()));
            engine.increment_epoch();
        }
    });
    Box::new(move |ops| {
        lateness(ops, || {
            store.set_epoch_deadline(1);
            begin.send(Instant::now() + TIME).expect("the thread waits");
            let error = run.call(&mut store, ()).unwrap_err();
            assert_eq!(error.downcast_ref::<Trap>(), Some(&Trap::Interrupt));
        })
    })
}
