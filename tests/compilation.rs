//! Compilations that are watched, limited in time, and ended.
#![cfg(all(feature = "compile", feature = "std"))]

use kernref::{CompilePhase, CompileProgress, Config, Engine, Error, Instance, Store};
use std::sync::mpsc;

fn engine() -> Engine {
    Engine::new(&Config::new()).unwrap()
}

/// Functions that add, each `operators` times.
fn module(functions: usize, operators: usize) -> Vec<u8> {
    let body = "(local.set 0 (i32.add (local.get 0) (i32.const 1)))".repeat(operators);
    let function = format!("(func (param i32) (result i32) {body} (local.get 0))");
    let first = format!("(func (export \"f\") (param i32) (result i32) {body} (local.get 0))");
    let text = format!("(module {first} {})", function.repeat(functions - 1));
    wat::parse_str(text).unwrap()
}

/// All that a whole compilation reports.
fn progress(engine: &Engine, wasm: &[u8]) -> Vec<CompileProgress> {
    let mut seen = Vec::new();
    let mut note = |at: CompileProgress| seen.push(at);
    let compilation = engine.compilation(wasm).unwrap().on_progress(&mut note);
    compilation.run().unwrap();
    seen
}

#[test]
fn progress_goes_forward_to_the_end() {
    let wasm = module(40, 100);
    let seen = progress(&engine(), &wasm);
    assert!(seen.is_sorted_by_key(|at| (at.phase, at.at_bytes)), "{seen:?}");
    assert!(seen.iter().all(|at| at.of_bytes == wasm.len() as u64 && at.at_bytes <= at.of_bytes));
    for phase in [CompilePhase::Validating, CompilePhase::Compiling] {
        let last = seen.iter().rfind(|at| at.phase == phase).unwrap();
        assert!(last.at_bytes > last.of_bytes * 9 / 10, "{last:?}");
    }
}

#[test]
fn long_bodies_are_no_gaps() {
    let wasm = module(1, 20_000);
    let seen = progress(&engine(), &wasm);
    for phase in [CompilePhase::Validating, CompilePhase::Compiling] {
        let places: Vec<_> = seen.iter().filter(|at| at.phase == phase).collect();
        let gap = places.windows(2).map(|pair| pair[1].at_bytes - pair[0].at_bytes).max();
        assert!(gap.unwrap() < 1000, "{phase:?}: {gap:?} bytes");
    }
}

/// Entries of sections are counted, too, and the elements of segments.
#[test]
fn long_sections_are_no_gaps() {
    let globals = "(global i32 (i32.const 1))".repeat(50_000);
    let elements = "(elem func".to_owned() + &" 0".repeat(100_000) + ")";
    for (text, entries) in [(globals, 50_000), ((elements + "(func)"), 100_000)] {
        let wasm = wat::parse_str(format!("(module {text})")).unwrap();
        let reports = progress(&engine(), &wasm).len();
        assert!(reports > entries / 256, "{reports} reports");
    }
}

#[test]
fn wherever_it_is_ended_nothing_is_left_behind() {
    let engine = engine();
    let wasm = module(5, 200);
    let questions = progress(&engine, &wasm).len();
    assert!(questions > 10, "{questions}");
    for end in 0..questions {
        let compilation = engine.compilation(&wasm).unwrap();
        let handle = compilation.interrupt_handle();
        let mut asked = 0;
        let mut interrupt = |_: CompileProgress| {
            asked += 1;
            if asked > end {
                handle.interrupt();
            }
        };
        let outcome = compilation.on_progress(&mut interrupt).run();
        assert!(matches!(outcome, Err(Error::Interrupted)), "{end}: {outcome:?}");
        assert_eq!(asked, end + 1, "it goes on after it was ended");
    }
    let module = engine.compilation(&wasm).unwrap().run().unwrap();
    let mut store = Store::new(&engine, ()).unwrap();
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let f = instance.get_typed_func::<i32, i32>(&mut store, "f").unwrap();
    assert_eq!(f.call(&mut store, 1).unwrap(), 201);
}

#[test]
fn a_deadline_counts_epochs_from_when_it_is_set() {
    let engine = engine();
    let wasm = module(5, 200);
    let questions = progress(&engine, &wasm).len() as u64;
    let mut tick = |_: CompileProgress| engine.increment_epoch();
    let early = engine.compilation(&wasm).unwrap().epoch_deadline(questions - 1);
    assert!(matches!(early.on_progress(&mut tick).run(), Err(Error::Interrupted)));
    let in_time = engine.compilation(&wasm).unwrap().epoch_deadline(questions + 1);
    in_time.on_progress(&mut tick).run().unwrap();
    let never = engine.compilation(&wasm).unwrap().epoch_deadline(u64::MAX);
    never.on_progress(&mut tick).run().unwrap();
    let at_once = engine.compilation(&wasm).unwrap().epoch_deadline(0);
    assert!(matches!(at_once.run(), Err(Error::Interrupted)));
}

#[test]
fn a_handle_that_was_used_before_ends_it_at_once() {
    let (engine, wasm) = (engine(), module(1, 1));
    let compilation = engine.compilation(&wasm).unwrap();
    let handle = compilation.interrupt_handle();
    assert!(!handle.is_interrupted());
    handle.clone().interrupt();
    assert!(handle.is_interrupted());
    assert!(matches!(compilation.precompile(), Err(Error::Interrupted)));
}

#[test]
fn another_thread_ends_it() {
    let (engine, wasm) = (engine(), module(400, 400));
    let compilation = engine.compilation(&wasm).unwrap();
    let handle = compilation.interrupt_handle();
    let (started, has_started) = mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            has_started.recv().unwrap();
            handle.interrupt();
        });
        let mut report = |at: CompileProgress| {
            // The first report; the receiver is gone after it.
            if at.phase == CompilePhase::Compiling {
                let _ = started.send(());
            }
        };
        let outcome = compilation.on_progress(&mut report).run();
        assert!(matches!(outcome, Err(Error::Interrupted)), "{outcome:?}");
    });
}

#[test]
fn what_is_wrong_is_told_before_an_end_that_is_asked_for_later() {
    let engine = engine();
    assert!(matches!(engine.compilation(b"nonsense").unwrap().run(), Err(Error::Malformed { .. })));
}
