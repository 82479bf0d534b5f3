//! Requests that a guest end, where the runtime itself looks at them; and stores that
//! are dropped in steps.

use crate::ending::{Afterwards, Barriers, Collections, Program};
use crate::support::{Census, Maybe, Setup, instance, linked, module, tools};
use alloc::format;
use alloc::string::ToString;
use kernref::{
    AsContextMut, Caller, Engine, ExternRef, Instance, InterruptHandle, Linker, RefType, Rooted,
    Store, Table, TableType, Trap, Val,
};

/// Bytes and elements of one piece.
const PIECE_BYTES: usize = 64 << 10;
const PIECE_ELEMENTS: u64 = 4 << 10;

const LONG: &str = r#"(module
    (memory (export "m") 16 32)
    (table $t (export "t") 20000 externref)
    (data $d "DATA")
    (elem $e externref ELEMS)
    (global (export "after") (mut i32) (i32.const 0))
    (func $then (global.set 0 (i32.const 1)))
    (func (export "memory.fill")
        (memory.fill (i32.const 0) (i32.const 7) (i32.const 1000000)) (call $then))
    (func (export "memory.copy")
        (memory.copy (i32.const 0) (i32.const 1000) (i32.const 1000000)) (call $then))
    (func (export "memory.init")
        (memory.init $d (i32.const 0) (i32.const 0) (i32.const 200000)) (call $then))
    (func (export "memory.grow") (drop (memory.grow (i32.const 1))) (call $then))
    (func (export "table.fill")
        (table.fill $t (i32.const 0) (ref.null extern) (i32.const 20000)) (call $then))
    (func (export "table.copy")
        (table.copy $t $t (i32.const 0) (i32.const 1) (i32.const 19999)) (call $then))
    (func (export "table.init")
        (table.init $t $e (i32.const 0) (i32.const 0) (i32.const 9000)) (call $then))
)"#;

fn long() -> alloc::string::String {
    let (data, elems) = ("\\05".repeat(200_000), "(ref.null extern)".repeat(9000));
    LONG.replace("DATA", &data).replace("ELEMS", &elems)
}

/// Calls a function of a guest that has been asked to end.
fn ends(store: &mut Store<()>, instance: Instance, name: &str) {
    let run = instance.get_typed_func::<(), ()>(&mut *store, name).unwrap();
    let handle = store.interrupt_handle();
    handle.interrupt();
    let error = run.call(&mut *store, ()).unwrap_err();
    assert_eq!(error.as_trap(), Some(Trap::Interrupt), "{name}");
    assert!(!handle.is_interrupted(), "it has been reported");
    let after = instance.get_global(&mut *store, "after").unwrap();
    assert!(matches!(after.get(&*store).unwrap(), Val::I32(0)), "{name}: the guest went on");
}

/// Where ticks end guests, one may come before the first piece: then there is another
/// attempt.
fn attempts() -> impl Iterator<Item = ()> {
    core::iter::repeat_n((), 100)
}

pub fn long_bulk_work_ends_after_a_piece(setup: Setup) {
    // Zeal's safepoints end it before.
    let setup = Setup { zeal: false, ..setup };
    setup.each_engine(|engine| {
        let (mut store, instance) = instance(engine, &long());
        let memory = instance.get_memory(&mut store, "m").unwrap();
        let written = |store: &Store<()>, byte: u8| {
            let bytes = memory.data(store).unwrap();
            let count = bytes.iter().take_while(|found| **found == byte).count();
            assert!(bytes[count..].iter().all(|found| *found != byte));
            count
        };
        for (name, byte, before, expected) in [
            ("memory.fill", 7, 0, PIECE_BYTES),
            ("memory.copy", 7, PIECE_BYTES, PIECE_BYTES - 1000),
            ("memory.init", 5, 0, PIECE_BYTES),
        ] {
            let found = attempts().find_map(|()| {
                ends(&mut store, instance, name);
                Some(written(&store, byte)).filter(|found| *found != before)
            });
            assert_eq!(found, Some(expected), "{name}");
        }
        ends(&mut store, instance, "memory.grow");

        let table = instance.get_table(&mut store, "t").unwrap();
        let object = || Val::ExternRef(Some(ExternRef::new(1_u32).unwrap()));
        for (name, left) in [
            ("table.fill", 20_000 - PIECE_ELEMENTS),
            ("table.copy", 20_000),
            ("table.init", 20_000 - PIECE_ELEMENTS),
        ] {
            let found = attempts().find_map(|()| {
                table.fill(&mut store, 0, object(), 20_000).unwrap();
                ends(&mut store, instance, name);
                let is_set =
                    |at: &u64| matches!(table.get(&store, *at).unwrap(), Val::ExternRef(Some(_)));
                let found = (0..20_000).filter(is_set).count() as u64;
                Some(found).filter(|found| *found != 20_000 || left == 20_000)
            });
            assert_eq!(found, Some(left), "{name}");
        }
        // The same can be done to the end afterwards.
        for name in ["memory.fill", "memory.copy", "memory.init", "table.fill", "table.init"] {
            let run = instance.get_typed_func::<(), ()>(&mut store, name).unwrap();
            run.call(&mut store, ()).unwrap();
        }
    });
}

pub fn each_builtin_ends_a_guest(setup: Setup) {
    let setup = Setup { zeal: false, ..setup };
    let bodies = [
        ("fill", "(memory.fill (i32.const 0) (i32.const 7) (local.get $n))"),
        ("copy", "(memory.copy (i32.const 0) (i32.const 1000) (local.get $n))"),
        ("init", "(memory.init $d (i32.const 0) (i32.const 0) (i32.const 1))"),
        ("grow", "(drop (memory.grow (i32.const 0)))"),
        ("data.drop", "(data.drop $d)"),
        ("table.fill", "(table.fill $t (i32.const 0) (ref.null extern) (i32.const 1))"),
        ("table.copy", "(table.copy $t $t (i32.const 0) (i32.const 1) (i32.const 1))"),
        ("table.init", "(table.init $t $e (i32.const 0) (i32.const 0) (i32.const 1))"),
        ("table.grow", "(drop (table.grow $t (ref.null extern) (i32.const 1)))"),
        ("elem.drop", "(elem.drop $e)"),
    ];
    setup.each_engine(|engine| {
        for (name, body) in bodies {
            let text = format!(
                r#"(module (memory 1) (table $t 4 externref) (data $d "x")
                    (elem $e externref (ref.null extern))
                    (global (export "after") (mut i32) (i32.const 0))
                    (func (export "{name}") (local $n i32) (local.set $n (i32.const 100))
                        {body} (global.set 0 (i32.const 1))))"#
            );
            let (mut store, instance) = instance(engine, &text);
            ends(&mut store, instance, name);
            // It was done before it ended: what has been dropped stays so.
            let again = instance.get_typed_func::<(), ()>(&mut store, name).unwrap();
            again.call(&mut store, ()).unwrap();
        }
    });
}

pub fn a_request_that_comes_too_late_can_be_taken_back(setup: Setup) {
    let setup = Setup { zeal: false, ..setup };
    setup.each_engine(|engine| {
        let text = r#"(module (func (export "f")))"#;
        let (mut store, instance) = instance(engine, text);
        let run = instance.get_typed_func::<(), ()>(&mut store, "f").unwrap();
        let comes_too_late = attempts().any(|()| {
            store.interrupt_handle().interrupt();
            run.call(&mut store, ()).is_ok()
        });
        assert!(comes_too_late && store.interrupt_handle().is_interrupted());
        store.clear_interrupt();
        assert!(!store.interrupt_handle().is_interrupted());
    });
}

pub fn initial_contents_end_after_a_piece(setup: Setup) {
    setup.each_engine(|engine| {
        let data = "\\05".repeat(3 * PIECE_BYTES);
        let text = format!("(module (memory 4) (data (i32.const 0) \"{data}\"))");
        let module = module(engine, &text);
        let mut store = Store::new(engine, ()).unwrap();
        store.interrupt_handle().interrupt();
        let error = Instance::new(&mut store, &module, &[]).unwrap_err();
        assert_eq!(error.as_trap(), Some(Trap::Interrupt));
        assert!(!store.interrupt_handle().is_interrupted());
        Instance::new(&mut store, &module, &[]).unwrap();
    });
}

const NESTED: &str = r#"(module
    (import "h" "make" (func $make (param i32) (result externref)))
    (import "h" "use" (func $use (param externref)))
    (import "h" "ask" (func $ask))
    (import "h" "nest" (func $nest (param i32) (result externref)))
    (global (export "reached") (mut i32) (i32.const 0))
    (func $reached (param i32) (global.set 0 (i32.add (global.get 0) (local.get 0))))
    (func (export "inner")
        (local externref)
        (local.set 0 (call $make (i32.const 2)))
        (call $ask)
        (call $use (local.get 0))
        (call $reached (i32.const 1)))
    (func (export "outer") (param i32)
        (local externref)
        (local.set 1 (call $make (i32.const 1)))
        (drop (call $nest (local.get 0)))
        (call $use (local.get 1))
        (call $reached (i32.const 10))))"#;

struct Asked {
    census: Census,
    handle: Option<InterruptHandle>,
}

/// What the host function between the two activations does about the trap.
const SWALLOW: u32 = 0;
const PASS_ON: u32 = 1;
const TAKE_BACK: u32 = 2;
const FAIL: u32 = 3;

fn nest(mut caller: Caller<'_, Asked>, how: u32) -> kernref::Result<Maybe> {
    let inner = caller.get_export("inner").and_then(|inner| inner.into_func()).unwrap();
    let outcome = inner.typed::<(), ()>(&caller)?.call(&mut caller, ());
    let error = outcome.unwrap_err();
    assert_eq!(error.as_trap(), Some(Trap::Interrupt));
    assert!(caller.as_context_mut().interrupt_handle().is_interrupted(), "it is not over");
    caller.gc()?;
    assert_eq!(caller.data().census.alive(), 1, "what the inner one held is gone");
    match how {
        PASS_ON => return Err(error),
        TAKE_BACK => caller.as_context_mut().clear_interrupt(),
        FAIL => return Err(kernref::Error::host(core::fmt::Error)),
        _ => {}
    }
    // A result that nobody gets.
    Ok(Some(caller.data().census.object(3)))
}

pub fn outer_activations_end_in_turn(setup: Setup) {
    setup.each_engine(|engine| {
        let mut linker = Linker::<Asked>::new(engine);
        let make = |caller: Caller<'_, Asked>, number| caller.data().census.object(number);
        linker.func_wrap("h", "make", make).unwrap();
        linker.func_wrap("h", "use", |_: Option<Rooted>| ()).unwrap();
        let ask = |caller: Caller<'_, Asked>| caller.data().handle.as_ref().unwrap().interrupt();
        linker.func_wrap("h", "ask", ask).unwrap();
        linker.func_wrap("h", "nest", nest).unwrap();
        let asked = Asked { census: Census::default(), handle: None };
        let (mut store, instance) = linked(&linker, asked, NESTED);
        let handle = store.interrupt_handle();
        store.data_mut().handle = Some(handle.clone());
        let outer = instance.get_typed_func::<u32, ()>(&mut store, "outer").unwrap();
        let mut reached = 0;
        for how in [SWALLOW, PASS_ON, TAKE_BACK, FAIL] {
            let outcome = outer.call(&mut store, how);
            match how {
                TAKE_BACK => {
                    outcome.unwrap();
                    reached += 10;
                }
                FAIL => assert!(matches!(outcome, Err(kernref::Error::Host(_)))),
                _ => assert_eq!(outcome.unwrap_err().as_trap(), Some(Trap::Interrupt)),
            }
            assert!(!handle.is_interrupted(), "{how}");
            let global = instance.get_global(&mut store, "reached").unwrap();
            assert!(matches!(global.get(&store).unwrap(), Val::I32(n) if n == reached), "{how}");
            store.gc().unwrap();
            assert_eq!(store.data().census.alive(), 0, "{how}");
        }
    });
}

pub fn where_it_was_is_told(setup: Setup) {
    setup.each_engine(|engine| {
        let mut linker = Linker::<Option<InterruptHandle>>::new(engine);
        let ask = |caller: Caller<'_, Option<InterruptHandle>>| {
            caller.data().as_ref().unwrap().interrupt();
        };
        linker.func_wrap("h", "ask", ask).unwrap();
        let text = r#"(module
            (import "h" "ask" (func $ask))
            (func $one (call $ask))
            (func $two (export "two") (call $one) (call $one)))"#;
        let (mut store, instance) = linked(&linker, None, text);
        *store.data_mut() = Some(store.interrupt_handle());
        let two = instance.get_typed_func::<(), ()>(&mut store, "two").unwrap();
        two.call(&mut store, ()).unwrap_err();
        let told = store.last_backtrace().unwrap().to_string();
        assert!(told.contains("!one@") && told.contains("!two@"), "{told}");
    });
}

/// The program that is stepped through elsewhere, without steps.
pub fn a_guest_that_uses_everything(setup: Setup) {
    for number in 0..5 {
        for collections in [Collections::Many, Collections::Few] {
            let mut guest = Program::new(setup, Barriers::Right, collections, |_| {}).guest();
            assert!(!guest.run());
            guest.check(Afterwards::of(number));
        }
    }
}

fn store_with_objects(engine: &Engine, census: &Census, count: u32) -> Store<()> {
    let mut store = Store::new(engine, ()).unwrap();
    let minimum = count.into();
    let ty = TableType { element: RefType::EXTERNREF, minimum, maximum: None, table64: false };
    let table = Table::new(&mut store, ty, Val::ExternRef(None)).unwrap();
    for at in 0..count {
        let object = Val::ExternRef(Some(census.object(at)));
        table.set(&mut store, at.into(), object).unwrap();
    }
    store
}

pub fn a_store_is_dropped_in_steps(setup: Setup) {
    let setup = Setup { zeal: false, slots: setup.slots.map(|slots| slots.max(200)), ..setup };
    setup.each_engine(|engine| {
        let census = Census::default();
        let store = store_with_objects(engine, &census, 100);
        assert_eq!(census.alive(), 100);
        let mut rest = store.drop_step(0);
        assert_eq!(census.alive(), 100, "a budget of nothing");
        let mut steps = 0;
        while let Some(more) = rest {
            let before = census.alive();
            rest = more.drop_step(7);
            assert!(before - census.alive() <= 7);
            steps += 1;
        }
        assert_eq!((census.alive(), census.released()), (0, 100));
        assert!((15..25).contains(&steps), "{steps}");
        // What is left goes at once with what is left of the store.
        let rest = store_with_objects(engine, &census, 100).drop_step(50);
        assert_eq!(census.alive(), 50);
        drop(rest);
        assert_eq!((census.alive(), census.released()), (0, 200));
        // With a guest in it, whose objects wait to be released.
        let (mut store, instance) = linked(
            &tools(engine),
            census.clone(),
            r#"(module (import "h" "make" (func $make (param i32) (result externref)))
                (memory 1) (table 5 externref) (global (mut externref) (ref.null extern))
                (func (export "f")
                    (drop (call $make (i32.const 1)))
                    (global.set 0 (call $make (i32.const 2)))
                    (table.set 0 (i32.const 0) (global.get 0))))"#,
        );
        store.set_auto_drain(false);
        let f = instance.get_typed_func::<(), ()>(&mut store, "f").unwrap();
        f.call(&mut store, ()).unwrap();
        assert_eq!(store.gc_stats().queued, 1);
        let mut rest = store.drop_step(1);
        while let Some(more) = rest {
            rest = more.drop_step(1);
        }
        assert_eq!(census.alive(), 0);
    });
}
