//! The part of [`Config`] that only the compiler looks at (feature `compile`).

use super::config::Config;
use crate::compile::{CompileSettings, OptLevel, WasmFeatures};

macro_rules! feature_switches {
    ($($(#[$doc:meta])* $name:ident => $feature:ident;)+) => {$(
        $(#[$doc])*
        pub fn $name(&mut self, enable: bool) -> &mut Self {
            self.features.set(WasmFeatures::$feature, enable);
            self
        }
    )+};
}

impl Config {
    feature_switches! {
        /// Functions and blocks with several results. On by default.
        wasm_multi_value => MULTI_VALUE;
        /// `memory.copy` and its kin. On by default.
        wasm_bulk_memory => BULK_MEMORY;
        /// externref, tables of references. On by default.
        wasm_reference_types => REFERENCE_TYPES;
        /// 128-bit vectors. On by default.
        wasm_simd => SIMD;
        /// Tail calls. On by default.
        wasm_tail_call => TAIL_CALL;
        /// Several memories per module. On by default.
        wasm_multi_memory => MULTI_MEMORY;
        /// Memories and tables with 64-bit indices. On by default.
        wasm_memory64 => MEMORY64;
        /// Arithmetic in constant expressions. On by default.
        wasm_extended_const => EXTENDED_CONST;
    }

    /// Switches several proposals at once.
    pub fn wasm_features(&mut self, features: WasmFeatures, enable: bool) -> &mut Self {
        self.features.set(features, enable);
        self
    }

    /// How hard the compiler works. [`OptLevel::Speed`] by default.
    pub fn cranelift_opt_level(&mut self, level: OptLevel) -> &mut Self {
        self.optimize = level;
        self
    }

    /// Makes Cranelift check its own work: slow, for tests. Off by default.
    pub fn cranelift_debug_verifier(&mut self, enable: bool) -> &mut Self {
        self.verify = enable;
        self
    }

    pub(crate) fn compile_settings(&self) -> CompileSettings {
        CompileSettings {
            features: self.features,
            policy: self.policy,
            zeal: self.zeal.is_some(),
            epoch_interruption: self.epoch_interruption,
            consume_fuel: self.consume_fuel,
            hardware_traps: self.hardware_traps,
            optimize: self.optimize,
            verify: self.verify,
        }
    }
}
