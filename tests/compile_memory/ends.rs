//! Every way in which a compilation ends before it is finished.

use super::{HEAP, REGION_BYTES, engine, inner, memory, modules, plain_engine, text};
use kernref::{CompileProgress, Engine, Error};
use std::mem::MaybeUninit;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Compiles in `region`, which is then overwritten.
fn compile_in(
    region: &mut [MaybeUninit<u8>],
    engine: &Engine,
    module: &[u8],
) -> Result<String, Error> {
    let compilation = engine.compilation(module).unwrap().region(region);
    let outcome = compilation.precompile();
    region.fill(MaybeUninit::new(0xa5));
    outcome.map(|artifact| text(&artifact))
}

/// Whatever request is the first to be refused: there is an error, nothing is
/// left, and what is compiled next comes out right.
#[test]
fn every_request_can_be_refused() {
    let plain = plain_engine();
    let unlimited = engine(memory());
    let mut region = vec![MaybeUninit::new(0_u8); REGION_BYTES];
    for (name, module) in modules::SMALL {
        let module = wat::parse_str(module).unwrap();
        let expected = text(&plain.precompile_module(&module).unwrap());
        let mut refused = 0;
        loop {
            let limited = engine(memory().refuse_request(Some(refused + 1)));
            let blocks = inner::blocks_in_use();
            let outcome = compile_in(&mut region, &limited, &module);
            match outcome {
                Err(Error::OutOfMemory { bytes }) => assert!(bytes > 0),
                Ok(found) => {
                    assert!(found == expected, "{name}");
                    break;
                }
                Err(other) => panic!("{name}, request {refused}: {other:?}"),
            }
            assert_eq!(inner::blocks_in_use(), blocks, "{name}, request {refused}");
            refused += 1;
            if refused % 64 == 0 {
                let found = compile_in(&mut region, &unlimited, &module).unwrap();
                assert!(found == expected, "{name}, after request {refused}");
            }
        }
        assert!(refused > 200, "{name} makes {refused} requests only");
    }
}

#[test]
fn a_request_ends_what_was_interrupted() {
    let engine = engine(memory());
    let module = wat::parse_str(modules::SMALL[0].1).unwrap();
    let compilation = engine.compilation(&module).unwrap();
    let handle = compilation.interrupt_handle();
    let peak = HEAP.peak_bytes();
    handle.interrupt();
    assert!(matches!(compilation.run(), Err(Error::Interrupted)));
    assert_eq!(HEAP.peak_bytes(), peak, "it went on");
    let past = engine.compilation(&module).unwrap().epoch_deadline(0);
    assert!(matches!(past.run(), Err(Error::Interrupted)));
    engine.compilation(&module).unwrap().run().unwrap();
}

/// Callbacks run on the caller's stack, with the embedder's heap.
#[test]
fn callbacks_may_allocate() {
    let engine = engine(memory());
    let module = wat::parse_str(modules::SMALL[1].1).unwrap();
    let here = 0_u8;
    let mut seen = Vec::new();
    let mut note = |at: CompileProgress| {
        let there = 0_u8;
        assert!((&raw const here).addr().abs_diff((&raw const there).addr()) < 1 << 20);
        seen.push(format!("{at:?}"));
    };
    let compilation = engine.compilation(&module).unwrap().on_progress(&mut note);
    compilation.run().unwrap();
    assert!(seen.len() > 5 && seen.iter().all(|line| line.contains("of_bytes")), "{seen:?}");
}

/// Within a callback another compilation may run.
#[test]
fn compilations_nest() {
    let engine = engine(memory());
    let [outer, inner] = [0, 2].map(|at| wat::parse_str(modules::SMALL[at].1).unwrap());
    let expected = text(&plain_engine().precompile_module(&inner).unwrap());
    let mut rounds = 0;
    let mut nest = |_: CompileProgress| {
        rounds += 1;
        assert!(text(&engine.precompile_module(&inner).unwrap()) == expected);
    };
    engine.compilation(&outer).unwrap().on_progress(&mut nest).run().unwrap();
    assert!(rounds > 3);
}

#[test]
fn a_callbacks_panic_goes_on_where_it_was_called_from() {
    let engine = engine(memory());
    let module = wat::parse_str(modules::SMALL[0].1).unwrap();
    let blocks = inner::blocks_in_use();
    let mut panic = |_: CompileProgress| std::panic::resume_unwind(Box::new(String::from("mine")));
    let compile = || engine.compilation(&module).unwrap().on_progress(&mut panic).run();
    let payload = catch_unwind(AssertUnwindSafe(compile)).map(|_| ()).unwrap_err();
    assert_eq!(*payload.downcast::<String>().unwrap(), "mine");
    assert_eq!(inner::blocks_in_use(), blocks);
    engine.compilation(&module).unwrap().run().unwrap();
}

/// A destructor may compile while its thread unwinds.
#[test]
fn a_thread_that_unwinds_compiles() {
    struct Compiles;
    impl Drop for Compiles {
        fn drop(&mut self) {
            let module = wat::parse_str(modules::SMALL[0].1).unwrap();
            let made = engine(memory()).precompile_module(&module);
            let expected = plain_engine().precompile_module(&module).unwrap();
            assert!(text(&made.unwrap()) == text(&expected));
        }
    }
    let unwound = catch_unwind(|| {
        let _compiles = Compiles;
        std::panic::resume_unwind(Box::new(7));
    });
    assert_eq!(*unwound.unwrap_err().downcast::<i32>().unwrap(), 7);
}

/// Where nothing is compiled it makes no difference. (The kernels' handlers of
/// interrupts use it on a compilation's stack.)
#[test]
fn outside_is_the_embedders_heap() {
    assert_eq!(HEAP.outside(|| vec![1, 2, 3].len()), 3);
}
