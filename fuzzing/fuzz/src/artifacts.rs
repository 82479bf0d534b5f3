//! Artifacts that are almost right, for the target `artifact`.

use std::sync::OnceLock;
use twox_hash::XxHash64;

/// Where the header has the checksum, of all that follows it.
const CHECKSUM: std::ops::Range<usize> = 16..24;

const MODULES: [&str; 3] = [
    r#"(module $m (import "a" "f" (func $f (param i32))) (memory 1) (data (i32.const 3) "data")
        (global i32 (i32.const 1)) (export "g" (func $g)) (func $g (call $f (i32.const 1))))"#,
    r#"(module (table 2 funcref) (elem (i32.const 0) $f) (start $s) (func $s) (table 1 externref)
        (func $f (param i32 externref) (result i32)
            (call_indirect (param i32 externref) (result i32)
                (i32.div_u (local.get 0) (local.get 0)) (local.get 1) (i32.const 0))))"#,
    r#"(module (import "a" "v" (global $v i64)) (global (mut i64) (i64.add (global.get $v)
        (i64.const 7))) (elem externref (ref.null extern)) (data "passive") (memory i64 0 9))"#,
];

fn originals() -> &'static [Vec<u8>] {
    static ORIGINALS: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    ORIGINALS.get_or_init(|| {
        let engine = kernref::Engine::new(&kernref::Config::new()).unwrap();
        let serialized = |text| {
            let wasm = wat::parse_str(text).unwrap();
            engine.precompile_module(wasm).unwrap().serialize().unwrap()
        };
        MODULES.map(serialized).to_vec()
    })
}

/// The artifact that the first byte chooses, with changes: each three bytes that
/// follow are a place and a value.
pub fn patched(choices: &[u8]) -> Vec<u8> {
    let originals = originals();
    let (first, changes) = choices.split_first().unwrap_or((&0, &[]));
    let mut bytes = originals[usize::from(*first) % originals.len()].clone();
    for change in changes.chunks_exact(3) {
        let place = usize::from(u16::from_le_bytes([change[0], change[1]])) % bytes.len();
        bytes[place] = change[2];
    }
    let checksum = XxHash64::oneshot(0, &bytes[CHECKSUM.end..]);
    bytes[CHECKSUM].copy_from_slice(&checksum.to_le_bytes());
    bytes
}
