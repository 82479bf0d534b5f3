//! What can be chosen about how code works, and what an artifact was compiled
//! for.

use kernref::__internals::CodeFlavor;
use kernref::{Config, DeferralPolicy, OptLevel};
use std::num::NonZeroU32;

/// When references that compiled code holds are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Policy {
    /// A slot enters the table when its count falls to zero.
    ZeroCount,
    /// A slot enters the table when a counted place is read.
    CloneOnRead,
}

/// How hard the compiler works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Optimize {
    /// Compile quickly.
    None,
    /// Make fast code.
    Speed,
    /// Make fast code, and prefer it small.
    SpeedAndSize,
}

/// Switches of compiled code. An engine loads only code with its own.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Switches {
    /// When references that compiled code holds are counted.
    #[arg(long, value_enum, default_value = "zero-count")]
    pub policy: Policy,
    /// Collect at every safepoint; finds bugs.
    #[arg(long)]
    pub zeal: bool,
    /// Check the epoch in loops and function entries, so that guests can be ended.
    #[arg(long)]
    pub epochs: bool,
    /// Count fuel.
    #[arg(long)]
    pub fuel: bool,
    /// Leave the bounds of linear memories to the hardware.
    #[arg(long)]
    pub hardware_traps: bool,
    /// How hard the compiler works.
    #[arg(long, value_enum, default_value = "speed", value_name = "LEVEL")]
    pub optimize: Optimize,
}

impl Switches {
    /// A configuration with these.
    pub fn config(self) -> Config {
        let mut config = Config::new();
        config
            .deferral_policy(match self.policy {
                Policy::ZeroCount => DeferralPolicy::ZeroCount,
                Policy::CloneOnRead => DeferralPolicy::CloneOnRead,
            })
            .gc_zeal(self.zeal.then_some(NonZeroU32::MIN))
            .epoch_interruption(self.epochs)
            .consume_fuel(self.fuel)
            .hardware_traps(self.hardware_traps)
            .cranelift_opt_level(match self.optimize {
                Optimize::None => OptLevel::None,
                Optimize::Speed => OptLevel::Speed,
                Optimize::SpeedAndSize => OptLevel::SpeedAndSize,
            });
        config
    }
}

/// A configuration whose engines load code of this flavor.
pub fn config_for(flavor: &CodeFlavor) -> Config {
    // A new field may need a setting.
    let CodeFlavor {
        architecture: _,
        policy,
        zeal,
        epoch_interruption,
        consume_fuel,
        hardware_traps,
        processor: _,
        layout: _,
    } = *flavor;
    let mut config = Config::new();
    config
        .deferral_policy(policy)
        .gc_zeal(zeal.then_some(NonZeroU32::MIN))
        .epoch_interruption(epoch_interruption)
        .consume_fuel(consume_fuel)
        .hardware_traps(hardware_traps);
    config
}

/// The settings that are on, as the switches that turn them on.
pub fn described(flavor: &CodeFlavor) -> Vec<&'static str> {
    let policy = match flavor.policy {
        DeferralPolicy::ZeroCount => "policy zero-count",
        DeferralPolicy::CloneOnRead => "policy clone-on-read",
    };
    let switches = [
        ("zeal", flavor.zeal),
        ("epochs", flavor.epoch_interruption),
        ("fuel", flavor.consume_fuel),
        ("hardware traps", flavor.hardware_traps),
    ];
    let on = switches.into_iter().filter(|(_, is_on)| *is_on).map(|(name, _)| name);
    [policy].into_iter().chain(on).collect()
}
