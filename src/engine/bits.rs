//! [`Bits`]: a small set of numbers.

use crate::alloc;
use crate::error::Result;
use std_alloc::{boxed::Box, vec::Vec};

/// A small set of numbers.
pub(crate) enum Bits {
    Inline(u64),
    Heap(Box<[u64]>),
}

impl Bits {
    /// Room for numbers below `count`.
    pub(crate) fn new(count: usize) -> Result<Self> {
        if count <= 64 {
            return Ok(Bits::Inline(0));
        }
        let words = count.div_ceil(64);
        let mut bits: Vec<u64> = alloc::try_vec_with_capacity(words)?;
        bits.resize(words, 0);
        Ok(Bits::Heap(alloc::try_boxed_slice(bits)?))
    }

    /// How much memory [`Self::new`] takes beside itself.
    pub(crate) fn bytes_for(count: usize) -> usize {
        if count <= 64 { 0 } else { count.div_ceil(64) * size_of::<u64>() }
    }

    fn word(&self, number: usize) -> Option<u64> {
        match self {
            Bits::Inline(word) => (number < 64).then_some(*word),
            Bits::Heap(words) => words.get(number / 64).copied(),
        }
    }

    pub(crate) fn contains(&self, number: usize) -> bool {
        self.word(number).is_some_and(|word| word >> (number % 64) & 1 == 1)
    }

    pub(crate) fn insert(&mut self, number: usize) {
        let bit = 1 << (number % 64);
        match self {
            Bits::Inline(word) if number < 64 => *word |= bit,
            Bits::Inline(_) => {}
            Bits::Heap(words) => {
                if let Some(word) = words.get_mut(number / 64) {
                    *word |= bit;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_inline_and_on_the_heap() {
        for count in [1, 64, 65, 200] {
            let mut bits = Bits::new(count).unwrap();
            bits.insert(count - 1);
            assert!(bits.contains(count - 1));
            assert!(!bits.contains(0) || count == 1);
            assert!(!bits.contains(1000));
            bits.insert(1000);
        }
    }
}
