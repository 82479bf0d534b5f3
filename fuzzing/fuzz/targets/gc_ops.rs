//! Programs of reference operations: under both policies, with and without
//! zeal, objects live and die as a plain model predicts.
#![no_main]

use kernref_fuzz::gc_ops;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| gc_ops(bytes));
