//! The module generated from the input behaves the same in Kernref and in Wasmtime.
#![no_main]

use kernref_fuzzing::{compare_with, generate};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let seed = bytes.len() as u64;
    if let Some(wasm) = generate::from_bytes(bytes)
        && let Some(expected) = kernref_fuzz::in_wasmtime::run(&wasm, seed).unwrap()
        && let Err(difference) = compare_with("Wasmtime", &expected, &wasm, seed)
    {
        panic!("{difference}");
    }
});
