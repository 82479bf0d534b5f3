//! What one unit of fuel, and one tick of the epoch, can buy: bulk work of any
//! length ends soon after the deadline. `testsuite/src/cases/bulk.rs` counts
//! exactly; this has lengths that only a host has the memory for.
#![cfg(all(feature = "compile", feature = "std"))]

use kernref::{Config, Engine, Error, Instance, Module, Store, Trap};
use std::time::{Duration, Instant};

const GIB_16: &str = r#"(module (memory i64 262144)
    (func (export "f") (memory.fill (i64.const 0) (i32.const 1) (i64.const 0x400000000))))"#;

fn works() -> Vec<(&'static str, String)> {
    let fills = "(memory.fill (i32.const 0) (i32.const 1) (i32.const 0x3fffff))".repeat(2000);
    [
        ("fill", "(memory 65536)", "(memory.fill (i32.const 0) (i32.const 1) (i32.const -1))"),
        (
            "copy",
            "(memory 65536)",
            "(memory.copy (i32.const 0) (i32.const 1) (i32.const 0x7fffffff))",
        ),
        (
            "table.fill",
            "(table 10000000 externref)",
            "(loop (table.fill 0 (i32.const 0) (ref.null extern) (i32.const 10000000)) (br 0))",
        ),
        (
            "table.copy",
            "(table 10000000 externref)",
            "(loop (table.copy 0 0 (i32.const 0) (i32.const 1) (i32.const 9999999)) (br 0))",
        ),
        ("many fills", "(memory 64)", &fills),
    ]
    .map(|(name, with, body)| (name, format!("(module {with} (func (export \"f\") {body}))")))
    .into_iter()
    .chain([("fill of 16 GiB", GIB_16.into())])
    .collect()
}

#[test]
fn long_work_ends_at_the_deadline() {
    let mut config = Config::new();
    config.epoch_interruption(true).wasm_memory64(true);
    let engine = Engine::new(&config).unwrap();
    for (name, text) in works() {
        let module = Module::new(&engine, wat::parse_str(text).unwrap()).unwrap();
        let mut store = Store::new(&engine, ()).unwrap();
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        let func = instance.get_typed_func::<(), ()>(&mut store, "f").unwrap();
        store.set_epoch_deadline(1);
        let ticker = engine.clone();
        let timer = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(5));
            ticker.increment_epoch();
        });
        let started = Instant::now();
        let error = func.call(&mut store, ()).unwrap_err();
        let took = started.elapsed();
        timer.join().unwrap();
        println!("{name}: interrupted after {took:?}");
        assert_eq!(error.as_trap(), Some(Trap::Interrupt), "{name}");
        assert!(took < Duration::from_secs(3), "{name}: {took:?}");
    }
}

#[test]
fn long_work_needs_fuel() {
    let mut config = Config::new();
    config.consume_fuel(true).wasm_memory64(true);
    let engine = Engine::new(&config).unwrap();
    for (name, text) in works() {
        let module = Module::new(&engine, wat::parse_str(text).unwrap()).unwrap();
        let mut store = Store::new(&engine, ()).unwrap();
        store.set_fuel(1 << 40).unwrap();
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        let func = instance.get_typed_func::<(), ()>(&mut store, "f").unwrap();
        store.set_fuel(1_000_000).unwrap();
        let started = Instant::now();
        assert!(matches!(func.call(&mut store, ()), Err(Error::Trap(Trap::OutOfFuel))), "{name}");
        assert!(started.elapsed() < Duration::from_secs(3), "{name}");
    }
}
