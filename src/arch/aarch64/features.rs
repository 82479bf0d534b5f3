//! Processor features. Kernref uses the Armv8.0 baseline, which has all that
//! Wasm needs; newer atomics and hashes would speed up nothing it emits.

use crate::abi::Architecture;

/// See [`crate::arch::TARGET_TRIPLE`].
pub const TARGET_TRIPLE: &str = "aarch64-unknown-none";

/// See [`crate::arch::ARCHITECTURE`].
pub const ARCHITECTURE: Architecture = Architecture::Aarch64;

/// See [`crate::arch::FEATURE_NAMES`].
pub const FEATURE_NAMES: [&str; 0] = [];

/// See [`crate::arch::BASELINE_FEATURES`].
#[cfg(feature = "compile")]
pub const BASELINE_FEATURES: u64 = 0;

/// See [`crate::arch::cpu_features`].
pub const fn cpu_features() -> u64 {
    0
}

/// See [`crate::arch::missing_required_features`]: the baseline is enough.
pub const fn missing_required_features() -> Option<&'static str> {
    None
}
