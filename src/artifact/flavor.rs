//! [`CodeFlavor`]: what machine code takes for granted about the engine that
//! runs it, the processor, and the layouts of this crate.
//!
//! Invariant: `compile` writes it, and code is published only in an engine
//! that satisfies it ([`CodeFlavor::check`]).

use crate::abi::{Architecture, DeferralPolicy, FINGERPRINT};
use crate::arch;
use crate::error::{FlavorMismatch, FlavorValue, Misuse, Result};

/// What machine code takes for granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodeFlavor {
    /// Whose instructions it consists of.
    pub architecture: Architecture,
    /// Which barriers are compiled in.
    pub policy: DeferralPolicy,
    /// Whether safepoints call the store.
    pub zeal: bool,
    /// Whether function entries and loop heads check the epoch.
    pub epoch_interruption: bool,
    /// Whether fuel is counted.
    pub consume_fuel: bool,
    /// Whether bounds of memories are left to their guards.
    pub hardware_traps: bool,
    /// Whether what checks decide about depends on them by data flow, too.
    pub speculation_guards: bool,
    /// Whether it may use vector registers.
    pub floating_point: bool,
    /// Whether landing instructions are where indirect branches lead.
    pub use_bti: bool,
    /// Whether return addresses are signed.
    pub sign_return_address: bool,
    /// Processor features, as bits: the n-th of `arch::FEATURE_NAMES`.
    pub processor: u64,
    /// `LAYOUT`, as it was where the code was compiled.
    pub layout: u64,
}

/// Tells this version of this crate, with its layouts and its architecture,
/// from others.
const LAYOUT: u64 = {
    let architecture = arch::TARGET_TRIPLE.as_bytes();
    let mut layout = FINGERPRINT;
    let mut at = 0;
    while at < architecture.len() {
        layout = layout.rotate_left(7) ^ architecture[at] as u64;
        at += 1;
    }
    layout
};

/// A setting that is on in the code and off in the engine, or the reverse.
fn switched(setting: &'static str, in_code: bool) -> FlavorMismatch {
    let (code, engine) = match in_code {
        true => (FlavorValue::On, FlavorValue::Off),
        false => (FlavorValue::Off, FlavorValue::On),
    };
    FlavorMismatch { setting, code, engine }
}

fn policy_value(policy: DeferralPolicy) -> FlavorValue {
    match policy {
        DeferralPolicy::ZeroCount => FlavorValue::ZeroCount,
        DeferralPolicy::CloneOnRead => FlavorValue::CloneOnRead,
    }
}

impl CodeFlavor {
    /// Code without any switch, for this processor.
    pub fn of_this_processor(policy: DeferralPolicy) -> Self {
        Self {
            architecture: arch::ARCHITECTURE,
            policy,
            zeal: false,
            epoch_interruption: false,
            consume_fuel: false,
            hardware_traps: false,
            speculation_guards: false,
            floating_point: false,
            use_bti: false,
            sign_return_address: false,
            processor: arch::cpu_features(),
            layout: LAYOUT,
        }
    }

    /// Refuses code of this flavor for an engine of another. Everything must be
    /// equal, except that the engine's processor may have more features.
    ///
    /// # Errors
    /// [`Misuse::WrongFlavor`], with the first setting that differs.
    pub fn check(&self, engine: &CodeFlavor) -> Result<()> {
        match self.mismatch(engine) {
            Some(mismatch) => Err(Misuse::WrongFlavor(mismatch).into()),
            None => Ok(()),
        }
    }

    fn mismatch(&self, engine: &CodeFlavor) -> Option<FlavorMismatch> {
        let Self {
            architecture,
            policy,
            zeal,
            epoch_interruption,
            consume_fuel,
            hardware_traps,
            speculation_guards,
            floating_point,
            use_bti,
            sign_return_address,
            processor,
            layout,
        } = *self;
        if architecture != engine.architecture {
            return Some(FlavorMismatch {
                setting: "architecture",
                code: FlavorValue::Architecture(architecture),
                engine: FlavorValue::Architecture(engine.architecture),
            });
        }
        if layout != engine.layout {
            return Some(FlavorMismatch {
                setting: "version or layout of contexts",
                code: FlavorValue::Another,
                engine: FlavorValue::This,
            });
        }
        let switches = [
            ("zeal", zeal, engine.zeal),
            ("epoch interruption", epoch_interruption, engine.epoch_interruption),
            ("fuel", consume_fuel, engine.consume_fuel),
            ("hardware traps", hardware_traps, engine.hardware_traps),
            ("speculation guards", speculation_guards, engine.speculation_guards),
            ("floating point", floating_point, engine.floating_point),
            ("use_bti", use_bti, engine.use_bti),
            ("sign_return_address", sign_return_address, engine.sign_return_address),
        ];
        if let Some((setting, in_code, _)) = switches.into_iter().find(|(_, code, has)| code != has)
        {
            return Some(switched(setting, in_code));
        }
        if policy != engine.policy {
            return Some(FlavorMismatch {
                setting: "deferral policy",
                code: policy_value(policy),
                engine: policy_value(engine.policy),
            });
        }
        let lacking = processor & !engine.processor;
        (lacking != 0).then(|| {
            let name = arch::FEATURE_NAMES.get(lacking.trailing_zeros() as usize);
            switched(name.copied().unwrap_or("an unknown feature of the processor"), true)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    fn here() -> CodeFlavor {
        CodeFlavor::of_this_processor(DeferralPolicy::ZeroCount)
    }

    /// What is said of code that differs from its engine in one thing, and of
    /// the same pair the other way round.
    fn refused(code: CodeFlavor) -> [FlavorMismatch; 2] {
        let engine = here();
        [code.check(&engine), engine.check(&code)].map(|outcome| match outcome {
            Err(Error::Misuse(Misuse::WrongFlavor(mismatch))) => mismatch,
            other => panic!("{other:?}"),
        })
    }

    fn refused_switch(code: CodeFlavor, name: &'static str) {
        let [there, back] = refused(code);
        assert_eq!(there, switched(name, true));
        assert_eq!(back, switched(name, false));
    }

    #[test]
    fn code_of_the_engines_flavor_is_taken() {
        here().check(&here()).unwrap();
        assert_eq!(here(), here());
    }

    #[test]
    fn code_with_another_policy_is_refused() {
        let [there, back] = refused(CodeFlavor { policy: DeferralPolicy::CloneOnRead, ..here() });
        assert_eq!(there.setting, "deferral policy");
        assert_eq!((there.code, there.engine), (FlavorValue::CloneOnRead, FlavorValue::ZeroCount));
        assert_eq!((back.code, back.engine), (FlavorValue::ZeroCount, FlavorValue::CloneOnRead));
    }

    #[test]
    fn code_with_and_without_zeal_is_told() {
        refused_switch(CodeFlavor { zeal: true, ..here() }, "zeal");
    }

    #[test]
    fn code_with_and_without_epochs_is_told() {
        let epochs = CodeFlavor { epoch_interruption: true, ..here() };
        refused_switch(epochs, "epoch interruption");
    }

    #[test]
    fn code_with_and_without_fuel_is_told() {
        refused_switch(CodeFlavor { consume_fuel: true, ..here() }, "fuel");
    }

    #[test]
    fn code_with_and_without_hardware_traps_is_told() {
        refused_switch(CodeFlavor { hardware_traps: true, ..here() }, "hardware traps");
    }

    #[test]
    fn code_with_and_without_speculation_guards_is_told() {
        refused_switch(CodeFlavor { speculation_guards: true, ..here() }, "speculation guards");
    }

    #[test]
    fn code_with_and_without_floating_point_is_told() {
        refused_switch(CodeFlavor { floating_point: true, ..here() }, "floating point");
    }

    #[test]
    fn code_with_and_without_protected_branches_is_told() {
        refused_switch(CodeFlavor { use_bti: true, ..here() }, "use_bti");
        let signed = CodeFlavor { sign_return_address: true, ..here() };
        refused_switch(signed, "sign_return_address");
    }

    #[test]
    fn code_for_a_processor_with_more_features_is_refused() {
        for (bit, name) in arch::FEATURE_NAMES.iter().enumerate() {
            let with = CodeFlavor { processor: 1 << bit, ..here() };
            let without = CodeFlavor { processor: !(1 << bit), ..here() };
            match with.check(&without) {
                Err(Error::Misuse(Misuse::WrongFlavor(mismatch))) => {
                    assert_eq!(mismatch.setting, *name);
                }
                other => panic!("{other:?}"),
            }
            with.check(&with).unwrap();
            CodeFlavor { processor: 0, ..here() }.check(&with).unwrap();
        }
        let unknown = CodeFlavor { processor: 1 << 63, ..here() };
        unknown.check(&here()).unwrap_err();
    }

    #[test]
    fn code_for_another_architecture_is_refused() {
        for other in Architecture::ALL.iter().copied().filter(|other| *other != arch::ARCHITECTURE)
        {
            let [there, back] = refused(CodeFlavor { architecture: other, ..here() });
            assert_eq!(there.setting, "architecture");
            assert_eq!((there.code, there.engine), (back.engine, back.code));
            assert_eq!(there.code, FlavorValue::Architecture(other));
        }
    }

    #[test]
    fn code_for_another_layout_is_refused() {
        let [there, back] = refused(CodeFlavor { layout: !LAYOUT, ..here() });
        assert!(there.setting.contains("layout"));
        assert_eq!(there, back);
    }
}
