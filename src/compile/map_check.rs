//! Checks the compact stack maps against what the code generator said about
//! each call: in debug builds, and wherever Cranelift's verifier is on. It
//! keeps the plain form beside the compact one, and reads the compact one as
//! the walker does, by exact return offset.

use crate::artifact::StackMaps;
use crate::error::{Error, Result};
use std_alloc::vec::Vec;

/// A call as the code generator described it.
struct Call {
    return_offset: u32,
    frame_bytes: u32,
    distances: Vec<u32>,
}

/// The calls of a module.
#[derive(Default)]
pub(super) struct MapCheck {
    calls: Vec<Call>,
}

impl MapCheck {
    /// Notes a call. Distances may come in any order.
    pub(super) fn note(
        &mut self,
        return_offset: u32,
        frame_bytes: u32,
        distances: impl Iterator<Item = u32>,
    ) {
        let distances = distances.collect();
        self.calls.push(Call { return_offset, frame_bytes, distances });
    }

    /// Checks that the maps say this about every call, and nothing about any
    /// other place.
    pub(super) fn finish(self, maps: &StackMaps, code_len: u32) -> Result<()> {
        if maps.len() != self.calls.len() || !maps.is_well_formed(code_len)? {
            return Err(Error::Bug("stack maps: not one per call"));
        }
        let is_call =
            |offset| self.calls.binary_search_by_key(&offset, |c| c.return_offset).is_ok();
        for call in &self.calls {
            let offset = call.return_offset;
            let (frame_bytes, distances) =
                maps.lookup(offset).ok_or(Error::Bug("stack maps: a call has none"))?;
            let named = |distance: &u32| distances.contains(distance);
            if frame_bytes != call.frame_bytes
                || distances.len() != call.distances.len()
                || !call.distances.iter().all(named)
            {
                return Err(Error::Bug("stack maps: a call has another's"));
            }
            let beside = [offset.wrapping_sub(1), offset + 1];
            if beside.into_iter().any(|beside| maps.lookup(beside).is_some() && !is_call(beside)) {
                return Err(Error::Bug("stack maps: one where no call returns"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifact::StackMapBuilder;

    type Calls = &'static [(u32, u32, &'static [u32])];

    fn check(noted: Calls, stored: Calls) -> Result<()> {
        let (mut check, mut builder) = (MapCheck::default(), StackMapBuilder::default());
        for (offset, frame_bytes, distances) in noted {
            check.note(*offset, *frame_bytes, distances.iter().copied());
        }
        for (offset, frame_bytes, distances) in stored {
            assert!(builder.push(*offset, *frame_bytes, distances.iter().copied()));
        }
        check.finish(&builder.finish()?, 100)
    }

    #[test]
    fn tells_maps_that_differ() {
        const CALLS: Calls = &[(10, 32, &[16, 8]), (20, 32, &[8, 16]), (21, 32, &[])];
        assert!(check(CALLS, CALLS).is_ok());
        let others: [Calls; 6] = [
            &[(10, 32, &[16, 8]), (20, 32, &[8, 16])],
            &[(10, 32, &[16, 8]), (20, 32, &[8, 16]), (21, 32, &[]), (30, 32, &[])],
            &[(10, 32, &[16, 8]), (19, 32, &[8, 16]), (21, 32, &[])],
            &[(10, 32, &[16, 8]), (20, 32, &[8]), (21, 32, &[])],
            &[(10, 32, &[16, 8]), (20, 32, &[8, 12]), (21, 32, &[])],
            &[(10, 32, &[16, 8]), (20, 48, &[8, 16]), (21, 32, &[])],
        ];
        for other in others {
            assert!(check(CALLS, other).is_err(), "{other:?}");
        }
    }
}
