//! [`Config`]: the embedder's choices, made once per engine.

use crate::abi::DeferralPolicy;
use crate::alloc::{CodeMemory, MemorySource, StackBounds};
use crate::artifact::CodeFlavor;
#[cfg(feature = "compile")]
use crate::compile::{OptLevel, WasmFeatures};
use core::num::NonZeroU32;
use std_alloc::sync::Arc;

/// Stacks of threads on hosts have megabytes.
const DEFAULT_WASM_STACK_BYTES: Option<usize> =
    if cfg!(feature = "std") { Some(512 << 10) } else { None };

/// How an engine works. Each switch names its default.
#[derive(Clone)]
#[must_use]
pub struct Config {
    #[cfg(feature = "compile")]
    pub(crate) features: WasmFeatures,
    #[cfg(feature = "compile")]
    pub(crate) optimize: OptLevel,
    #[cfg(feature = "compile")]
    pub(crate) baseline_processor: bool,
    #[cfg(feature = "compile")]
    pub(crate) max_function_values: Option<u32>,
    #[cfg(feature = "compile")]
    pub(crate) max_function_operands: Option<u32>,
    #[cfg(feature = "compile")]
    pub(crate) as_if_large: bool,
    #[cfg(feature = "compile")]
    pub(crate) verify: bool,
    #[cfg(feature = "compile")]
    pub(crate) compile_memory: Option<super::compile_memory::CompileMemory>,
    pub(crate) policy: DeferralPolicy,
    pub(crate) zeal: Option<NonZeroU32>,
    pub(crate) epoch_interruption: bool,
    pub(crate) consume_fuel: bool,
    pub(crate) hardware_traps: bool,
    pub(crate) speculation_guards: bool,
    pub(crate) floating_point: bool,
    pub(crate) use_bti: bool,
    pub(crate) sign_return_address: bool,
    pub(crate) max_wasm_stack_bytes: Option<usize>,
    pub(crate) stack_bounds: Option<Arc<dyn StackBounds>>,
    pub(crate) hash_seed: u64,
    pub(crate) reference_slots: u32,
    pub(crate) gc_threshold: Option<u32>,
    pub(crate) reference_quota: Option<u32>,
    pub(crate) memory_source: Option<Arc<dyn MemorySource>>,
    pub(crate) code_memory: Option<Arc<dyn CodeMemory>>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            #[cfg(feature = "compile")]
            features: WasmFeatures::default(),
            #[cfg(feature = "compile")]
            optimize: OptLevel::default(),
            #[cfg(feature = "compile")]
            baseline_processor: false,
            #[cfg(feature = "compile")]
            max_function_values: None,
            #[cfg(feature = "compile")]
            max_function_operands: None,
            #[cfg(feature = "compile")]
            as_if_large: false,
            #[cfg(feature = "compile")]
            verify: false,
            #[cfg(feature = "compile")]
            compile_memory: None,
            policy: DeferralPolicy::default(),
            zeal: None,
            epoch_interruption: false,
            consume_fuel: false,
            hardware_traps: false,
            speculation_guards: true,
            floating_point: true,
            use_bti: false,
            sign_return_address: false,
            max_wasm_stack_bytes: None,
            stack_bounds: None,
            hash_seed: 0,
            reference_slots: 1 << 14,
            gc_threshold: None,
            reference_quota: None,
            memory_source: None,
            code_memory: None,
        }
    }
}

impl Config {
    /// What code must be like to run in an engine of this configuration.
    pub(crate) fn flavor(&self) -> CodeFlavor {
        CodeFlavor {
            zeal: self.zeal.is_some(),
            epoch_interruption: self.epoch_interruption,
            consume_fuel: self.consume_fuel,
            hardware_traps: self.hardware_traps,
            speculation_guards: self.speculation_guards,
            floating_point: self.floating_point,
            use_bti: self.use_bti,
            sign_return_address: self.sign_return_address,
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

    /// Collects at every `n`-th safepoint, with all checks on: finds bugs, but
    /// is slow. Off by default.
    pub fn gc_zeal(&mut self, every: Option<NonZeroU32>) -> &mut Self {
        self.zeal = every;
        self
    }

    /// Native stack that Wasm code may use below the frame of the outermost
    /// call into it. With the feature `std`, 512 KiB by default; without it
    /// nobody can know the stack, so this or [`Self::stack_bounds`] must be given.
    /// Below that, compiled code uses at most 4 KiB more; recording a trap
    /// there takes about as much again, and host functions need room of their own.
    ///
    /// Interpreters that are compiled to Wasm take a kilobyte or more for each level of
    /// recursion of what they run: 1 MiB lets them go as deep as on their own.
    ///
    /// # Safety of the embedder's part
    /// The stack of every call must have that much left: nothing checks this number,
    /// unless there are [`Self::stack_bounds`].
    pub fn max_wasm_stack(&mut self, bytes: usize) -> &mut Self {
        self.max_wasm_stack_bytes = Some(bytes);
        self
    }

    /// Who knows the stack on which Wasm is called. Wasm may then use all of it but
    /// the last [`STACK_RESERVE_BYTES`](crate::alloc::STACK_RESERVE_BYTES), and no
    /// more than [`Self::max_wasm_stack`] if that was given. Asked at each outermost
    /// call. None by default.
    pub fn stack_bounds(&mut self, bounds: Arc<dyn StackBounds>) -> &mut Self {
        self.stack_bounds = Some(bounds);
        self
    }

    /// The most that Wasm may use; `None` if nothing says how much.
    pub(crate) fn stack_budget_bytes(&self) -> Option<usize> {
        let otherwise = match self.stack_bounds {
            Some(_) => Some(usize::MAX),
            None => DEFAULT_WASM_STACK_BYTES,
        };
        self.max_wasm_stack_bytes.or(otherwise)
    }

    /// Compiles checks of the engine's epoch into loops and function entries.
    /// Bulk work (filling, copying and growing memories and tables, writing
    /// segments, also at instantiation) is done in pieces of at most 256 KiB or
    /// 16 384 elements, and the epoch is checked after each; memories grow in
    /// pieces of 4 MiB, with hardware traps in one. What was written before an
    /// interruption stays written. Off by default.
    pub fn epoch_interruption(&mut self, enable: bool) -> &mut Self {
        self.epoch_interruption = enable;
        self
    }

    /// Compiles the counting of fuel into all code: one unit per operator. Bulk
    /// work costs one more for every 64 bytes or 8 elements, taken before anything
    /// is written; so do, at instantiation, active segments, memories and tables of the size
    /// that they begin with, and the instance itself beyond 4 KiB. Off by default.
    pub fn consume_fuel(&mut self, enable: bool) -> &mut Self {
        self.consume_fuel = enable;
        self
    }

    /// Leaves the bounds of linear memories with 32-bit addresses to the
    /// processor: generated code accesses them without a check, accesses
    /// outside hit a guard, and the handler of the page fault or data abort
    /// hands them to [`Engine::handle_fault`](super::Engine::handle_fault).
    /// Other checks stay as they are. Off by default.
    ///
    /// Each such memory must have [`crate::fault::MEMORY32_GUARDED_BYTES`]
    /// of guard: see [`MemorySource::reserve_guarded`]. With the feature `std`,
    /// on Linux, a signal handler is installed when the first such engine is
    /// made, and the default memory source has guards.
    ///
    /// # Safety of the embedder's part
    /// Without a handler, a guest's stray access is a fault of the kernel.
    /// Leave room for the handler below the stack limit, in addition to that
    /// for host functions, unless it has a stack of its own.
    #[doc(alias = "signals_based_traps")]
    pub fn hardware_traps(&mut self, enable: bool) -> &mut Self {
        self.hardware_traps = enable;
        self
    }

    /// A number that guests cannot know, from the embedder's source of randomness: the
    /// hash table of function types, which modules fill, is seeded with it. On hosts
    /// the addresses of the process are as good; a kernel that is always loaded at
    /// the same address should give one. 0 by default.
    pub fn hash_seed(&mut self, seed: u64) -> &mut Self {
        self.hash_seed = seed;
        self
    }

    /// Compiles guards against speculative execution: a processor that guesses
    /// that a check passes goes on with an index of zero, or a code pointer of
    /// null, not with what failed it (Spectre, variant 1). Guarded are accesses to
    /// linear memories that no guard page covers, to tables, and indirect calls,
    /// in compiled code. On by default. `SECURITY.md` says what is left to the
    /// embedder, `docs/performance.md` what it costs.
    ///
    /// Wasmtime has two switches for this, which it passes on to Cranelift.
    #[doc(alias = "enable_heap_access_spectre_mitigation")]
    #[doc(alias = "enable_table_access_spectre_mitigation")]
    pub fn speculation_guards(&mut self, enable: bool) -> &mut Self {
        self.speculation_guards = enable;
        self
    }

    /// Floats and vectors: `f32`, `f64`, `v128` and their operators. On by default.
    ///
    /// Switched off, modules that use them are refused, and no code touches a vector
    /// register: compiled functions, shims and stubs, and the way into them. That is for
    /// kernels that neither save these registers nor may use them, and for
    /// processors without the extensions that floats need (on x86_64, SSE4.1).
    pub fn floating_point(&mut self, enable: bool) -> &mut Self {
        self.floating_point = enable;
        self
    }

    /// On aarch64, puts a landing instruction wherever an indirect branch leads
    /// (FEAT_BTI): code may then lie in guarded pages, with `SCTLR_EL1.BT1` set. Off
    /// by default; processors without the feature ignore the instructions. Engines on
    /// x86_64 refuse it: compiled code has no `endbr64` there.
    pub fn use_bti(&mut self, enable: bool) -> &mut Self {
        self.use_bti = enable;
        self
    }

    /// On aarch64, signs return addresses on the stack with key A (FEAT_PAuth), and
    /// checks them before they are used; processors without the feature ignore
    /// the instructions. `SCTLR_EL1.EnIA` and the key have to be the same whenever a
    /// guest runs. Off by default; engines on x86_64 refuse it.
    pub fn sign_return_address(&mut self, enable: bool) -> &mut Self {
        self.sign_return_address = enable;
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

    /// How many references one guest may hold, if fewer than there are slots
    /// for.
    pub fn reference_quota(&mut self, references: Option<u32>) -> &mut Self {
        self.reference_quota = references;
        self
    }

    /// Where linear memories come from. With the feature `std`, the default is
    /// an `mmap` provider behind a [`crate::alloc::PoolingMemorySource`] of the
    /// engine's own, with its default limits; required otherwise.
    pub fn memory_source(&mut self, source: Arc<dyn MemorySource>) -> &mut Self {
        self.memory_source = Some(source);
        self
    }

    /// Where memory for machine code comes from. With the feature `std`, the
    /// default is an `mmap` provider; required otherwise.
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
