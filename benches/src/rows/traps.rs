//! Traps that surface as an `Err` at the host. Kernref always keeps a
//! backtrace; its peers are measured with and without one.

use crate::measure::{Goal, Row, Sample, Who, timed};
use crate::rig;
use std::fmt::Debug;
use std::hint::black_box;

const UNREACHABLE: &str = r#"(module (func (export "trap") unreachable))"#;
const STRAY: &str = r#"(module (memory 1) (global $at (mut i32) (i32.const 65536))
    (func (export "trap") (drop (i32.load (global.get $at)))))"#;

/// The rows.
pub fn rows() -> Vec<Row> {
    let row = |name: &str, of, who: &'static [Who], text, backtrace| {
        Row::new(name, Some(Goal { at_most: 1.0, of }), move || {
            who.iter().map(|who| (*who, sample(*who, text, backtrace))).collect()
        })
    };
    let guards = &[Who::Guards, Who::W1];
    vec![
        row("trap to Err", &[Who::W2], &Who::PLAIN, UNREACHABLE, false),
        row("trap to Err, with a backtrace", &[Who::W2], &Who::PLAIN, UNREACHABLE, true),
        row("trap to Err, at a guard page", &[Who::W1], guards, STRAY, false),
    ]
}

fn sample(who: Who, text: &str, backtrace: bool) -> Sample {
    match who {
        Who::Kernref | Who::Guards => kernref_sample(who, text),
        Who::Wasmi => wasmi_sample(text),
        _ => wasmtime_sample(who, text, backtrace),
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

fn guest(text: &str) -> Vec<u8> {
    wat::parse_str(text).expect("the module's text is right")
}

fn kernref_sample(who: Who, text: &str) -> Sample {
    use kernref::{Linker, Module, Store};
    let engine = rig::kernref_engine(who, rig::SLOTS);
    let module = Module::new(&engine, guest(text)).unwrap();
    let mut store = Store::new(&engine, ()).unwrap();
    let instance = Linker::new(&engine).instantiate(&mut store, &module).unwrap();
    let trap = instance.get_typed_func::<(), ()>(&mut store, "trap").unwrap();
    failing(move || trap.call(&mut store, ()))
}

fn wasmtime_sample(who: Who, text: &str, backtrace: bool) -> Sample {
    use wasmtime::{Engine, Linker, Module, Store};
    let mut config = rig::wasmtime_config(who);
    if !backtrace {
        config.wasm_backtrace_max_frames(None);
    }
    let engine = Engine::new(&config).unwrap();
    let module = Module::new(&engine, guest(text)).unwrap();
    let mut store = Store::new(&engine, ());
    let instance = Linker::new(&engine).instantiate(&mut store, &module).unwrap();
    let trap = instance.get_typed_func::<(), ()>(&mut store, "trap").unwrap();
    failing(move || trap.call(&mut store, ()))
}

fn wasmi_sample(text: &str) -> Sample {
    use wasmi::{Engine, Linker, Module, Store};
    let engine = Engine::default();
    let module = Module::new(&engine, guest(text)).unwrap();
    let mut store = Store::new(&engine, ());
    let instance = Linker::new(&engine).instantiate_and_start(&mut store, &module).unwrap();
    let trap = instance.get_typed_func::<(), ()>(&store, "trap").unwrap();
    failing(move || trap.call(&mut store, ()))
}
