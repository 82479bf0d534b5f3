//! Traps that end as an `Err` at the host. Kernref always keeps a backtrace;
//! its peers are measured with and without one.

use crate::measure::{Goal, Row, Sample, Who, timed};
use crate::rig;
use std::fmt::Debug;
use std::hint::black_box;

const GUEST: &str = r#"(module (func (export "trap") unreachable))"#;

/// The rows.
pub fn rows() -> Vec<Row> {
    [("trap to Err", false), ("trap to Err, with a backtrace", true)]
        .map(|(name, backtrace)| {
            let goal = Goal { at_most: 1.0, of: &[Who::W2] };
            Row::new(name, Some(goal), move || {
                Who::PLAIN.map(|who| (who, sample(who, backtrace))).into()
            })
        })
        .into()
}

fn sample(who: Who, backtrace: bool) -> Sample {
    match who {
        Who::Kernref => kernref_sample(),
        Who::Wasmi => wasmi_sample(),
        _ => wasmtime_sample(who, backtrace),
    }
}

/// Times calls that fail; each error is dropped.
fn failing<E: Debug>(mut call: impl FnMut() -> Result<(), E> + 'static) -> Sample {
    call().expect_err("the guest traps");
    Box::new(move |ops| {
        timed(ops, || {
            for _ in 0..ops {
                let _ = black_box(call());
            }
        })
    })
}

fn guest() -> Vec<u8> {
    wat::parse_str(GUEST).expect("the module's text is right")
}

fn kernref_sample() -> Sample {
    use kernref::{Linker, Module, Store};
    let engine = rig::kernref_engine(Who::Kernref, rig::SLOTS);
    let module = Module::new(&engine, guest()).unwrap();
    let mut store = Store::new(&engine, ()).unwrap();
    let instance = Linker::new(&engine).instantiate(&mut store, &module).unwrap();
    let trap = instance.get_typed_func::<(), ()>(&mut store, "trap").unwrap();
    failing(move || trap.call(&mut store, ()))
}

fn wasmtime_sample(who: Who, backtrace: bool) -> Sample {
    use wasmtime::{Engine, Linker, Module, Store};
    let mut config = rig::wasmtime_config(who);
    if !backtrace {
        config.wasm_backtrace_max_frames(None);
    }
    let engine = Engine::new(&config).unwrap();
    let module = Module::new(&engine, guest()).unwrap();
    let mut store = Store::new(&engine, ());
    let instance = Linker::new(&engine).instantiate(&mut store, &module).unwrap();
    let trap = instance.get_typed_func::<(), ()>(&mut store, "trap").unwrap();
    failing(move || trap.call(&mut store, ()))
}

fn wasmi_sample() -> Sample {
    use wasmi::{Engine, Linker, Module, Store};
    let engine = Engine::default();
    let module = Module::new(&engine, guest()).unwrap();
    let mut store = Store::new(&engine, ());
    let instance = Linker::new(&engine).instantiate_and_start(&mut store, &module).unwrap();
    let trap = instance.get_typed_func::<(), ()>(&store, "trap").unwrap();
    failing(move || trap.call(&mut store, ()))
}
