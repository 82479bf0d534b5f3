//! The options of a compilation, and the Cranelift target they map to.
//!
//! Invariant: frame pointers are always on, and unwind tables always off; the
//! walker relies on the first; a kernel has no support for the others. Frames of
//! more than a page touch each page in turn, so that none steps over a guard page.

use super::features::WasmFeatures;
use crate::abi::DeferralPolicy;
use crate::arch::BASELINE_FEATURES;
use crate::artifact::CodeFlavor;
use crate::error::{Error, Misuse, Result};
use cranelift_codegen::isa::OwnedTargetIsa;
use cranelift_codegen::settings::{self, Configurable};

/// How hard the compiler works.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OptLevel {
    /// Compile quickly.
    None,
    /// Make fast code.
    #[default]
    Speed,
    /// Make fast code, and prefer it small.
    SpeedAndSize,
}

/// Settings of a compilation.
#[derive(Clone, Copy, Debug)]
pub struct CompileSettings {
    /// Proposals that modules may use.
    pub features: WasmFeatures,
    /// Which barriers are compiled in.
    pub policy: DeferralPolicy,
    /// Calls the store at every safepoint.
    pub zeal: bool,
    /// Checks the epoch at function entries and loop heads.
    pub epoch_interruption: bool,
    /// Counts fuel, one unit per operator.
    pub consume_fuel: bool,
    /// Leaves the bounds of memories with 32-bit addresses to their guard.
    pub hardware_traps: bool,
    /// Uses no more of the processor than each has that Kernref runs on.
    pub baseline_processor: bool,
    /// Makes what checks decide about depend on them by data flow, too.
    pub speculation_guards: bool,
    /// Puts landing instructions where indirect branches lead (aarch64).
    pub use_bti: bool,
    /// Signs return addresses on the stack (aarch64).
    pub sign_return_address: bool,
    /// Optimisation level.
    pub optimize: OptLevel,
    /// The most values of a function, if fewer than
    /// [`FUNCTION_VALUES`](crate::limits::FUNCTION_VALUES).
    pub max_function_values: Option<u32>,
    /// The most operands of its jumps and calls, if fewer than
    /// [`FUNCTION_OPERANDS`](crate::limits::FUNCTION_OPERANDS).
    pub max_function_operands: Option<u32>,
    /// Compiles every function as if it were large: the linear way, with its
    /// locals in the frame. For tests.
    pub as_if_large: bool,
    /// Runs Cranelift's own verifier on each function, and checks the stack
    /// maps and the claims that operators are silent (as debug builds always
    /// do). For tests.
    pub verify: bool,
}

impl Default for CompileSettings {
    fn default() -> Self {
        Self {
            features: WasmFeatures::default(),
            policy: DeferralPolicy::default(),
            zeal: false,
            epoch_interruption: false,
            consume_fuel: false,
            hardware_traps: false,
            baseline_processor: false,
            speculation_guards: true,
            use_bti: false,
            sign_return_address: false,
            optimize: OptLevel::default(),
            max_function_values: None,
            max_function_operands: None,
            as_if_large: false,
            verify: false,
        }
    }
}

impl CompileSettings {
    /// The flavor of the code, on a processor like this one.
    pub(super) fn flavor(&self) -> CodeFlavor {
        let here = CodeFlavor::of_this_processor(self.policy);
        CodeFlavor {
            zeal: self.zeal,
            epoch_interruption: self.epoch_interruption,
            consume_fuel: self.consume_fuel,
            hardware_traps: self.hardware_traps,
            processor: if self.baseline_processor { BASELINE_FEATURES } else { here.processor },
            speculation_guards: self.speculation_guards,
            floating_point: self.floating_point(),
            use_bti: self.use_bti,
            sign_return_address: self.sign_return_address,
            ..here
        }
    }

    /// Whether code may use vector registers.
    pub(super) fn floating_point(&self) -> bool {
        self.features.contains(WasmFeatures::FLOATING_POINT)
    }

    /// Whether the compiler checks what it makes.
    pub(super) fn verifies(&self) -> bool {
        self.verify || cfg!(debug_assertions)
    }
}

/// How a function becomes machine code.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// As the settings say.
    AsSet,
    /// At a cost in proportion to its size: without the optimizer, and registers
    /// are allocated in a single pass.
    Linear,
}

/// The Cranelift target for this architecture, with these processor features.
pub(super) fn isa(settings: &CompileSettings, processor: u64, way: Way) -> Result<OwnedTargetIsa> {
    let rejected = |_| Error::from(Misuse::InvalidConfig("the code generator rejects a setting"));
    let mut flags = settings::builder();
    let opt_level = match (way, settings.optimize) {
        (Way::Linear, _) | (_, OptLevel::None) => "none",
        (_, OptLevel::Speed) => "speed",
        (_, OptLevel::SpeedAndSize) => "speed_and_size",
    };
    let registers = match way {
        Way::AsSet => "backtracking",
        Way::Linear => "single_pass",
    };
    // Jumps through tables. Other guards are our own (`speculation.rs`).
    let guards = if settings.speculation_guards { "true" } else { "false" };
    for (name, value) in [
        ("opt_level", opt_level),
        ("regalloc_algorithm", registers),
        ("enable_verifier", if settings.verify { "true" } else { "false" }),
        ("preserve_frame_pointers", "true"),
        ("unwind_info", "false"),
        ("enable_probestack", "true"),
        ("probestack_strategy", "inline"),
        ("probestack_size_log2", "12"),
        ("enable_multi_ret_implicit_sret", "true"),
        ("enable_alias_analysis", "true"),
        ("enable_heap_access_spectre_mitigation", guards),
        ("enable_table_access_spectre_mitigation", guards),
        ("is_pic", "false"),
    ] {
        flags.set(name, value).map_err(rejected)?;
    }
    let mut isa = cranelift_codegen::isa::lookup_by_name(crate::arch::TARGET_TRIPLE)
        .map_err(|_| Misuse::InvalidConfig("the code generator lacks this architecture"))?;
    for (bit, feature) in crate::arch::FEATURE_NAMES.iter().enumerate() {
        if processor & 1 << bit != 0 {
            isa.enable(feature).map_err(rejected)?;
        }
    }
    let switches =
        [("use_bti", settings.use_bti), ("sign_return_address", settings.sign_return_address)];
    for (name, _) in switches.iter().filter(|(_, on)| *on) {
        isa.enable(name).map_err(rejected)?;
    }
    isa.finish(settings::Flags::new(flags))
        .map_err(|_| Misuse::InvalidConfig("the code generator rejects this processor").into())
}
