//! Random programs of reference operations, run by an interpreter in Wasm,
//! against a plain model: no live object is released, every dead one is, each
//! once. Both policies and zeal agree with the model, and so with each other.

mod model;

use crate::support::{Maybe, Setup, module};
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU8, Ordering};
use kernref::abi::Trap;
use kernref::gc::ExternRef;
use kernref::{
    AsContextMut, Caller, Engine, Error, Extern, Linker, Memory, Rooted, Store, TypedFunc,
};
use model::{Code, Id, Model, Probe, Random};

/// Runs the operations between two addresses. An operation is four bytes: what
/// to do, a local `a`, and operands `b` and `c`. `ARMS` is where they are done.
const INTERPRETER: &str = r#"(module
    (import "h" "make" (func $make (result externref)))
    (import "h" "probe" (func $probe (param i32 externref externref externref externref)))
    (import "h" "nest" (func $nest (param i32 i32 i32 externref) (result externref)))
    (import "h" "lend" (func $lend (param i32 i32 i32 externref) (result externref)))
    (import "h" "gc" (func $gc))
    (import "h" "step" (func $step (param i32)))
    (import "h" "set" (func $set (param i32 externref)))
    (memory (export "program") 1)
    (table $t (export "t") 8 externref)
    (table $grown 0 12 externref)
    (elem $nulls externref (ref.null extern) (ref.null extern))
    (global $g0 (mut externref) (ref.null extern))
    (global $g1 (mut externref) (ref.null extern))
    (func $pick (param $at i32) (param externref externref externref externref) (result externref)
        (select (result externref)
            (select (result externref) (local.get 4) (local.get 3)
                (i32.and (local.get $at) (i32.const 1)))
            (select (result externref) (local.get 2) (local.get 1)
                (i32.and (local.get $at) (i32.const 1)))
            (i32.and (local.get $at) (i32.const 2))))
    (func $min (param i32 i32) (result i32)
        (select (local.get 0) (local.get 1) (i32.lt_u (local.get 0) (local.get 1))))
    (func $run (export "run") (param $at i32) (param $end i32) (param $l0 externref)
        (result externref)
        (local $l1 externref) (local $l2 externref) (local $l3 externref) (local $v externref)
        (local $op i32) (local $a i32) (local $b i32) (local $c i32) (local $to i32)
        (block $done (loop $next
            (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
            (local.set $op (i32.load8_u (local.get $at)))
            (local.set $a (i32.load8_u offset=1 (local.get $at)))
            (local.set $b (i32.load8_u offset=2 (local.get $at)))
            (local.set $c (i32.load8_u offset=3 (local.get $at)))
            (local.set $at (i32.add (local.get $at) (i32.const 4)))
            ;; Where a called frame ends: where this one does at the latest.
            (local.set $to (call $min (local.get $end)
                (i32.add (local.get $at) (i32.mul (local.get $c) (i32.const 4)))))
            (local.set $v (call $pick (local.get $a)
                (local.get $l0) (local.get $l1) (local.get $l2) (local.get $l3)))
            (local.set $v (block $result (result externref) ARMS))
            (block $3 (block $2 (block $1 (block $0
                (br_table $0 $1 $2 $3 (local.get $a)))
                (local.set $l0 (local.get $v)) (br $next))
                (local.set $l1 (local.get $v)) (br $next))
                (local.set $l2 (local.get $v)) (br $next))
            (local.set $l3 (local.get $v))
            (br $next)))
        (local.get $l1)))"#;

/// The local that `b` names.
const LOCAL_B: &str = "(call $pick (local.get $b)
    (local.get $l0) (local.get $l1) (local.get $l2) (local.get $l3))";

/// What each operation of [`model::Op`] does, in that order. `$v` is the
/// value of local `a`; what goes to `$result` is its new value.
const ARMS: [&str; 21] = [
    "(br $result (call $make))",
    "(br $result LOCAL_B)",
    "(br $result (ref.null extern))",
    "(br $result (table.get $t (i32.and (local.get $b) (i32.const 7))))",
    "(table.set $t (i32.and (local.get $b) (i32.const 7)) (local.get $v)) (br $next)",
    "(table.fill $t (local.get $b) (local.get $v) (i32.and (local.get $c) (i32.const 3)))
        (br $next)",
    "(table.copy $t $t (local.get $a) (local.get $b) (i32.and (local.get $c) (i32.const 3)))
        (br $next)",
    "(if (i32.and (local.get $b) (i32.const 1))
        (then (global.set $g1 (local.get $v))) (else (global.set $g0 (local.get $v))))
        (br $next)",
    "(br $result (if (result externref) (i32.and (local.get $b) (i32.const 1))
        (then (global.get $g1)) (else (global.get $g0))))",
    "(drop (table.grow $grown (local.get $v)
        (i32.add (i32.and (local.get $b) (i32.const 1)) (i32.const 1)))) (br $next)",
    "(br $result (if (result externref) (table.size $grown)
        (then (table.get $grown (i32.rem_u (local.get $b) (table.size $grown))))
        (else (ref.null extern))))",
    "(if (table.size $grown) (then
        (table.set $grown (i32.rem_u (local.get $b) (table.size $grown)) (local.get $v))))
        (br $next)",
    "(call $run (local.get $at) (local.get $to) LOCAL_B)
        (local.set $at (local.get $to)) (br $result)",
    "(if (result externref) (i32.and (local.get $b) (i32.const 0x40))
        (then (call $nest (i32.and (local.get $b) (i32.const 0x80))
            (local.get $at) (local.get $to) LOCAL_B))
        (else (call $lend (i32.and (local.get $b) (i32.const 0x80))
            (local.get $at) (local.get $to) LOCAL_B)))
        (local.set $at (local.get $to)) (br $result)",
    "(call $probe (local.get $b)
        (local.get $l0) (local.get $l1) (local.get $l2) (local.get $l3)) (br $next)",
    "(call $gc) (br $next)",
    "(call $step (i32.and (local.get $b) (i32.const 7))) (br $next)",
    "(call $set (i32.and (local.get $b) (i32.const 7)) (local.get $v)) (br $next)",
    "(table.init $t $nulls (local.get $b) (i32.const 0) (i32.const 2)) (br $next)",
    "(return (local.get $v))",
    "(unreachable)",
];

fn interpreter() -> String {
    let labels: String = (0..ARMS.len()).map(|at| format!("$op{at} ")).collect();
    let dispatch = format!("(br_table {labels} (local.get $op))");
    let arms = ARMS.iter().enumerate().fold(dispatch, |inner, (at, arm)| {
        format!("(block $op{at} {inner}) {}", arm.replace("LOCAL_B", LOCAL_B))
    });
    INTERPRETER.replace("ARMS", &arms)
}

/// What has become of an object.
const UNBORN: u8 = 0;
const ALIVE: u8 = 1;
const RELEASED: u8 = 2;

/// The fate of every object that programs of one store make.
type Fates = Arc<[AtomicU8]>;

struct Tracked {
    id: Id,
    fates: Fates,
}

impl Drop for Tracked {
    fn drop(&mut self) {
        let before = self.fates[self.id as usize].swap(RELEASED, Ordering::Relaxed);
        assert_eq!(before, ALIVE, "object {} is released twice", self.id);
    }
}

/// The store's data.
struct World {
    fates: Fates,
    made: Id,
    probes: Vec<Probe>,
    probed: usize,
    /// A step was taken since the last whole collection, so that a mark may
    /// keep an object one collection longer (invariant G7 of `gc`).
    stepped: bool,
}

fn alive(fates: &Fates) -> BTreeSet<Id> {
    let is_alive = |id: &Id| fates[*id as usize].load(Ordering::Relaxed) == ALIVE;
    (0..fates.len() as Id).filter(is_alive).collect()
}

fn id(object: &ExternRef) -> Id {
    let tracked = object.downcast_ref::<Tracked>().unwrap();
    assert_eq!(tracked.fates[tracked.id as usize].load(Ordering::Relaxed), ALIVE);
    tracked.id
}

fn make(mut caller: Caller<'_, World>) -> kernref::Result<ExternRef> {
    let world = caller.data_mut();
    let tracked = Tracked { id: world.made, fates: Arc::clone(&world.fates) };
    let before = world.fates[world.made as usize].swap(ALIVE, Ordering::Relaxed);
    assert_eq!(before, UNBORN);
    world.made += 1;
    ExternRef::new(tracked)
}

fn probe(
    mut caller: Caller<'_, World>,
    how: u32,
    locals: [Option<Rooted>; 4],
) -> kernref::Result<()> {
    let collects = how & 1 != 0;
    if collects {
        if core::mem::take(&mut caller.data_mut().stepped) {
            caller.gc()?;
        }
        caller.gc()?;
    }
    let mut found = [None; 4];
    for (found, local) in found.iter_mut().zip(locals) {
        *found = local.map(|local| local.get(&caller).map(id)).transpose()?;
    }
    let world = caller.data_mut();
    let wanted = &world.probes[world.probed];
    world.probed += 1;
    assert_eq!(found, wanted.locals);
    let alive = alive(&world.fates);
    assert!(alive.is_superset(&wanted.placed), "{alive:?} alive of {wanted:?}");
    assert!(!collects || alive.is_subset(&wanted.reachable), "{alive:?} alive of {wanted:?}");
    Ok(())
}

/// Calls the interpreter again, on this operation's part of the program.
fn nest<P>(
    caller: &mut Caller<'_, World>,
    swallows: u32,
    range: (u32, u32),
    argument: P,
) -> kernref::Result<Maybe>
where
    (u32, u32, P): kernref::WasmParams,
{
    let run = caller.get_export("run").and_then(Extern::into_func).unwrap();
    let run = run.typed::<(u32, u32, P), Maybe>(&*caller)?;
    match run.call(caller, (range.0, range.1, argument)) {
        Err(Error::Trap(Trap::UnreachableCodeReached)) if swallows != 0 => Ok(None),
        outcome => outcome,
    }
}

fn linker(engine: &Engine) -> Linker<World> {
    type C<'a> = Caller<'a, World>;
    type R = Option<Rooted>;
    let mut linker = Linker::<World>::new(engine);
    linker.func_wrap("h", "make", make).unwrap();
    let probing =
        |caller: C<'_>, how: u32, a: R, b: R, c: R, d: R| probe(caller, how, [a, b, c, d]);
    linker.func_wrap("h", "probe", probing).unwrap();
    let owned = |mut caller: C<'_>, swallows: u32, at: u32, end: u32, argument: Maybe| {
        nest(&mut caller, swallows, (at, end), argument)
    };
    linker.func_wrap("h", "nest", owned).unwrap();
    let lent = |mut caller: C<'_>, swallows: u32, at: u32, end: u32, argument: R| {
        nest(&mut caller, swallows, (at, end), argument)
    };
    linker.func_wrap("h", "lend", lent).unwrap();
    linker.func_wrap("h", "gc", |mut caller: C<'_>| caller.gc()).unwrap();
    let step = |mut caller: C<'_>, budget: u32| -> kernref::Result<()> {
        caller.data_mut().stepped = true;
        caller.as_context_mut().gc_step(budget).map(|_| ())
    };
    linker.func_wrap("h", "step", step).unwrap();
    let set = |mut caller: C<'_>, at: u32, object: Maybe| -> kernref::Result<()> {
        let table = caller.get_export("t").and_then(Extern::into_table).unwrap();
        table.set(&mut caller, at.into(), object.into())
    };
    linker.func_wrap("h", "set", set).unwrap();
    linker
}

type Run = TypedFunc<(u32, u32, Maybe), Maybe>;

/// Runs one program in the store and in the model, and compares.
fn compare(store: &mut Store<World>, memory: Memory, run: Run, model: &mut Model, code: &[Code]) {
    let bytes: Vec<u8> = code.iter().flat_map(|(op, a, b, c)| [*op as u8, *a, *b, *c]).collect();
    memory.write(&mut *store, 0, &bytes).unwrap();
    let wanted = model.run(code);
    let world = store.data_mut();
    (world.probes, world.probed) = (core::mem::take(&mut model.probes), 0);
    let found = run.call(&mut *store, (0, bytes.len() as u32, None));
    match (&found, &wanted) {
        (Ok(found), Ok(wanted)) => assert_eq!(found.as_ref().map(id), *wanted),
        (Err(Error::Trap(Trap::UnreachableCodeReached)), Err(_)) => {}
        _ => panic!("{found:?} instead of {wanted:?}"),
    }
    let world = store.data();
    assert_eq!((world.probed, world.made), (world.probes.len(), model.made()));
    // No frame is left: what was not stored is gone at once.
    drop(found);
    assert_eq!(alive(&store.data().fates), model.placed());
    assert_eq!(store.gc_stats().table_len, 0);
}

fn run_programs(setup: Setup, seeds: core::ops::Range<u64>, len: usize, threshold: Option<u32>) {
    const PROGRAMS: usize = 6;
    let adjust = |config: &mut kernref::Config| {
        config.reference_slots(512).gc_threshold(threshold);
    };
    setup.each_config(adjust, |engine| {
        let linker = linker(engine);
        let module = module(engine, &interpreter());
        let (mut made, mut probed) = (0, 0);
        for seed in seeds.clone() {
            let fates: Fates = (0..PROGRAMS * len).map(|_| AtomicU8::new(UNBORN)).collect();
            let (fates_too, probes) = (Arc::clone(&fates), Vec::new());
            let world = World { fates: fates_too, made: 0, probes, probed: 0, stepped: false };
            let mut store = Store::new(engine, world).unwrap();
            let instance = linker.instantiate(&mut store, &module).unwrap();
            let memory = instance.get_memory(&mut store, "program").unwrap();
            let run: Run = instance.get_typed_func(&mut store, "run").unwrap();
            let mut model = Model::default();
            let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
            for _ in 0..PROGRAMS {
                let code = random.program(len);
                compare(&mut store, memory, run, &mut model, &code);
                probed += store.data().probed;
            }
            made += model.made() as usize;
            drop(store);
            let fate = |id: Id| fates[id as usize].load(Ordering::Relaxed);
            assert!((0..model.made()).all(|id| fate(id) == RELEASED), "seed {seed}");
            assert!((model.made()..fates.len() as Id).all(|id| fate(id) == UNBORN));
        }
        // The programs did something.
        let operations = PROGRAMS * len * seeds.clone().count();
        assert!(made > operations / 40 && probed > operations / 60, "{made} made, {probed} probed");
    });
}

pub fn many_short_programs(setup: Setup) {
    run_programs(setup, 1..41, 40, Some(3));
}

pub fn some_long_programs(setup: Setup) {
    run_programs(setup, 100..108, 400, Some(12));
}

pub fn programs_that_seldom_collect(setup: Setup) {
    run_programs(setup, 200..216, 120, None);
}
