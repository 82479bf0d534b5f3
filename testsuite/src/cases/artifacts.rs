//! Modules that were written as artifacts and loaded from them.

use crate::support::{Census, Maybe, Setup, module, number, tools};
use alloc::format;
use alloc::vec::Vec;
use kernref::{ArtifactFault, Engine, Error, Misuse, Module, Store, Trap};

const TEXT: &str = r#"(module $loaded
    (import "h" "make" (func $make (param i32) (result externref)))
    (import "h" "gc" (func $gc))
    (memory (export "m") 1) (data (i32.const 16) "data of the artifact")
    (table $t 4 externref)
    (table $f 2 funcref) (elem (table $f) (i32.const 1) func $twice)
    (global $g (mut i32) (i32.add (i32.const 20) (i32.const 1)))
    (func $start (global.set $g (i32.mul (global.get $g) (i32.const 2)))) (start $start)
    (func $twice (param i32) (result i32) (i32.mul (local.get 0) (i32.const 2)))
    (func (export "held") (param i32) (result externref)
        (local $first externref)
        (local.set $first (call $make (local.get 0)))
        (table.set $t (i32.const 2) (call $make (i32.const 99)))
        (call $gc)
        (drop (call $make (i32.const 1)))
        (call $gc)
        (local.get $first))
    (func (export "indirect") (result i32)
        (call_indirect $f (param i32) (result i32) (global.get $g) (i32.const 1)))
    (func $deep (export "divide") (param i32 i32) (result i32)
        (i32.div_s (local.get 0) (local.get 1))))"#;

/// What the exports do.
fn works(engine: &Engine, module: &Module) {
    let census = Census::default();
    let linker = tools(engine);
    let mut store = Store::new(engine, census.clone()).unwrap();
    let instance = linker.instantiate(&mut store, module).unwrap();
    let memory = instance.get_memory(&mut store, "m").unwrap();
    assert_eq!(memory.data(&store).unwrap()[16..36], *b"data of the artifact");
    let held = instance.get_typed_func::<u32, Maybe>(&mut store, "held").unwrap();
    for n in 0..20 {
        let object = held.call(&mut store, n).unwrap().unwrap();
        assert_eq!(number(&object), n);
    }
    store.gc().unwrap();
    assert_eq!(census.alive(), 1, "the table's");
    let indirect = instance.get_typed_func::<(), i32>(&mut store, "indirect").unwrap();
    assert_eq!(indirect.call(&mut store, ()).unwrap(), 84);
    let divide = instance.get_typed_func::<(i32, i32), i32>(&mut store, "divide").unwrap();
    assert_eq!(divide.call(&mut store, (7, 2)).unwrap(), 3);
    let error = divide.call(&mut store, (7, 0)).unwrap_err();
    assert_eq!(error.as_trap(), Some(Trap::IntegerDivisionByZero));
    let backtrace = store.last_backtrace().unwrap();
    assert!(format!("{backtrace}").contains("deep"), "{backtrace}");
    drop(store);
    assert_eq!(census.alive(), 0);
}

pub fn a_loaded_module_works_as_the_compiled_one(setup: Setup) {
    setup.each_engine(|engine| {
        let compiled = module(engine, TEXT);
        works(engine, &compiled);
        let bytes = compiled.serialize().unwrap();
        drop(compiled);
        // SAFETY: unchanged.
        let loaded = unsafe { Module::deserialize(engine, &bytes) }.unwrap();
        assert!(loaded.serialize().unwrap() == bytes);
        drop(bytes);
        works(engine, &loaded);
    });
}

pub fn one_that_lies_in_the_image_works_too(setup: Setup) {
    setup.each_engine(|engine| {
        let bytes = module(engine, TEXT).serialize().unwrap();
        // Aligned for its tables, and not.
        for shift in [0, 1] {
            let mut placed: Vec<u8> = alloc::vec![0; shift];
            placed.extend_from_slice(&bytes);
            let placed: &'static [u8] = &placed.leak()[shift..];
            // SAFETY: unchanged.
            let loaded = unsafe { Module::deserialize_in_place(engine, placed) }.unwrap();
            works(engine, &loaded);
            assert!(loaded.serialize().unwrap() == bytes);
        }
    });
}

pub fn what_is_damaged_is_named(setup: Setup) {
    setup.each_engine(|engine| {
        let mut bytes = module(engine, TEXT).serialize().unwrap();
        let refused = |bytes: &[u8]| {
            // SAFETY: refused before anything runs.
            match unsafe { Module::deserialize(engine, bytes) } {
                Err(Error::Artifact(error)) => error.fault,
                other => panic!("{other:?}"),
            }
        };
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        assert_eq!(refused(&bytes), ArtifactFault::Checksum);
        bytes[middle] ^= 1;
        bytes[8] += 1;
        assert!(matches!(refused(&bytes), ArtifactFault::Format { .. }));
        bytes[8] -= 1;
        assert!(matches!(refused(&bytes[..middle]), ArtifactFault::Length { .. }));
        // Code of another flavor.
        setup.each_config(
            |config| _ = config.epoch_interruption(true),
            |other| {
                // SAFETY: unchanged.
                match unsafe { Module::deserialize(other, &bytes) } {
                    Err(Error::Misuse(Misuse::WrongFlavor(mismatch))) => {
                        assert_eq!(mismatch.setting, "epoch interruption");
                    }
                    other => panic!("{other:?}"),
                }
            },
        );
    });
}
