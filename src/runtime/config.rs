//! [`Config`]: the embedder's choices, made once per engine.

use crate::abi::DeferralPolicy;
use crate::alloc::{CodeMemory, MemorySource};
use crate::artifact::CodeFlavor;
#[cfg(feature = "compile")]
use crate::compile::{CompileSettings, OptLevel, WasmFeatures};
use core::num::NonZeroU32;
use std_alloc::sync::Arc;

/// How an engine works. Defaults are named at each switch.
#[derive(Clone)]
#[must_use]
pub struct Config {
    #[cfg(feature = "compile")]
    pub(super) features: WasmFeatures,
    #[cfg(feature = "compile")]
    pub(super) optimize: OptLevel,
    #[cfg(feature = "compile")]
    pub(super) verify: bool,
    pub(super) policy: DeferralPolicy,
    pub(super) zeal: Option<NonZeroU32>,
    pub(super) epoch_interruption: bool,
    pub(super) consume_fuel: bool,
    pub(super) hardware_traps: bool,
    pub(super) max_wasm_stack_bytes: usize,
    pub(super) reference_slots: u32,
    pub(super) gc_threshold: Option<u32>,
    pub(super) reference_quota: Option<u32>,
    pub(super) memory_source: Option<Arc<dyn MemorySource>>,
    pub(super) code_memory: Option<Arc<dyn CodeMemory>>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            #[cfg(feature = "compile")]
            features: WasmFeatures::default(),
            #[cfg(feature = "compile")]
            optimize: OptLevel::default(),
            #[cfg(feature = "compile")]
            verify: false,
            policy: DeferralPolicy::default(),
            zeal: None,
            epoch_interruption: false,
            consume_fuel: false,
            hardware_traps: false,
            max_wasm_stack_bytes: 128 << 10,
            reference_slots: 1 << 14,
            gc_threshold: None,
            reference_quota: None,
            memory_source: None,
            code_memory: None,
        }
    }
}

#[cfg(feature = "compile")]
macro_rules! feature_switches {
    ($($(#[$doc:meta])* $name:ident => $feature:ident;)+) => {$(
        $(#[$doc])*
        pub fn $name(&mut self, enable: bool) -> &mut Self {
            self.features.set(WasmFeatures::$feature, enable);
            self
        }
    )+};
}

#[cfg(feature = "compile")]
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

    /// Lets Cranelift check its own work: slow, for tests. Off by default.
    pub fn cranelift_debug_verifier(&mut self, enable: bool) -> &mut Self {
        self.verify = enable;
        self
    }

    pub(super) fn compile_settings(&self) -> CompileSettings {
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

impl Config {
    /// What code must be like to run in an engine of this configuration.
    pub(super) fn flavor(&self) -> CodeFlavor {
        CodeFlavor {
            zeal: self.zeal.is_some(),
            epoch_interruption: self.epoch_interruption,
            consume_fuel: self.consume_fuel,
            hardware_traps: self.hardware_traps,
            ..CodeFlavor::of_this_processor(self.policy)
        }
    }

    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// How the references that Wasm code holds are tracked.
    pub fn deferral_policy(&mut self, policy: DeferralPolicy) -> &mut Self {
        self.policy = policy;
        self
    }

    /// Collects at every `n`-th safepoint, with all checks on: finds bugs,
    /// costs much time. Off by default.
    pub fn gc_zeal(&mut self, every: Option<NonZeroU32>) -> &mut Self {
        self.zeal = every;
        self
    }

    /// Native stack that Wasm code may use below the frame of the outermost
    /// call into it. 128 KiB by default. Host functions that Wasm calls need
    /// room below that.
    pub fn max_wasm_stack(&mut self, bytes: usize) -> &mut Self {
        self.max_wasm_stack_bytes = bytes;
        self
    }

    /// Compiles checks of the engine's epoch into loops and function entries.
    /// Off by default.
    pub fn epoch_interruption(&mut self, enable: bool) -> &mut Self {
        self.epoch_interruption = enable;
        self
    }

    /// Compiles the counting of fuel into all code. Off by default.
    pub fn consume_fuel(&mut self, enable: bool) -> &mut Self {
        self.consume_fuel = enable;
        self
    }

    /// Leaves the bounds of linear memories with 32-bit addresses to the
    /// processor: generated code accesses them without a check, accesses
    /// outside run into a guard, and the handler of the page fault or data
    /// abort hands them to [`Engine::handle_fault`](super::Engine::handle_fault).
    /// Other checks stay as they are. Off by default.
    ///
    /// Each such memory must have [`crate::fault::MEMORY32_GUARDED_BYTES`]
    /// of guard: see [`MemorySource::reserve_guarded`]. With the feature `std`,
    /// on Linux, a signal handler is installed when the first such engine is
    /// made, and the default memory source has guards.
    ///
    /// # Safety of the embedder's part
    /// A handler that is missing turns a guest's stray access into a fault of
    /// the kernel's. Leave room for the handler, besides that for host
    /// functions, below the stack limit, unless it has a stack of its own.
    #[doc(alias = "signals_based_traps")]
    pub fn hardware_traps(&mut self, enable: bool) -> &mut Self {
        self.hardware_traps = enable;
        self
    }

    /// How many distinct references Wasm code of one store can hold at a time;
    /// the arena for them is reserved when the store is made. 16 384 by default.
    pub fn reference_slots(&mut self, slots: u32) -> &mut Self {
        self.reference_slots = slots;
        self
    }

    /// How many entries the activations table may have before a collection.
    /// Chosen from the number of slots by default.
    pub fn gc_threshold(&mut self, entries: Option<u32>) -> &mut Self {
        self.gc_threshold = entries;
        self
    }

    /// Fewer references than there are slots for: what one guest may hold.
    pub fn reference_quota(&mut self, references: Option<u32>) -> &mut Self {
        self.reference_quota = references;
        self
    }

    /// Where linear memories come from. With the feature `std` by default an
    /// `mmap` provider behind a [`crate::alloc::PoolingMemorySource`] of the
    /// engine's own, with its default limits; required otherwise.
    pub fn memory_source(&mut self, source: Arc<dyn MemorySource>) -> &mut Self {
        self.memory_source = Some(source);
        self
    }

    /// Where memory for machine code comes from. With the feature `std` an
    /// `mmap` provider by default; required otherwise.
    pub fn code_memory(&mut self, memory: Arc<dyn CodeMemory>) -> &mut Self {
        self.code_memory = Some(memory);
        self
    }
}

impl core::fmt::Debug for Config {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Config")
            .field("policy", &self.policy)
            .field("zeal", &self.zeal)
            .field("epoch_interruption", &self.epoch_interruption)
            .field("consume_fuel", &self.consume_fuel)
            .field("max_wasm_stack_bytes", &self.max_wasm_stack_bytes)
            .field("reference_slots", &self.reference_slots)
            .finish_non_exhaustive()
    }
}
