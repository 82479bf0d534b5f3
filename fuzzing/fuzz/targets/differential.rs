//! The module generated from the input behaves the same in Kernref and in wasmi.
#![no_main]

use kernref_fuzzing::{compare, generate};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Some(wasm) = generate::from_bytes(bytes)
        && let Err(difference) = compare(&wasm, bytes.len() as u64)
    {
        panic!("{difference}");
    }
});
