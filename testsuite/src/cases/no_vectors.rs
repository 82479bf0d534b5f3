//! `Config::floating_point(false)`: what needs floats is refused, and the machine
//! code of everything else names no vector register. It is decoded here, on the
//! processor for which it was made.

mod decoded;

use crate::support::{Setup, assemble};
use alloc::format;
use alloc::string::{String, ToString};
use kernref::__internals::{ArtifactParts, CompileSettings, compile};
use kernref::{Config, Error, Instance, Module, Proposal, Store, WasmFeatures};

/// Programs of which some have no floats.
const GUESTS: [(&str, &[u8]); 5] = [
    ("c-objects", include_bytes!("../../../examples/guests/prebuilt/c-objects.wasm")),
    ("compress", include_bytes!("../../../examples/guests/prebuilt/compress.wasm")),
    ("demo", include_bytes!("../../../examples/guests/prebuilt/demo.wasm")),
    ("rust-objects", include_bytes!("../../../examples/guests/prebuilt/rust-objects.wasm")),
    ("sha256", include_bytes!("../../../examples/guests/prebuilt/sha256.wasm")),
];

/// What might tempt a compiler to use a vector register.
fn integers() -> String {
    let many = "i64 ".repeat(40);
    let sets: String = (0..40).map(|at| format!("(local.set {at} (call $one))")).collect();
    let uses: String = (0..40).map(|at| format!("(call $use (local.get {at}))")).collect();
    let copies: String = [1, 3, 8, 15, 16, 17, 31, 48, 64]
        .iter()
        .map(|len| {
            format!(
                "(memory.copy (local.get 0) (local.get 1) (i32.const {len}))
                (memory.fill (local.get 0) (local.get 1) (i32.const {len}))"
            )
        })
        .collect();
    format!(
        r#"(module (import "h" "f" (func $host (param i32 i64 externref) (result i64 i32)))
        (memory (export "m") 1) (memory $l i64 1) (table $r 4 externref) (table $f 4 funcref)
        (global $g (mut i64) (i64.const 0)) (global $e (mut externref) (ref.null extern))
        (type $n (func (param i32) (result i32))) (elem (table $f) (i32.const 0) func $next)
        (func $one (result i64) (i64.const 0x0123456789abcdef))
        (func $use (param i64) (global.set $g (local.get 0)))
        (func $next (export "next") (param i32) (result i32)
            (i32.add (local.get 0) (i32.const 1)))
        (func (export "popcnt32") (param i32) (result i32) (i32.popcnt (local.get 0)))
        (func (export "popcnt64") (param i64) (result i64) (i64.popcnt (local.get 0)))
        (func (export "bits") (param i64) (result i64)
            (i64.add (i64.clz (local.get 0)) (i64.add (i64.ctz (local.get 0))
                (i64.rotl (i64.extend8_s (local.get 0)) (i64.const 9)))))
        (func (export "divide") (param i64 i64) (result i64)
            (i64.xor (i64.div_s (local.get 0) (local.get 1)) (i64.rem_u (local.get 0) (local.get 1))))
        (func (export "spill") (local {many}) {sets} {uses})
        (func $wide (param {many}) (result i64) (local.get 39))
        (func (export "wide") (result i64) (local {many}) {sets} (call $wide {gets}))
        (func (export "copies") (param i32 i32) {copies})
        (func (export "bulk") (param i32 i32 i32)
            (memory.copy (local.get 0) (local.get 1) (local.get 2))
            (memory.fill (local.get 0) (local.get 1) (local.get 2))
            (memory.copy $l 0 (i64.const 0) (local.get 1) (local.get 2)))
        (func (export "accesses") (param i32) (result i64)
            (i64.store offset=8 (local.get 0) (i64.load8_s (local.get 0)))
            (i64.store16 $l (i64.extend_i32_u (local.get 0)) (i64.load32_u (local.get 0)))
            (i64.load offset=70000 (local.get 0)))
        (func (export "references") (param i32 externref) (result externref)
            (table.set $r (local.get 0) (local.get 1)) (global.set $e (local.get 1))
            (drop (table.grow $r (local.get 1) (i32.const 1)))
            (select (result externref) (table.get $r (local.get 0)) (global.get $e) (local.get 0)))
        (func (export "host") (param i32 externref) (result i64)
            (call $host (local.get 0) (i64.const 1) (local.get 1)) drop)
        (func (export "table") (param i32) (result i32)
            (block (block (block (br_table 0 1 2 (local.get 0))) (return (i32.const 5)))
                (return (i32.const 6)))
            (call_indirect $f (type $n) (i32.const 1) (local.get 0)))
        (func (export "loops") (param i32) (result i32)
            (loop $l (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
            (return_call_indirect $f (type $n) (local.get 0) (local.get 0))))"#,
        gets = (0..40).map(|at| format!("(local.get {at})")).collect::<String>(),
    )
}

/// Compiles for an engine without floats, if that can be done.
fn parts(setup: Setup, wasm: &[u8], interruptions: bool) -> Option<ArtifactParts> {
    let mut settings = CompileSettings {
        policy: setup.policy,
        zeal: setup.zeal,
        as_if_large: setup.as_if_large,
        hardware_traps: setup.hardware_traps,
        epoch_interruption: interruptions,
        consume_fuel: interruptions,
        ..CompileSettings::default()
    };
    settings.features.remove(WasmFeatures::FLOATING_POINT);
    match compile(wasm, &settings) {
        Ok(artifact) => Some(artifact.into_parts()),
        Err(Error::Unsupported { proposals, .. }) => {
            assert!(proposals.contains(Proposal::FloatingPoint), "{proposals}");
            None
        }
        Err(other) => panic!("{other}"),
    }
}

pub fn code_without_floats_has_no_vector_registers(setup: Setup) {
    let wasm = assemble(&integers());
    for interruptions in [false, true] {
        let parts = parts(setup, &wasm, interruptions).expect("there are no floats in it");
        let (instructions, found) = decoded::vectors(&parts);
        assert!(instructions > 1000 && found.is_empty(), "{instructions}: {found:?}");
    }
    // The decoder sees what it looks for.
    let floats = r#"(module (memory 1) (func (param f64 i32) (result f64)
        (f64.store (local.get 1) (local.get 0)) (f64.add (local.get 0) (local.get 0)))
        (func (param i32) (v128.store (local.get 0) (v128.load (local.get 0)))))"#;
    let artifact = compile(&assemble(floats), &CompileSettings::default()).unwrap();
    assert!(decoded::vectors(artifact.parts()).1.len() >= 3);
    // They are large: once is enough.
    if setup == Setup::ALL[0] {
        let found = GUESTS.iter().filter_map(|(name, wasm)| {
            let (instructions, found) = decoded::vectors(&parts(setup, wasm, false)?);
            assert!(found.is_empty(), "{name}: {found:?}");
            Some(instructions)
        });
        let found: alloc::vec::Vec<_> = found.collect();
        assert!(found.len() >= 2 && found.iter().sum::<usize>() > 1000, "{found:?}");
    }
}

pub fn modules_with_floats_are_refused(setup: Setup) {
    let without = |config: &mut Config| _ = config.floating_point(false);
    setup.each_config(without, |engine| {
        for module in [
            "(module (func (param f32)))",
            "(module (func (result f64) (f64.const 1)))",
            "(module (import \"m\" \"g\" (global f32)))",
            "(module (func (local f64)))",
            "(module (func (drop (i64.trunc_sat_f64_u (f64.const 1)))))",
            "(module (func (param v128)))",
            "(module (memory 1) (func (drop (i8x16.add (v128.load (i32.const 0)) (v128.load (i32.const 0))))))",
        ] {
            let error = Module::new(engine, assemble(module)).unwrap_err();
            let Error::Unsupported { proposals, .. } = error else { panic!("{module}: {error}") };
            assert!(proposals.contains(Proposal::FloatingPoint), "{module}: {proposals}");
            assert_eq!(proposals.contains(Proposal::Simd), module.contains("v128"), "{module}");
            assert!(error.to_string().contains("Config::floating_point"), "{error}");
        }
        Module::new(engine, assemble("(module (func (param i32 i64 externref)))")).unwrap();
    });
}

pub fn code_without_floats_runs(setup: Setup) {
    let without = |config: &mut Config| _ = config.floating_point(false);
    let text = r#"(module (memory (export "m") 1) (data (i32.const 0) "the quick brown fox jumps over")
        (func (export "p32") (param i32) (result i32) (i32.popcnt (local.get 0)))
        (func (export "p64") (param i64) (result i64) (i64.popcnt (local.get 0)))
        (func (export "copy") (memory.copy (i32.const 100) (i32.const 0) (i32.const 30))
            (memory.fill (i32.const 200) (i32.const 7) (i32.const 37)))
        (func (export "trap") (unreachable)))"#;
    setup.each_config(without, |engine| {
        let module = Module::new(engine, assemble(text)).unwrap();
        let mut store = Store::new(engine, ()).unwrap();
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        let p32 = instance.get_typed_func::<u32, u32>(&mut store, "p32").unwrap();
        let p64 = instance.get_typed_func::<u64, u64>(&mut store, "p64").unwrap();
        let mut number = 0x9e37_79b9_7f4a_7c15_u64;
        for special in [0, 1, u64::MAX, 1 << 63, 0x5555_5555_5555_5555, 0x8000_0000] {
            for mask in [0, u64::MAX] {
                for value in [special ^ mask, number] {
                    assert_eq!(p64.call(&mut store, value).unwrap(), u64::from(value.count_ones()));
                    let narrow = value as u32;
                    assert_eq!(p32.call(&mut store, narrow).unwrap(), narrow.count_ones());
                    number = number.rotate_left(7).wrapping_mul(0x2545_f491_4f6c_dd1d);
                }
            }
        }
        instance
            .get_typed_func::<(), ()>(&mut store, "copy")
            .unwrap()
            .call(&mut store, ())
            .unwrap();
        let memory = instance.get_memory(&mut store, "m").unwrap();
        let data = memory.data(&store).unwrap();
        assert_eq!(&data[100..130], b"the quick brown fox jumps over");
        assert!(data[200..237].iter().all(|byte| *byte == 7) && data[237] == 0 && data[199] == 0);
        let trap = instance.get_typed_func::<(), ()>(&mut store, "trap").unwrap();
        assert!(trap.call(&mut store, ()).unwrap_err().as_trap().is_some());
    });
}
