//! Calls from the host to Wasm, through the runtimes' own interfaces.
//!
//! Passing: the object is already in the store, and the host passes a copy of a
//! rooted index: in Kernref to a root that the host keeps, in Wasmtime a `Rooted`,
//! its cheapest kind, in wasmi its only kind. Owned: the host keeps a handle of
//! arbitrary lifetime and passes a clone of it: in Kernref of an `ExternRef`, in
//! Wasmtime of an `OwnedRooted`. The clone is gone when the call returns.
//!
//! Creating: the object must also be released. Kernref does so when the call
//! returns. Wasmtime does so when it collects, which is left to itself during a
//! sample and forced at its end, so that samples pay for what they create.
//! wasmi never does, and is left out.

use super::floors;
use crate::measure::{Goal, Row, Sample, Who, timed};
use crate::rig;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const GUEST: &str = r#"(module
    (func (export "empty"))
    (func (export "pass") (param externref))
    (func (export "is_null") (param externref) (result i32) (ref.is_null (local.get 0))))"#;

/// The kind of call.
#[derive(Clone, Copy)]
enum Call {
    Empty,
    Pass,
    PassOwned,
    Create,
}

/// The rows.
pub fn rows() -> Vec<Row> {
    [
        ("host to wasm: empty", Call::Empty, Some(0.5)),
        ("host to wasm: passing one externref", Call::Pass, Some(0.25)),
        ("host to wasm: passing one externref, owned", Call::PassOwned, None),
        ("host to wasm: create, pass, release one externref", Call::Create, Some(0.15)),
    ]
    .map(|(name, call, at_most)| {
        let goal = at_most.map(|at_most| Goal { at_most, of: &[Who::W1] });
        Row::new(name, goal, move || setup(call))
    })
    .into()
}

fn setup(call: Call) -> Vec<(Who, Sample)> {
    let who: &[Who] = match call {
        Call::Empty | Call::Pass => &Who::WASM,
        Call::PassOwned | Call::Create => &Who::COUNTED,
    };
    who.iter().for_each(|who| check_release(*who));
    let mut contenders: Vec<_> = who.iter().map(|who| (*who, sample(*who, call, || 7))).collect();
    contenders.push((Who::Floor, floor(call)));
    contenders
}

fn floor(call: Call) -> Sample {
    let object = Arc::new(7);
    match call {
        Call::Empty => floors::call_in(|| ()),
        Call::Pass => floors::call_in(move || {
            black_box(Arc::as_ptr(&object));
        }),
        Call::PassOwned => floors::call_in(move || drop(black_box(object.clone()))),
        Call::Create => floors::call_in(|| drop(black_box(Box::new(7)))),
    }
}

fn sample<V: Send + Sync + 'static>(who: Who, call: Call, value: fn() -> V) -> Sample {
    match who {
        Who::Kernref | Who::Clone => kernref_sample(who, call, value),
        Who::W1 | Who::W2 => wasmtime_sample(who, call, value),
        Who::Wasmi => wasmi_sample(call, value),
        Who::Guards
        | Who::Unguarded
        | Who::Pooling
        | Who::CraneliftWasm
        | Who::Base
        | Who::Floor => {
            unreachable!("{who:?} does not take part")
        }
    }
}

static CREATED: AtomicU64 = AtomicU64::new(0);
static RELEASED: AtomicU64 = AtomicU64::new(0);

/// Counts how many were created and released.
struct Counted;

impl Counted {
    fn new() -> Self {
        CREATED.fetch_add(1, Ordering::Relaxed);
        Self
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        RELEASED.fetch_add(1, Ordering::Relaxed);
    }
}

/// Checks that everything a sample creates is released by its end.
fn check_release(who: Who) {
    if who == Who::Wasmi {
        return;
    }
    let before = (CREATED.load(Ordering::Relaxed), RELEASED.load(Ordering::Relaxed));
    let mut sample = sample(who, Call::Create, Counted::new);
    sample(5000);
    let created = CREATED.load(Ordering::Relaxed) - before.0;
    let released = RELEASED.load(Ordering::Relaxed) - before.1;
    // One object is kept for passing.
    assert_eq!((created, released), (5001, 5000), "{who:?} releases what it is passed");
}

/// Runs and times a fallible operation that must succeed.
fn repeat<E: std::fmt::Debug>(ops: u64, mut op: impl FnMut() -> Result<(), E>) -> f64 {
    timed(ops, || {
        for _ in 0..ops {
            op().expect("the call succeeds");
        }
    })
}

fn kernref_sample<V: Send + Sync + 'static>(who: Who, call: Call, value: fn() -> V) -> Sample {
    use kernref::{ExternRef, Linker, Module, OwnedRooted, Rooted, Store};
    let engine = rig::kernref_engine(who, rig::SLOTS);
    let module = Module::new(&engine, guest()).unwrap();
    let mut store = Store::new(&engine, ()).unwrap();
    let instance = Linker::new(&engine).instantiate(&mut store, &module).unwrap();
    let empty = instance.get_typed_func::<(), ()>(&mut store, "empty").unwrap();
    let pass = instance.get_typed_func::<ExternRef, ()>(&mut store, "pass").unwrap();
    let is_null = instance.get_typed_func::<ExternRef, i32>(&mut store, "is_null").unwrap();
    let lend = instance.get_typed_func::<Rooted, ()>(&mut store, "pass").unwrap();
    let object = ExternRef::new(value()).unwrap();
    let root = OwnedRooted::new(&mut store, object.clone()).unwrap();
    assert_eq!(is_null.call(&mut store, object.clone()).unwrap(), 0);
    match call {
        Call::Empty => Box::new(move |ops| repeat(ops, || empty.call(&mut store, ()))),
        Call::Pass => Box::new(move |ops| repeat(ops, || lend.call(&mut store, root.to_rooted()))),
        Call::PassOwned => {
            Box::new(move |ops| repeat(ops, || pass.call(&mut store, object.clone())))
        }
        Call::Create => Box::new(move |ops| {
            let _kept = &object;
            repeat(ops, || pass.call(&mut store, ExternRef::new(value())?))
        }),
    }
}

fn wasmtime_sample<V: Send + Sync + 'static>(who: Who, call: Call, value: fn() -> V) -> Sample {
    use wasmtime::{ExternRef, Linker, Module, OwnedRooted, RootScope, Rooted, Store};
    type Owned = Option<OwnedRooted<ExternRef>>;
    let engine = rig::wasmtime_engine(who);
    let module = Module::new(&engine, guest()).unwrap();
    let mut store = Store::new(&engine, ());
    let instance = Linker::new(&engine).instantiate(&mut store, &module).unwrap();
    let empty = instance.get_typed_func::<(), ()>(&mut store, "empty").unwrap();
    let pass =
        instance.get_typed_func::<Option<Rooted<ExternRef>>, ()>(&mut store, "pass").unwrap();
    let is_null =
        instance.get_typed_func::<Option<Rooted<ExternRef>>, i32>(&mut store, "is_null").unwrap();
    let object = ExternRef::new(&mut store, value()).unwrap();
    assert_eq!(is_null.call(&mut store, Some(object)).unwrap(), 0);
    match call {
        Call::Empty => Box::new(move |ops| repeat(ops, || empty.call(&mut store, ()))),
        Call::Pass => Box::new(move |ops| repeat(ops, || pass.call(&mut store, Some(object)))),
        Call::PassOwned => {
            let pass_owned = instance.get_typed_func::<Owned, ()>(&mut store, "pass").unwrap();
            let owned = object.to_owned_rooted(&mut store).unwrap();
            Box::new(move |ops| repeat(ops, || pass_owned.call(&mut store, Some(owned.clone()))))
        }
        Call::Create => Box::new(move |ops| {
            timed(ops, || {
                repeat(ops, || {
                    let mut scope = RootScope::new(&mut store);
                    let object = ExternRef::new(&mut scope, value())?;
                    pass.call(&mut scope, Some(object))
                });
                store.gc(None).expect("collecting succeeds");
            })
        }),
    }
}

fn wasmi_sample<V: Send + Sync + 'static>(call: Call, value: fn() -> V) -> Sample {
    use wasmi::{Engine, ExternRef, Linker, Module, Nullable, Store};
    let engine = Engine::default();
    let module = Module::new(&engine, guest()).unwrap();
    let mut store = Store::new(&engine, ());
    let instance = Linker::new(&engine).instantiate_and_start(&mut store, &module).unwrap();
    let empty = instance.get_typed_func::<(), ()>(&store, "empty").unwrap();
    let pass = instance.get_typed_func::<Nullable<ExternRef>, ()>(&store, "pass").unwrap();
    let is_null = instance.get_typed_func::<Nullable<ExternRef>, i32>(&store, "is_null").unwrap();
    let object = Nullable::from(ExternRef::new(&mut store, value()));
    assert_eq!(is_null.call(&mut store, object).unwrap(), 0);
    match call {
        Call::Empty => Box::new(move |ops| repeat(ops, || empty.call(&mut store, ()))),
        Call::Pass => Box::new(move |ops| repeat(ops, || pass.call(&mut store, object))),
        Call::PassOwned | Call::Create => unreachable!("wasmi does not release"),
    }
}

fn guest() -> Vec<u8> {
    wat::parse_str(GUEST).expect("the module's text is right")
}
