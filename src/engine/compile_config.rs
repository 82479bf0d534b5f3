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
        if features.contains(WasmFeatures::FLOATING_POINT) {
            self.floating_point(enable);
        }
        self
    }

    /// How hard the compiler works. [`OptLevel::Speed`] by default.
    pub fn cranelift_opt_level(&mut self, level: OptLevel) -> &mut Self {
        self.optimize = level;
        self
    }

    /// Uses no more of the processor than what Kernref requires of each (on x86_64:
    /// SSE4.1), so that artifacts run on any. Off by default: modules are compiled
    /// for the processor at hand.
    pub fn baseline_processor(&mut self, enable: bool) -> &mut Self {
        self.baseline_processor = enable;
        self
    }

    /// The most values that the compiler may make of a function, if fewer than
    /// [`limits::FUNCTION_VALUES`](crate::limits::FUNCTION_VALUES): bounds the
    /// heap that compiling needs, at 200 to 1600 bytes for each.
    pub fn max_function_values(&mut self, most: Option<u32>) -> &mut Self {
        self.max_function_values = most;
        self
    }

    /// The most operands that a function's jumps and calls may have, if fewer
    /// than [`limits::FUNCTION_OPERANDS`](crate::limits::FUNCTION_OPERANDS).
    /// Locals that would have to be passed along as well are kept in the frame,
    /// which costs speed, but refuses nothing.
    pub fn max_function_operands(&mut self, most: Option<u32>) -> &mut Self {
        self.max_function_operands = most;
        self
    }

    /// Makes Cranelift check its own work: slow, for tests. Off by default.
    pub fn cranelift_debug_verifier(&mut self, enable: bool) -> &mut Self {
        self.verify = enable;
        self
    }

    /// For this repository's own tests: compiles every function as large ones
    /// are, the linear way and with locals in the frame.
    #[doc(hidden)]
    pub fn compile_as_if_large(&mut self, enable: bool) -> &mut Self {
        self.as_if_large = enable;
        self
    }

    pub(crate) fn compile_settings(&self) -> CompileSettings {
        let mut features = self.features;
        features.set(WasmFeatures::FLOATING_POINT, self.floating_point);
        CompileSettings {
            features,
            policy: self.policy,
            zeal: self.zeal.is_some(),
            epoch_interruption: self.epoch_interruption,
            consume_fuel: self.consume_fuel,
            hardware_traps: self.hardware_traps,
            baseline_processor: self.baseline_processor,
            speculation_guards: self.speculation_guards,
            use_bti: self.use_bti,
            sign_return_address: self.sign_return_address,
            optimize: self.optimize,
            max_function_values: self.max_function_values,
            max_function_operands: self.max_function_operands,
            as_if_large: self.as_if_large,
            verify: self.verify,
        }
    }
}
