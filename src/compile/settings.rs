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
#[derive(Clone, Copy, Debug, Default)]
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
            ..here
        }
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
    isa.finish(settings::Flags::new(flags))
        .map_err(|_| Misuse::InvalidConfig("the code generator rejects this processor").into())
}
