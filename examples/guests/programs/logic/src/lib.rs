//! What the program guests compute. The same code runs natively, so that a host
//! knows what a guest must return: nothing here may depend on pointer size,
//! hash order, or the machine.

#[cfg(feature = "compress")]
pub mod compress;
pub mod generate;
#[cfg(feature = "json")]
pub mod json;
#[cfg(feature = "regex")]
pub mod regex;
#[cfg(feature = "sha256")]
pub mod sha256;

/// A program: computes a checksum from a seed.
pub type Program = fn(i32) -> i64;

/// All programs of this build, by name.
pub const PROGRAMS: &[(&str, Program)] = &[
    #[cfg(feature = "compress")]
    ("compress", compress::run),
    #[cfg(feature = "json")]
    ("json", json::run),
    #[cfg(feature = "regex")]
    ("regex", regex::run),
    #[cfg(feature = "sha256")]
    ("sha256", sha256::run),
];

/// FNV-1a, 64 bits: the checksum that all programs return.
#[derive(Clone, Copy)]
pub struct Checksum(u64);

impl Default for Checksum {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Checksum {
    /// Adds bytes.
    pub fn bytes(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
        }
    }

    /// Adds a number: never a `usize`, whose size differs.
    pub fn number(&mut self, number: u64) {
        self.bytes(&number.to_le_bytes());
    }

    /// The checksum of everything added.
    pub fn finish(self) -> i64 {
        self.0 as i64
    }
}
