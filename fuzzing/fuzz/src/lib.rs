//! What the targets need beyond `kernref-fuzzing` and the test suite.
#![forbid(unsafe_code)]

pub mod artifacts;
#[cfg(feature = "wasmtime")]
pub mod in_wasmtime;

use kernref_testsuite::{GcOps, Hooks, install};
use std::sync::OnceLock;

/// Runs the program of reference operations that the bytes encode.
///
/// # Panics
/// If the collector differs from the model.
pub fn gc_ops(bytes: &[u8]) {
    static OPS: OnceLock<GcOps> = OnceLock::new();
    let ops = OPS.get_or_init(|| {
        install(Hooks {
            config: kernref::Config::new,
            engine: kernref::Engine::new,
            assemble: |text| wat::parse_str(text).ok(),
        });
        GcOps::new()
    });
    ops.run(bytes);
}
