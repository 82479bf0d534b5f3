//! A guest to be ended after any number of instructions, and what must hold of its
//! objects afterwards. Whoever drives it counts the instructions: a debugger's trap
//! after each.
//!
//! The program uses each barrier, each builtin and stub, entry shims, calls of all
//! kinds, nested activations that end well, by a trap, by an error of the host or by
//! being ended, after which the outer one collects. Its host functions take a request
//! to end back when a nested activation has ended by it, so that the outer one goes on.

use crate::support::{self, Setup};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use kernref::__internals::{CompileSettings, compile};
use kernref::{
    AsContextMut, Caller, Config, Engine, Error, ExternRef, Global, GlobalType, Instance,
    InterruptHandle, Linker, Module, OwnedRooted, Rooted, Store, Trap, TypedFunc, Val, ValType,
};

const TEXT: &str = r#"(module
    (import "h" "make" (func $make (result externref)))
    (import "h" "pass" (func $pass (param externref) (result externref)))
    (import "h" "again" (func $again (param externref) (result externref)))
    (import "h" "use" (func $use (param externref)))
    (import "h" "nest" (func $nest (param externref externref) (result externref)))
    (import "h" "fails" (func $fails (param i32)))
    (import "h" "refuse" (func $refuse))
    (import "h" "step" (func $step))
    (import "h" "kept" (global $kept externref))
    (import "h" "shared" (global $shared (mut externref)))
    (type $unary (func (param externref) (result externref)))
    (memory 3 5)
    (data $d "0123456789abcdef")
    (data $gone_data "x")
    (table $t (export "t") 6 12 externref)
    (table $u (export "u") 4 4 externref)
    (table $f 4 funcref)
    (elem (table $f) (i32.const 0) func $same $swap $tail)
    (elem $e externref (item (global.get $kept)) (item (ref.null extern)) (item (global.get $kept)))
    (elem $gone func $same)
    (global $a (export "a") (mut externref) (ref.null extern))
    (global $b (export "b") (mut externref) (ref.null extern))

    (func $same (type $unary) (local.get 0))
    (func $swap (type $unary)
        (global.get $a)
        (global.set $a (local.get 0)))
    ;; Needs more room for arguments than its own take, and then less.
    (func $tail (type $unary)
        (return_call $wide (local.get 0) (i32.const 1) (i32.const 2) (i32.const 3) (i32.const 4)
            (i32.const 5) (i32.const 6) (i32.const 7) (i32.const 8) (i32.const 9) (i32.const 10)
            (i32.const 11) (i32.const 12) (i32.const 13) (i32.const 14)))
    (func $wide (param externref i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)
        (result externref)
        (i32.store8 (i32.const 0) (i32.add (local.get 1) (local.get 14)))
        (return_call_indirect $f (type $unary) (local.get 0) (i32.const 0)))

    (func (export "inner") (param externref externref) (result externref)
        (table.set $u (i32.const 0) (local.get 0))
        (global.set $b (local.get 1))
        (table.set $u (i32.const 1) (call $make))
        (call $use (table.get $u (i32.const 0)))
        ;; Callers' frames still hold them.
        (table.set $u (i32.const 0) (ref.null extern))
        (table.set $u (i32.const 3) (ref.null extern))
        (call $use (local.get 0))
        (call_indirect $f (type $unary) (local.get 1) (i32.const 2)))

    (func (export "trap") (param i32)
        (local $zero i32)
        (if (i32.eq (local.get 0) (i32.const 0))
            (then (drop (i32.div_u (i32.const 1) (local.get $zero)))))
        (if (i32.eq (local.get 0) (i32.const 1))
            (then (drop (i32.load (i32.mul (local.get 0) (i32.const 400000))))))
        (if (i32.eq (local.get 0) (i32.const 2)) (then (call $refuse)))
        (if (i32.eq (local.get 0) (i32.const 3))
            (then (drop (table.get $t (i32.add (local.get 0) (i32.const 100))))))
        (if (i32.eq (local.get 0) (i32.const 4))
            (then (drop (call_indirect $f (type $unary) (ref.null extern) (local.get $zero))))
            (else (drop (call_indirect $f (type $unary) (ref.null extern) (local.get 0))))))

    (func (export "run") (param externref externref) (result externref)
        (local $x externref) (local $y externref) (local $z externref)
        (local $i i32)
        (table.set $t (i32.const 0) (local.get 0))
        (table.set $t (i32.const 1) (local.get 0))
        (global.set $a (local.get 1))
        (local.set $x (table.get $t (i32.const 0)))
        (local.set $y (global.get $a))
        (global.set $a (call $make))
        ;; Takes a count to zero.
        (global.set $a (call $make))
        (global.set $shared (call $make))
        (call $use (global.get $shared))
        (global.set $shared (ref.null extern))
        (call $use (global.get $kept))

        (local.set $x (call $pass (local.get $x)))
        (local.set $x (call $again (local.get $x)))
        (table.set $t (i32.const 2) (local.get $x))
        (drop (call_indirect $f (type $unary) (local.get $x) (i32.const 1)))
        (local.set $y (call_indirect $f (type $unary) (local.get $y) (i32.const 2)))

        (drop (table.grow $t (local.get $x) (i32.const 2)))
        (table.fill $t (i32.const 3) (local.get $y) (i32.const 3))
        (table.copy $u $t (i32.const 0) (i32.const 0) (i32.const 3))
        (table.init $t $e (i32.const 3) (i32.const 0) (i32.const 3))
        (elem.drop $gone)

        (drop (memory.grow (i32.const 1)))
        (memory.fill (i32.const 10) (i32.const 7) (i32.const 100000))
        (memory.copy (i32.const 100) (i32.const 50) (i32.const 1000))
        (memory.init $d (i32.const 5) (i32.const 2) (i32.const 9))
        (data.drop $gone_data)
        (i32.store (i32.const 1000) (i32.add (memory.size) (table.size $t)))

        (loop $again
            (call $use (table.get $t (local.get $i)))
            (table.set $t (local.get $i) (call $make))
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $again (i32.lt_u (local.get $i) (i32.const 5))))

        ;; A reference that is read when a collection has begun, and then overwritten.
        (table.set $u (i32.const 3) (call $make))
        (global.set $shared (call $make))
        (call $step)
        (local.set $z (table.get $u (i32.const 3)))
        (table.set $t (i32.const 5) (call $nest (local.get $x) (call $make)))
        (call $use (local.get $x))
        (call $use (local.get $z))
        (local.set $i (i32.const 0))
        (loop $each
            (call $fails (local.get $i))
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $each (i32.lt_u (local.get $i) (i32.const 5))))
        (call $use (local.get $y))
        (local.get $x)))"#;

/// How many activations a whole run of the program has.
pub const ACTIVATIONS: usize = 1 + 1 + 5;
/// How many of them return.
pub const RETURNS: usize = 3;

/// More objects than any test makes.
const OBJECTS: usize = 256;

/// What has become of each object.
#[derive(Clone)]
struct Objects(Arc<Records>);

struct Records {
    made: AtomicUsize,
    /// How often each was destroyed.
    destroyed: [AtomicU8; OBJECTS],
}

struct Object {
    number: usize,
    objects: Objects,
}

impl Drop for Object {
    fn drop(&mut self) {
        self.objects.0.destroyed[self.number].fetch_add(1, Ordering::Relaxed);
    }
}

impl Objects {
    fn new() -> Self {
        let destroyed = [const { AtomicU8::new(0) }; OBJECTS];
        Self(Arc::new(Records { made: AtomicUsize::new(0), destroyed }))
    }

    fn make(&self) -> kernref::Result<ExternRef> {
        let number = self.0.made.fetch_add(1, Ordering::Relaxed);
        assert!(number < OBJECTS);
        ExternRef::new(Object { number, objects: self.clone() })
    }

    /// The numbers of those that are alive.
    fn alive(&self) -> Vec<usize> {
        let made = self.0.made.load(Ordering::Relaxed);
        let alive = |number: &usize| match self.0.destroyed[*number].load(Ordering::Relaxed) {
            0 => true,
            1 => false,
            times => panic!("object {number} was destroyed {times} times"),
        };
        (0..made).filter(alive).collect()
    }
}

/// The object behind a reference.
fn number(reference: &ExternRef) -> usize {
    reference.downcast_ref::<Object>().expect("an object").number
}

/// How a nested activation that was ended is told from one that failed by itself.
fn take_back<R>(caller: &mut Caller<'_, Objects>, outcome: kernref::Result<R>) -> Option<R> {
    match outcome {
        Ok(value) => Some(value),
        Err(error) if error.as_trap() == Some(Trap::Interrupt) => {
            caller.as_context_mut().clear_interrupt();
            None
        }
        Err(error) => panic!("a nested call failed: {error}"),
    }
}

fn nest(
    mut caller: Caller<'_, Objects>,
    first: Rooted,
    second: ExternRef,
) -> kernref::Result<ExternRef> {
    let inner = caller.get_export("inner").and_then(|inner| inner.into_func()).expect("inner");
    let inner = inner.typed::<(Rooted, ExternRef), Option<ExternRef>>(&caller)?;
    let outcome = inner.call(&mut caller, (first, second.clone()));
    take_back(&mut caller, outcome);
    while !caller.as_context_mut().gc_step(2)?.finished {}
    caller.gc()?;
    number(first.get(&caller)?);
    Ok(second)
}

fn fails(mut caller: Caller<'_, Objects>, how: u32) -> kernref::Result<()> {
    let trap = caller.get_export("trap").and_then(|trap| trap.into_func()).expect("trap");
    let trap = trap.typed::<u32, ()>(&caller)?;
    match trap.call(&mut caller, how) {
        Ok(()) => assert_eq!(how, 4),
        Err(Error::Host(_)) => assert_eq!(how, 2),
        Err(error) if error.as_trap() == Some(Trap::Interrupt) => {
            caller.as_context_mut().clear_interrupt();
        }
        Err(error) => assert!(error.as_trap().is_some() && how != 2 && how != 4, "{error}"),
    }
    Ok(())
}

#[derive(Debug)]
struct Refused;

impl core::fmt::Display for Refused {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("refused")
    }
}

impl core::error::Error for Refused {}

fn linker(store: &mut Store<Objects>) -> (Linker<Objects>, [Global; 2]) {
    let mut linker = Linker::<Objects>::new(&store.engine().clone());
    let make = |caller: Caller<'_, Objects>| caller.data().make();
    linker.func_wrap("h", "make", make).unwrap();
    linker.func_wrap("h", "pass", |reference: Option<Rooted>| reference).unwrap();
    linker.func_wrap("h", "again", |reference: Option<ExternRef>| reference).unwrap();
    let read = |caller: Caller<'_, Objects>, reference: Option<Rooted>| -> kernref::Result<()> {
        let number = reference.map(|reference| Ok(number(reference.get(&caller)?)));
        let number: Option<usize> = number.transpose().map_err(|error: Error| error)?;
        assert!(number.is_none_or(|number| caller.data().alive().contains(&number)));
        Ok(())
    };
    linker.func_wrap("h", "use", read).unwrap();
    linker.func_wrap("h", "nest", nest).unwrap();
    let step = |mut caller: Caller<'_, Objects>| caller.as_context_mut().gc_step(1).map(|_| ());
    linker.func_wrap("h", "step", step).unwrap();
    linker.func_wrap("h", "fails", fails).unwrap();
    let refuse = || -> kernref::Result<()> { Err(Error::host(Refused)) };
    linker.func_wrap("h", "refuse", refuse).unwrap();
    let mut global = |name, mutable| {
        let kept = Val::ExternRef(Some(store.data().make().unwrap()));
        let ty = GlobalType { content: ValType::EXTERNREF, mutable };
        let global = Global::new(&mut *store, ty, kept).unwrap();
        linker.define(&*store, "h", name, global).unwrap();
        global
    };
    let globals = [global("kept", false), global("shared", true)];
    (linker, globals)
}

/// How the guest is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Barriers {
    /// As ever.
    Right,
    /// So that what they write is in the wrong order.
    Wrong,
}

/// How often the guest's store collects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Collections {
    /// Whenever a few references have come in.
    Many,
    /// When the host says so: one that has begun may still be under way when a
    /// guest is ended.
    Few,
}

/// What happens after an end, before everything is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Afterwards {
    /// A whole collection.
    Collect,
    /// A collection in small steps.
    Steps,
    /// The next call.
    Call,
    /// The store is dropped.
    Drop,
    /// The store is dropped in small steps.
    DropInSteps,
}

impl Afterwards {
    /// One of them for each number.
    pub fn of(number: usize) -> Self {
        use Afterwards::{Call, Collect, Drop, DropInSteps, Steps};
        [Collect, Steps, Call, Drop, DropInSteps][number % 5]
    }
}

/// The program, compiled.
pub struct Program {
    engine: Engine,
    module: Module,
}

/// The guest before it runs.
pub struct Guest {
    store: Store<Objects>,
    objects: Objects,
    instance: Instance,
    globals: [Global; 2],
    root: Option<OwnedRooted>,
    run: TypedFunc<(ExternRef, Rooted), ExternRef>,
}

impl Program {
    /// The program for one engine, which `adjust` may have a say about.
    pub fn new(
        setup: Setup,
        barriers: Barriers,
        collections: Collections,
        adjust: impl FnOnce(&mut Config),
    ) -> Self {
        let mut config = Setup { slots: Some(40), ..setup }.config();
        config.gc_threshold((collections == Collections::Many).then_some(5));
        adjust(&mut config);
        let engine = support::engine(&config).unwrap();
        let wasm = support::assemble(TEXT);
        let module = match barriers {
            Barriers::Right => Module::new(&engine, wasm).unwrap(),
            Barriers::Wrong => {
                let settings = CompileSettings {
                    policy: setup.policy,
                    zeal: setup.zeal,
                    hardware_traps: setup.hardware_traps,
                    as_if_large: setup.as_if_large,
                    wrong_barriers: true,
                    ..CompileSettings::default()
                };
                Module::from_artifact(&engine, compile(&wasm, &settings).unwrap()).unwrap()
            }
        };
        Self { engine, module }
    }

    /// Its engine.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// A guest in a store of its own.
    pub fn guest(&self) -> Guest {
        let objects = Objects::new();
        let mut store = Store::new(&self.engine, objects.clone()).unwrap();
        let (linker, globals) = linker(&mut store);
        let instance = linker.instantiate(&mut store, &self.module).unwrap();
        let run = instance.get_typed_func(&mut store, "run").unwrap();
        let root = OwnedRooted::new(&mut store, objects.make().unwrap()).unwrap();
        Guest { store, objects, instance, globals, root: Some(root), run }
    }
}

impl Guest {
    /// What ends it.
    pub fn interrupt_handle(&self) -> InterruptHandle {
        self.store.interrupt_handle()
    }

    /// Runs the program. Returns whether it was ended.
    ///
    /// # Panics
    /// If it fails in another way.
    pub fn run(&mut self) -> bool {
        let root = self.root.as_ref().expect("not yet let go").to_rooted();
        let argument = self.objects.make().unwrap();
        match self.run.call(&mut self.store, (argument, root)) {
            Ok(result) => {
                number(&result);
                // A request may have come too late.
                self.store.clear_interrupt();
                false
            }
            Err(error) if error.as_trap() == Some(Trap::Interrupt) => {
                assert!(!self.store.interrupt_handle().is_interrupted(), "it has been reported");
                true
            }
            Err(error) => panic!("the program failed: {error}"),
        }
    }

    /// Each reference in a counted place.
    fn held(&mut self) -> Vec<ExternRef> {
        let mut held = Vec::new();
        for name in ["t", "u"] {
            let table = self.instance.get_table(&mut self.store, name).unwrap();
            for at in 0..table.size(&self.store).unwrap() {
                held.push(table.get(&self.store, at).unwrap());
            }
        }
        for name in ["a", "b"] {
            let global = self.instance.get_global(&mut self.store, name).unwrap();
            held.push(global.get(&self.store).unwrap());
        }
        for global in &self.globals {
            held.push(global.get(&self.store).unwrap());
        }
        let mut held: Vec<_> = held
            .into_iter()
            .filter_map(|value| match value {
                Val::ExternRef(reference) => reference,
                _ => panic!("not an externref"),
            })
            .collect();
        if let Some(root) = &self.root {
            held.push(root.get(&self.store).unwrap().clone());
        }
        held
    }

    /// Everything that is held is alive, and nothing else.
    fn check_held(&mut self) {
        let mut held = self.held();
        held.sort_by_key(number);
        let numbers: Vec<_> = {
            let mut numbers: Vec<_> = held.iter().map(number).collect();
            numbers.dedup();
            numbers
        };
        assert_eq!(self.objects.alive(), numbers, "alive, and held by something");
        // Each handle is one of ours or belongs to a slot.
        let ours = held.len();
        held.dedup_by_key(|reference| number(reference));
        let handles: usize = held.iter().map(ExternRef::strong_count).sum();
        let dropped = ours - held.len();
        let slots = self.store.gc_stats().slots_used as usize;
        assert_eq!(handles, slots + ours - dropped, "handles that no slot has");
        assert_eq!(self.store.gc_stats().queued, 0);
    }

    /// What must hold after the program was ended, or has returned.
    ///
    /// # Panics
    /// If it does not.
    pub fn check(mut self, afterwards: Afterwards) {
        // What is held can be read, whatever the counts are.
        for reference in self.held() {
            assert!(self.objects.alive().contains(&number(&reference)));
        }
        match afterwards {
            Afterwards::Collect => self.store.gc().unwrap(),
            Afterwards::Steps => {
                // The host may do whatever it likes in between.
                let table = self.instance.get_table(&mut self.store, "u").unwrap();
                for at in 0..4 {
                    for _ in 0..5 * at {
                        self.store.gc_step(3).unwrap();
                    }
                    let object = Val::ExternRef(Some(self.objects.make().unwrap()));
                    table.set(&mut self.store, at, object).unwrap();
                }
                while !self.store.gc_step(3).unwrap().finished {}
            }
            Afterwards::Call => {
                assert!(!self.run());
                self.store.gc().unwrap();
            }
            Afterwards::Drop => return self.drop_and_check(false),
            Afterwards::DropInSteps => return self.drop_and_check(true),
        }
        self.check_held();
        // The store is as good as ever.
        assert!(!self.run());
        if let Some(root) = self.root.take() {
            root.unroot(&mut self.store).unwrap();
        }
        self.store.gc().unwrap();
        self.check_held();
        self.drop_and_check(false);
    }

    fn drop_and_check(self, in_steps: bool) {
        let Self { store, objects, .. } = self;
        match in_steps {
            false => drop(store),
            true => {
                let mut rest = store.drop_step(3);
                while let Some(more) = rest {
                    rest = more.drop_step(3);
                }
            }
        }
        assert_eq!(objects.alive(), [], "they outlive the store");
        let made = objects.0.made.load(Ordering::Relaxed);
        assert!(objects.0.destroyed[made..].iter().all(|times| times.load(Ordering::Relaxed) == 0));
    }
}
