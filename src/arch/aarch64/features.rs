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

/// See [`crate::arch::missing_for_floats`]: the baseline is enough.
pub const fn missing_for_floats() -> Option<&'static str> {
    None
}

/// See [`crate::arch::PROTECTS_BRANCHES`].
pub const PROTECTS_BRANCHES: bool = true;

/// See [`crate::arch::enforced_landings`]. Landings are asked for page by page, by
/// whoever maps the code.
pub const fn enforced_landings() -> Option<&'static str> {
    None
}

/// See [`crate::arch::COUNTS_BITS_IN_VECTORS`]: by `cnt`.
#[cfg(feature = "compile")]
pub const COUNTS_BITS_IN_VECTORS: bool = true;
