//! Stack maps of a module: which cells of a frame hold live externrefs at each
//! call. Written by [`StackMapBuilder`], read in place by [`StackMaps`].
//!
//! ```text
//! return_offsets: [u32]  sorted, strictly increasing; one per call in the code
//! map_starts:     [u32]  same length; index into `words`
//! words:          [u32]  per map: frame bytes below FP | n | n distances below FP
//! ```
//! Equal maps are stored once; map 0 is `[0, 0]`-shaped only if such a frame
//! exists. Distances are multiples of 4, at least 4, at most the frame bytes,
//! and strictly increasing.

use super::lasting::Lasting;
use crate::error::Result;
use crate::fallible::try_vec_with_capacity;
#[cfg(any(feature = "compile", test))]
use hashbrown::HashMap;
use std_alloc::vec::Vec;

/// The stack maps of a module.
#[derive(Debug, Default)]
pub struct StackMaps {
    pub(super) return_offsets: Lasting<u32>,
    pub(super) map_starts: Lasting<u32>,
    pub(super) words: Lasting<u32>,
}

impl StackMaps {
    /// A copy.
    #[cfg(feature = "compile")]
    pub(super) fn try_clone(&self) -> Result<Self> {
        Ok(Self {
            return_offsets: self.return_offsets.try_clone()?,
            map_starts: self.map_starts.try_clone()?,
            words: self.words.try_clone()?,
        })
    }

    /// The map of the call that returns to `return_offset` (bytes from the
    /// start of the code): frame bytes below the frame pointer, and the
    /// distances below it. `None` unless a call returns exactly there.
    pub fn lookup(&self, return_offset: u32) -> Option<(u32, &[u32])> {
        let at = self.return_offsets.binary_search(&return_offset).ok()?;
        let start = *self.map_starts.get(at)? as usize;
        let frame_bytes = *self.words.get(start)?;
        let len = *self.words.get(start + 1)? as usize;
        let distances = self.words.get(start + 2..start.checked_add(2)?.checked_add(len)?)?;
        Some((frame_bytes, distances))
    }

    /// The maps of all calls, as [`Self::lookup`] gives them, with the offset to which
    /// each returns.
    pub fn iter(&self) -> impl Iterator<Item = (u32, u32, &[u32])> {
        self.return_offsets.iter().filter_map(|offset| {
            let (frame_bytes, distances) = self.lookup(*offset)?;
            Some((*offset, frame_bytes, distances))
        })
    }

    /// Number of calls that have a map.
    pub fn len(&self) -> usize {
        self.return_offsets.len()
    }

    /// Whether the code makes no calls.
    pub fn is_empty(&self) -> bool {
        self.return_offsets.is_empty()
    }

    /// Size of the tables in bytes.
    pub fn size_bytes(&self) -> usize {
        (self.return_offsets.len() + self.map_starts.len() + self.words.len()) * 4
    }

    /// Checks the invariants at the head of this file, in linear time.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`].
    pub fn is_well_formed(&self, code_len: u32) -> Result<bool> {
        if self.return_offsets.len() != self.map_starts.len()
            || !self.return_offsets.is_sorted_by(|a, b| a < b)
            || self.return_offsets.last().is_some_and(|last| *last > code_len)
        {
            return Ok(false);
        }
        let Some(starts) = self.starts_of_maps()? else { return Ok(false) };
        let is_start = |start: &u32| {
            let word = starts.get(*start as usize / 64).copied().unwrap_or(0);
            word >> (start % 64) & 1 == 1
        };
        Ok(self.map_starts.iter().all(is_start))
    }

    /// Where maps begin in `words`, a bit for each word; `None` if these do not
    /// consist of maps.
    fn starts_of_maps(&self) -> Result<Option<Vec<u64>>> {
        let mut starts = try_vec_with_capacity(self.words.len().div_ceil(64))?;
        starts.resize(self.words.len().div_ceil(64), 0_u64);
        let (mut rest, mut at) = (&*self.words, 0);
        while let [frame_bytes, count, behind @ ..] = rest {
            let Some((distances, next)) = behind.split_at_checked(*count as usize) else {
                return Ok(None);
            };
            if !distances.is_sorted_by(|a, b| a < b)
                || !distances.iter().all(|d| d % 4 == 0 && *d >= 4 && d <= frame_bytes)
            {
                return Ok(None);
            }
            starts[at / 64] |= 1 << (at % 64);
            at += 2 + distances.len();
            rest = next;
        }
        Ok(rest.is_empty().then_some(starts))
    }
}

/// Collects stack maps in order of their return addresses.
#[cfg(any(feature = "compile", test))]
#[derive(Debug, Default)]
pub struct StackMapBuilder {
    return_offsets: Vec<u32>,
    map_starts: Vec<u32>,
    words: Vec<u32>,
    known: HashMap<Vec<u32>, u32>,
    scratch: Vec<u32>,
}

#[cfg(any(feature = "compile", test))]
impl StackMapBuilder {
    /// Adds the map of one call. Return offsets must be strictly increasing;
    /// distances are sorted here. Returns false, and adds nothing, if the
    /// order is broken or a distance lies outside the frame.
    #[must_use]
    pub fn push(
        &mut self,
        return_offset: u32,
        frame_bytes: u32,
        distances: impl Iterator<Item = u32>,
    ) -> bool {
        if self.return_offsets.last().is_some_and(|last| *last >= return_offset) {
            return false;
        }
        self.scratch.clear();
        self.scratch.extend([frame_bytes, 0]);
        self.scratch.extend(distances);
        let len = self.scratch.len() - 2;
        self.scratch[1] = len as u32;
        self.scratch[2..].sort_unstable();
        let distances = &self.scratch[2..];
        if !distances.is_sorted_by(|a, b| a < b)
            || distances.iter().any(|d| d % 4 != 0 || *d < 4 || *d > frame_bytes)
        {
            return false;
        }
        let start = match self.known.get(&self.scratch) {
            Some(start) => *start,
            None => {
                let start = self.words.len() as u32;
                self.words.extend_from_slice(&self.scratch);
                self.known.insert(self.scratch.clone(), start);
                start
            }
        };
        self.return_offsets.push(return_offset);
        self.map_starts.push(start);
        true
    }

    /// The finished maps.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`].
    pub fn finish(self) -> Result<StackMaps> {
        Ok(StackMaps {
            return_offsets: Lasting::owned(self.return_offsets)?,
            map_starts: Lasting::owned(self.map_starts)?,
            words: Lasting::owned(self.words)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_exact_return_addresses_only() {
        let mut builder = StackMapBuilder::default();
        assert!(builder.push(10, 32, [16, 8].into_iter()));
        assert!(builder.push(20, 32, [8, 16].into_iter()));
        assert!(builder.push(30, 16, [].into_iter()));
        let maps = builder.finish().unwrap();
        assert_eq!(maps.lookup(10), Some((32, &[8, 16][..])));
        assert_eq!(maps.lookup(20), maps.lookup(10));
        assert_eq!(maps.lookup(30), Some((16, &[][..])));
        assert_eq!(maps.lookup(11), None);
        assert_eq!(maps.words.len(), 6, "equal maps are stored once");
        assert!(maps.is_well_formed(30).unwrap());
        assert!(!maps.is_well_formed(29).unwrap());
    }

    #[test]
    fn refuses_disorder_and_cells_outside_the_frame() {
        let mut builder = StackMapBuilder::default();
        assert!(builder.push(10, 32, [].into_iter()));
        assert!(!builder.push(10, 32, [].into_iter()));
        assert!(!builder.push(12, 32, [36].into_iter()));
        assert!(!builder.push(12, 32, [0].into_iter()));
        assert!(!builder.push(12, 32, [8, 8].into_iter()));
    }

    #[test]
    fn a_truncated_map_is_no_map() {
        let mut builder = StackMapBuilder::default();
        assert!(builder.push(10, 32, [8, 16].into_iter()));
        let mut maps = builder.finish().unwrap();
        for len in (0..maps.words.len()).rev() {
            maps.words = Lasting::owned(maps.words[..len].to_vec()).unwrap();
            assert_eq!(maps.lookup(10), None);
            assert!(!maps.is_well_formed(30).unwrap());
        }
    }
}
