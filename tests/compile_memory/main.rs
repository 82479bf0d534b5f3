//! Compiling in memory of its own: the same code comes out, and whatever ends
//! it leaves nothing behind.
#![cfg(all(feature = "compile", feature = "std", target_os = "linux"))]

#[path = "../encoding/mod.rs"]
mod encoding;
mod ends;
mod inner;
mod logging;
mod modules;
#[path = "../compile_growth/shapes.rs"]
mod shapes;
mod stack;
#[path = "../compile_growth/wasm.rs"]
mod wasm;

use inner::Counting;
use kernref::alloc::{CompileAllocator, HeapStackSource};
use kernref::{Artifact, CompileMemory, Config, Engine, Error, Misuse};
use shapes::{BEYOND_16_MIB, SHAPES};
use std::sync::Arc;

#[global_allocator]
static HEAP: CompileAllocator<Counting> = CompileAllocator::new(Counting);

/// Memory for a compilation, on stacks from the heap.
fn memory() -> CompileMemory {
    // SAFETY: there are no handlers of signals that allocate; the logger
    // (`logging.rs`) does all that it does outside.
    let memory = unsafe { CompileMemory::new(&HEAP, Arc::new(HeapStackSource)) };
    memory.region_bytes(REGION_BYTES)
}

const REGION_BYTES: usize = 16 << 20;

fn engine(memory: CompileMemory) -> Engine {
    let mut config = Config::new();
    config.compile_memory(memory);
    Engine::new(&config).unwrap()
}

fn plain_engine() -> Engine {
    Engine::new(&Config::new()).unwrap()
}

/// All that a compilation answers.
fn text(artifact: &Artifact) -> String {
    format!("{artifact:?}")
}

#[test]
fn the_same_artifact_comes_out() {
    let (plain, confined) = (plain_engine(), engine(memory()));
    for (name, module) in modules::SMALL {
        let module = wat::parse_str(module).unwrap();
        let expected = plain.precompile_module(&module).unwrap();
        let found = confined.precompile_module(&module).unwrap();
        assert!(text(&found) == text(&expected), "{name}");
    }
    assert!(HEAP.peak_bytes() > 10_000, "the regions were not used");
}

#[test]
fn errors_outlive_the_region() {
    let confined = engine(memory());
    let errors: Vec<_> = modules::refused()
        .into_iter()
        .map(|module| confined.precompile_module(module).unwrap_err())
        .collect();
    let expected: Vec<_> = modules::refused()
        .into_iter()
        .map(|module| plain_engine().precompile_module(module).unwrap_err())
        .collect();
    assert_eq!(format!("{errors:?}"), format!("{expected:?}"));
    assert!(errors.iter().any(|error| matches!(error, Error::Malformed { .. })));
    assert!(errors.iter().any(|error| matches!(error, Error::Unsupported { .. })));
    assert!(errors.iter().any(|error| matches!(error, Error::Limit(_))));
}

#[test]
fn another_than_the_global_allocator_is_refused() {
    static OTHER: CompileAllocator<std::alloc::System> = CompileAllocator::new(std::alloc::System);
    // SAFETY: as above.
    let engine = engine(unsafe { CompileMemory::new(&OTHER, Arc::new(HeapStackSource)) });
    let error = engine.precompile_module(b"\0asm\x01\0\0\0").unwrap_err();
    assert!(matches!(error, Error::Misuse(Misuse::InvalidConfig(_))), "{error:?}");
}

#[test]
fn what_there_is_no_memory_for_is_refused() {
    let module = wat::parse_str(modules::SMALL[0].1).unwrap();
    for bytes in [0, 1, 64, 4000, 10_000, 40_000] {
        let error = engine(memory().region_bytes(bytes)).precompile_module(&module).unwrap_err();
        assert!(matches!(error, Error::OutOfMemory { .. }), "{bytes}: {error:?}");
    }
    let error = engine(memory().region_bytes(usize::MAX)).precompile_module(&module).unwrap_err();
    assert!(matches!(error, Error::OutOfMemory { bytes: usize::MAX }), "{error:?}");
    let error = engine(memory().stack_bytes(isize::MAX as usize - 100))
        .precompile_module(&module)
        .unwrap_err();
    assert!(matches!(error, Error::OutOfMemory { .. }), "{error:?}");
}

#[test]
fn what_does_not_fit_ends_and_leaves_nothing() {
    let engine = engine(memory());
    for shape in SHAPES {
        let module = (shape.make)(shape.size);
        let blocks = inner::blocks_in_use();
        let outcome = engine.precompile_module(&module).map(drop);
        let refused = BEYOND_16_MIB.contains(&shape.name);
        match outcome {
            Ok(()) | Err(Error::Limit(_)) if !refused => {}
            Err(Error::OutOfMemory { .. }) if refused => {}
            other => panic!("{}: {other:?}", shape.name),
        }
        assert_eq!(inner::blocks_in_use(), blocks, "after {}", shape.name);
    }
}

#[test]
fn many_compile_at_a_time() {
    let (plain, confined) = (plain_engine(), engine(memory()));
    let modules: Vec<_> =
        modules::SMALL.iter().map(|(_, module)| wat::parse_str(module).unwrap()).collect();
    let expected: Vec<_> =
        modules.iter().map(|module| text(&plain.precompile_module(module).unwrap())).collect();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (modules, expected, confined) = (&modules, &expected, &confined);
            scope.spawn(move || {
                for round in 0..60 {
                    let at = (thread * 3 + round) % modules.len();
                    // What is allocated outside meanwhile is not the region's.
                    let kept: Vec<_> = (0..round).map(|n| vec![n as u8; 100 * n]).collect();
                    let found = confined.precompile_module(&modules[at]).unwrap();
                    assert!(text(&found) == expected[at], "module {at} in thread {thread}");
                    assert!(kept.iter().enumerate().all(|(n, v)| v.iter().all(|b| *b == n as u8)));
                }
            });
        }
    });
}

/// `KERNREF_MODULES`, a list of paths: what a region costs in time, and how much of
/// it real modules use.
#[test]
#[ignore = "a measurement of modules that are not in the tree"]
fn real_modules() {
    let paths = std::env::var("KERNREF_MODULES").expect("paths in KERNREF_MODULES");
    let (plain, confined) = (plain_engine(), engine(memory().region_bytes(1 << 30)));
    for path in paths.split_whitespace() {
        let module = std::fs::read(path).unwrap();
        let time = |engine: &Engine| {
            let started = std::time::Instant::now();
            let bytes = engine.precompile_module(&module).map(|made| made.parts().code.len());
            (started.elapsed(), bytes)
        };
        let times: Vec<_> = (0..3).map(|_| (time(&plain), time(&confined))).collect();
        println!("{path}: {} bytes, most {}: {times:?}", module.len(), HEAP.peak_bytes());
    }
}
