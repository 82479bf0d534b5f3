//! From a compiled module to an instance in its own store and back to nothing,
//! since Wasmtime frees instances only with their store.

use crate::measure::{Goal, Row, Sample, Who, timed};
use crate::rig;
use std::hint::black_box;

/// The rows. In the last one the guest runs and writes to four of its pages.
pub fn rows() -> Vec<Row> {
    let goal = || Some(Goal { at_most: 0.5, of: &[Who::W1, Who::W2, Who::Pooling] });
    vec![
        row("a memory, a table of 1000", goal(), "funcref", Then::Drop),
        row("the same, externref", goal(), "externref", Then::Drop),
        row("the same, and a call that writes", None, "externref", Then::Call),
    ]
}

/// What is done with an instance.
#[derive(Clone, Copy, PartialEq)]
enum Then {
    Drop,
    Call,
}

fn row(what: &str, goal: Option<Goal>, element: &'static str, then: Then) -> Row {
    Row::new(format!("instantiate: {what}"), goal, move || {
        let guest = guest(element);
        vec![
            (Who::Kernref, kernref_sample(&guest, then)),
            (Who::W1, wasmtime_sample(&rig::wasmtime_engine(Who::W1), &guest, then)),
            (Who::W2, wasmtime_sample(&rig::wasmtime_engine(Who::W2), &guest, then)),
            (Who::Pooling, wasmtime_sample(&rig::wasmtime_pooling_engine(), &guest, then)),
            (Who::Wasmi, wasmi_sample(&guest, then)),
        ]
    })
}

fn guest(element: &str) -> Vec<u8> {
    let text = format!(
        r#"(module (memory (export "m") 1) (table (export "t") 1000 {element})
        (func (export "f") (result i32)
            (i32.store (i32.const 0x2000) (i32.const 1))
            (i32.store (i32.const 0x5000) (i32.const 1))
            (i32.store (i32.const 0xb000) (i32.const 1))
            (i32.store (i32.const 8) (table.size)) (i32.load (i32.const 8))))"#
    );
    wat::parse_str(text).expect("the module's text is right")
}

/// The function's result, checked before anything is timed.
const EXPECTED: i32 = 1000;

/// Times an operation that makes and drops an instance.
fn repeat(mut op: impl FnMut() + 'static) -> Sample {
    Box::new(move |ops| timed(ops, || (0..ops).for_each(|_| op())))
}

fn kernref_sample(guest: &[u8], then: Then) -> Sample {
    use kernref::{Linker, Module, Store};
    let engine = rig::kernref_engine(Who::Kernref, rig::SLOTS);
    let module = Module::new(&engine, guest).unwrap();
    let ready = Linker::new(&engine).instantiate_pre(&module).unwrap();
    let mut store = Store::new(&engine, ()).unwrap();
    let instance = ready.instantiate(&mut store).unwrap();
    let func = instance.get_typed_func::<(), i32>(&mut store, "f").unwrap();
    assert_eq!(func.call(&mut store, ()).unwrap(), EXPECTED);
    repeat(move || {
        let mut store = Store::new(&engine, ()).unwrap();
        let instance = black_box(ready.instantiate(&mut store).unwrap());
        if then == Then::Call {
            let func = instance.get_typed_func::<(), i32>(&mut store, "f").unwrap();
            black_box(func.call(&mut store, ()).unwrap());
        }
    })
}

fn wasmtime_sample(engine: &wasmtime::Engine, guest: &[u8], then: Then) -> Sample {
    use wasmtime::{Linker, Module, Store};
    let engine = engine.clone();
    let module = Module::new(&engine, guest).unwrap();
    let ready = Linker::new(&engine).instantiate_pre(&module).unwrap();
    let mut store = Store::new(&engine, ());
    let instance = ready.instantiate(&mut store).unwrap();
    let func = instance.get_typed_func::<(), i32>(&mut store, "f").unwrap();
    assert_eq!(func.call(&mut store, ()).unwrap(), EXPECTED);
    repeat(move || {
        let mut store = Store::new(&engine, ());
        let instance = black_box(ready.instantiate(&mut store).unwrap());
        if then == Then::Call {
            let func = instance.get_typed_func::<(), i32>(&mut store, "f").unwrap();
            black_box(func.call(&mut store, ()).unwrap());
        }
    })
}

fn wasmi_sample(guest: &[u8], then: Then) -> Sample {
    use wasmi::{Engine, Linker, Module, Store};
    let engine = Engine::default();
    let module = Module::new(&engine, guest).unwrap();
    let linker = Linker::new(&engine);
    let mut store = Store::new(&engine, ());
    let instance = linker.instantiate_and_start(&mut store, &module).unwrap();
    let func = instance.get_typed_func::<(), i32>(&store, "f").unwrap();
    assert_eq!(func.call(&mut store, ()).unwrap(), EXPECTED);
    repeat(move || {
        let mut store = Store::new(&engine, ());
        let instance = linker.instantiate_and_start(&mut store, &module).unwrap();
        let instance = black_box(instance);
        if then == Then::Call {
            let func = instance.get_typed_func::<(), i32>(&store, "f").unwrap();
            black_box(func.call(&mut store, ()).unwrap());
        }
    })
}
