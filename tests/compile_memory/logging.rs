//! Loggers that Cranelift's messages reach: they run on a compilation's stack.

use super::{HEAP, REGION_BYTES, engine, inner, memory, modules, plain_engine, text};
use kernref::Error;
use std::cell::Cell;
use std::mem::MaybeUninit;
use std::sync::Mutex;

/// What the logger does about a message.
#[derive(Clone, Copy, PartialEq)]
enum Mood {
    Ignores,
    Keeps,
    Panics,
}

thread_local! {
    static MOOD: Cell<Mood> = const { Cell::new(Mood::Ignores) };
}

/// What has been kept.
static KEPT: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Logger;

impl log::Log for Logger {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        MOOD.get() != Mood::Ignores
    }

    fn log(&self, record: &log::Record<'_>) {
        match MOOD.get() {
            Mood::Ignores => {}
            Mood::Keeps => HEAP.outside(|| {
                let text = format!("{}: {}", record.target(), record.args());
                KEPT.lock().unwrap().push(text);
            }),
            Mood::Panics => HEAP.outside(|| std::panic::resume_unwind(Box::new(7))),
        }
    }

    fn flush(&self) {}
}

/// Runs `body` while this thread's logger is in that mood.
fn while_logger<R>(mood: Mood, body: impl FnOnce() -> R) -> R {
    // Only the first of them is installed.
    let _ = log::set_logger(&Logger);
    log::set_max_level(log::LevelFilter::Trace);
    MOOD.set(mood);
    let result = body();
    MOOD.set(Mood::Ignores);
    result
}

#[test]
fn loggers_allocate_outside() {
    let (plain, confined) = (plain_engine(), engine(memory()));
    let mut region = vec![MaybeUninit::new(0_u8); REGION_BYTES];
    for (name, module) in modules::SMALL {
        let module = wat::parse_str(module).unwrap();
        let expected = plain.precompile_module(&module).unwrap();
        let compilation = confined.compilation(&module).unwrap().region(&mut region);
        let found = while_logger(Mood::Keeps, || compilation.precompile()).unwrap();
        region.fill(MaybeUninit::new(0xa5));
        assert!(text(&found) == text(&expected), "{name}");
    }
    let kept = std::mem::take(&mut *KEPT.lock().unwrap());
    assert!(kept.len() > 10, "{kept:?}");
    assert!(kept.iter().all(|line| line.starts_with("cranelift") && line.is_ascii()), "{kept:?}");
}

#[test]
fn a_panic_of_the_compiler_is_an_error() {
    let confined = engine(memory());
    let module = wat::parse_str(modules::SMALL[0].1).unwrap();
    let mut region = vec![MaybeUninit::new(0_u8); REGION_BYTES];
    let expected = text(&plain_engine().precompile_module(&module).unwrap());
    for round in 0..20 {
        let blocks = inner::blocks_in_use();
        let compilation = confined.compilation(&module).unwrap().region(&mut region);
        let outcome = while_logger(Mood::Panics, || compilation.precompile());
        region.fill(MaybeUninit::new(0xa5));
        assert!(matches!(outcome, Err(Error::Bug("the compiler panicked"))), "{outcome:?}");
        // Besides what was thrown, which is not looked at.
        assert!(inner::blocks_in_use() <= blocks + 2, "round {round}");
        assert!(!std::thread::panicking());
        let found = confined.compilation(&module).unwrap().region(&mut region).precompile();
        assert!(text(&found.unwrap()) == expected, "round {round}");
    }
}
