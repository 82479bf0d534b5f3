//! Random-looking numbers and text, determined by a seed.

/// A splitmix64 generator.
pub struct Generator(u64);

impl Generator {
    /// Any seed is valid.
    pub fn new(seed: i32) -> Self {
        Self(u64::from(seed as u32).wrapping_mul(0x2545_f491_4f6c_dd1d) ^ 0x6b65_726e_7265_6621)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let x = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    /// A number below `bound`, which must not be 0.
    pub fn below(&mut self, bound: u32) -> u32 {
        ((u64::from(self.number() as u32) * u64::from(bound)) >> 32) as u32
    }

    /// One of `choices`, which must not be empty.
    pub fn pick<'c>(&mut self, choices: &[&'c str]) -> &'c str {
        choices[self.below(choices.len() as u32) as usize]
    }

    /// A word; some words are not ASCII.
    pub fn word(&mut self) -> &'static str {
        self.pick(WORDS)
    }
}

const WORDS: &[&str] = &[
    "kernel",
    "handle",
    "frame",
    "page",
    "thread",
    "module",
    "table",
    "slot",
    "barrier",
    "sweep",
    "activation",
    "reference",
    "Größe",
    "façade",
    "naïve",
    "été",
    "λόγος",
    "ядро",
    "deferred",
    "count",
    "release",
    "queue",
    "stack",
    "walk",
    "export",
    "import",
    "memory",
    "global",
    "trap",
    "epoch",
    "fuel",
    "shim",
    "entry",
    "exit",
    "return",
    "call",
    "block",
    "loop",
    "branch",
    "if",
];
