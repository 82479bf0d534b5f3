//! The same work in one to four threads with a store each: what one operation takes of
//! a processor, by the clock on the wall. Where nothing is shared, or nobody waits for
//! it, the number of threads makes no difference.

use crate::measure::{Row, Sample, Who};
use crate::rig;
use std::hint::black_box;
use std::sync::Barrier;
use std::time::Instant;

/// Most threads.
const THREADS: usize = 4;
/// Objects that die for each collection.
const DEAD: i32 = 100;

/// What threads do.
#[derive(Clone, Copy)]
enum Work {
    Calls,
    Collections,
    Instantiations,
}

impl Work {
    fn name(self) -> &'static str {
        match self {
            Work::Calls => "calls",
            Work::Collections => "collections of 100 dead",
            Work::Instantiations => "instantiations",
        }
    }

    /// Operations per sample and thread: some milliseconds of them.
    fn ops(self) -> u64 {
        match self {
            Work::Calls => 200_000,
            Work::Collections | Work::Instantiations => 1_000,
        }
    }
}

/// Performs so many operations.
type Worker = Box<dyn FnMut(u64) + Send>;

/// The rows.
pub fn rows() -> Vec<Row> {
    let works = [Work::Calls, Work::Collections, Work::Instantiations];
    works
        .into_iter()
        .flat_map(|work| (1..=THREADS).map(move |threads| row(work, threads)))
        .collect()
}

fn row(work: Work, threads: usize) -> Row {
    let plural = if threads == 1 { "" } else { "s" };
    let name = format!("scaling: {}, {threads} thread{plural}", work.name());
    let row = Row::new(name, None, move || {
        let mut contenders = vec![
            (Who::Kernref, sample(kernref_workers(work, threads))),
            (Who::W1, sample(wasmtime_workers(&rig::wasmtime_engine(Who::W1), work, threads))),
        ];
        if let Work::Instantiations = work {
            let workers = wasmtime_workers(&rig::wasmtime_pooling_engine(), work, threads);
            contenders.push((Who::Pooling, sample(workers)));
        }
        contenders
    });
    Row { max_ops: work.ops(), ..row }
}

/// Has all workers do as much at the same time.
fn sample(mut workers: Vec<Worker>) -> Sample {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    Box::new(move |ops| {
        let (threads, barrier) = (workers.len(), Barrier::new(workers.len() + 1));
        let took = std::thread::scope(|scope| {
            for worker in &mut workers {
                let barrier = &barrier;
                scope.spawn(move || {
                    barrier.wait();
                    worker(ops);
                    barrier.wait();
                });
            }
            barrier.wait();
            let begun = Instant::now();
            barrier.wait();
            begun.elapsed()
        });
        // Threads beyond the processors take turns.
        let of_processors = took.as_nanos() as f64 * threads.min(processors) as f64;
        of_processors / (threads as f64 * ops as f64)
    })
}

const GUEST: &str = r#"(module
    (import "h" "make" (func $make (param i32) (result externref)))
    (memory 1) (table 1000 externref)
    (func (export "nothing"))
    (func (export "churn") (param i32)
        (loop $again
            (drop (call $make (local.get 0)))
            (br_if $again (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))))"#;

fn guest() -> Vec<u8> {
    wat::parse_str(GUEST).expect("the module's text is right")
}

fn kernref_workers(work: Work, threads: usize) -> Vec<Worker> {
    use kernref::{ExternRef, Linker, Module, Store};
    let engine = rig::kernref_engine(Who::Kernref, rig::SLOTS);
    let module = Module::new(&engine, guest()).unwrap();
    let mut linker = Linker::<()>::new(&engine);
    linker.func_wrap("h", "make", |number: i32| ExternRef::new(number)).unwrap();
    let worker = |_| -> Worker {
        let engine = engine.clone();
        let ready = linker.instantiate_pre(&module).unwrap();
        let mut store = Store::new(&engine, ()).unwrap();
        let instance = ready.instantiate(&mut store).unwrap();
        let nothing = instance.get_typed_func::<(), ()>(&mut store, "nothing").unwrap();
        let churn = instance.get_typed_func::<i32, ()>(&mut store, "churn").unwrap();
        Box::new(move |ops| {
            for _ in 0..ops {
                match work {
                    Work::Calls => nothing.call(&mut store, ()).unwrap(),
                    Work::Collections => {
                        churn.call(&mut store, DEAD).unwrap();
                        store.gc().unwrap();
                    }
                    Work::Instantiations => {
                        let mut store = Store::new(&engine, ()).unwrap();
                        black_box(ready.instantiate(&mut store).unwrap());
                    }
                }
            }
        })
    };
    (0..threads).map(worker).collect()
}

fn wasmtime_workers(engine: &wasmtime::Engine, work: Work, threads: usize) -> Vec<Worker> {
    use wasmtime::{Caller, ExternRef, Linker, Module, Store};
    let module = Module::new(engine, guest()).unwrap();
    let mut linker = Linker::<()>::new(engine);
    let make =
        |mut caller: Caller<'_, ()>, number: i32| ExternRef::new(&mut caller, number).map(Some);
    linker.func_wrap("h", "make", make).unwrap();
    let worker = |_| -> Worker {
        let engine = engine.clone();
        let ready = linker.instantiate_pre(&module).unwrap();
        let mut store = Store::new(&engine, ());
        let instance = ready.instantiate(&mut store).unwrap();
        let nothing = instance.get_typed_func::<(), ()>(&mut store, "nothing").unwrap();
        let churn = instance.get_typed_func::<i32, ()>(&mut store, "churn").unwrap();
        Box::new(move |ops| {
            for _ in 0..ops {
                match work {
                    Work::Calls => nothing.call(&mut store, ()).unwrap(),
                    Work::Collections => {
                        churn.call(&mut store, DEAD).unwrap();
                        store.gc(None).unwrap();
                    }
                    Work::Instantiations => {
                        let mut store = Store::new(&engine, ());
                        black_box(ready.instantiate(&mut store).unwrap());
                    }
                }
            }
        })
    };
    (0..threads).map(worker).collect()
}
