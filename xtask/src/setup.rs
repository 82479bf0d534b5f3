//! What can be chosen about how Wasm runs, wherever it runs.

use std::fmt;

/// When the runtime counts references: see docs/gc.md.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Policy {
    /// A slot enters the table when its count falls to zero.
    ZeroCount,
    /// A slot enters the table when a counted place is read.
    CloneOnRead,
}

impl Policy {
    /// As users, kernels and the tool on the host spell it.
    pub fn name(self) -> &'static str {
        match self {
            Policy::ZeroCount => "zero-count",
            Policy::CloneOnRead => "clone-on-read",
        }
    }
}

/// The options that each command has which runs Wasm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::Args)]
pub struct Setup {
    /// When the runtime counts references: see docs/gc.md.
    #[arg(long, value_enum, default_value = "zero-count")]
    pub policy: Policy,
    /// Collect at every safepoint and check the collector's invariants.
    #[arg(long)]
    pub zeal: bool,
    /// Leave the bounds of linear memories to the hardware.
    #[arg(long)]
    pub hardware_traps: bool,
    /// Compile every function as large ones are: in linear time, with its locals
    /// in memory.
    #[arg(long)]
    pub as_if_large: bool,
    /// Write each module of a script as an artifact, and load that.
    #[arg(long)]
    pub artifacts: bool,
    /// Leave out the guards against speculative execution.
    #[arg(long)]
    pub guards_off: bool,
}

impl Setup {
    /// The policy alone, with every option off.
    pub const fn plain(policy: Policy) -> Self {
        Self {
            policy,
            zeal: false,
            hardware_traps: false,
            as_if_large: false,
            artifacts: false,
            guards_off: false,
        }
    }

    /// The same with a collection at every safepoint.
    pub const fn with_zeal(self) -> Self {
        Self { zeal: true, ..self }
    }

    /// The same with bounds left to the hardware.
    pub const fn with_hardware_traps(self) -> Self {
        Self { hardware_traps: true, ..self }
    }

    /// The same with every function compiled as large ones are.
    pub const fn with_large(self) -> Self {
        Self { as_if_large: true, ..self }
    }

    /// The same with each module of a script loaded from an artifact.
    pub const fn with_artifacts(self) -> Self {
        Self { artifacts: true, ..self }
    }

    /// The same without speculation guards.
    pub const fn with_guards_off(self) -> Self {
        Self { guards_off: true, ..self }
    }

    /// Two that differ in every option, for functions compiled as large ones are.
    pub const LARGE: [Self; 2] = [
        Self::plain(Policy::ZeroCount).with_hardware_traps().with_large(),
        Self::plain(Policy::CloneOnRead).with_zeal().with_large(),
    ];

    /// Every combination of how code runs.
    pub const ALL: [Self; 8] = {
        let counted = Self::plain(Policy::ZeroCount);
        let cloned = Self::plain(Policy::CloneOnRead);
        [
            counted,
            counted.with_zeal(),
            cloned,
            cloned.with_zeal(),
            counted.with_hardware_traps(),
            counted.with_zeal().with_hardware_traps(),
            cloned.with_hardware_traps(),
            cloned.with_zeal().with_hardware_traps(),
        ]
    };

    /// The setup as a kernel's arguments.
    pub fn arguments(self) -> Vec<String> {
        let mut arguments = vec![format!("policy={}", self.policy.name())];
        arguments.extend(self.zeal.then(|| "zeal=1".to_string()));
        arguments.extend(self.hardware_traps.then(|| "hardware-traps=1".to_string()));
        arguments.extend(self.as_if_large.then(|| "as-if-large=1".to_string()));
        arguments.extend(self.artifacts.then(|| "artifacts=1".to_string()));
        arguments.extend(self.guards_off.then(|| "guards-off=1".to_string()));
        arguments
    }
}

impl fmt::Display for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.policy.name())?;
        f.write_str(if self.zeal { ", zeal" } else { "" })?;
        f.write_str(if self.hardware_traps { ", hardware traps" } else { "" })?;
        f.write_str(if self.as_if_large { ", as if large" } else { "" })?;
        f.write_str(if self.artifacts { ", through artifacts" } else { "" })?;
        f.write_str(if self.guards_off { ", guards off" } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use super::{Policy, Setup};

    #[test]
    fn all_are_different() {
        for (at, setup) in Setup::ALL.iter().enumerate() {
            assert!(!Setup::ALL[..at].contains(setup));
        }
    }

    #[test]
    fn a_kernel_is_told_everything() {
        let setup = Setup::plain(Policy::CloneOnRead).with_zeal().with_hardware_traps();
        let setup = setup.with_large().with_artifacts().with_guards_off();
        let arguments = setup.arguments();
        assert_eq!(arguments[..3], ["policy=clone-on-read", "zeal=1", "hardware-traps=1"]);
        assert_eq!(arguments[3..], ["as-if-large=1", "artifacts=1", "guards-off=1"]);
        let shown =
            "clone-on-read, zeal, hardware traps, as if large, through artifacts, guards off";
        assert_eq!(setup.to_string(), shown);
    }
}
