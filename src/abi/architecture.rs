//! [`Architecture`]: the processors that Kernref compiles for.

/// A processor architecture, by its number in ELF files (`e_machine`; ELF
/// specification, "ELF Header").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u16)]
#[non_exhaustive]
pub enum Architecture {
    /// AMD64 and Intel 64.
    X86_64 = 62,
    /// Arm, A64 instructions.
    Aarch64 = 183,
}

impl Architecture {
    /// Every architecture.
    pub const ALL: &'static [Self] = &[Self::X86_64, Self::Aarch64];

    /// As Rust's targets name it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Aarch64 => "aarch64",
        }
    }

    /// The number in ELF files.
    pub const fn number(self) -> u16 {
        self as u16
    }

    /// The architecture with this number, if Kernref knows it.
    pub fn from_number(number: u16) -> Option<Self> {
        Self::ALL.iter().copied().find(|known| known.number() == number)
    }
}

impl core::fmt::Display for Architecture {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.name())
    }
}
