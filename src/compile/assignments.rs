//! Where a function assigns its locals and where its loops are, found by
//! reading the body once before it is translated.
//!
//! This tells a local's value without asking the SSA builder, which must assume
//! in an open loop that every local changes: it would give the same pointer a
//! new name in each loop, and checks made under the old name would be lost.

use std_alloc::vec::Vec;
use wasmparser::{FunctionBody, Operator};

/// Assignments and loops of one body, by the offset of their operators.
#[derive(Default)]
pub(super) struct Assignments {
    /// Sorted pairs of a local and where it is assigned.
    places: Vec<(u32, u64)>,
    /// Beginning and end of each loop, in order of beginning.
    loops: Vec<(u64, u64)>,
}

impl Assignments {
    /// Reads a body, up to what does not parse: the validator will report that.
    pub(super) fn of(body: &FunctionBody<'_>) -> Self {
        let mut found = Self::default();
        let Ok(mut operators) = body.get_operators_reader() else { return found };
        let mut open: Vec<Option<usize>> = Vec::new();
        while let Ok((operator, offset)) = operators.read_with_offset() {
            match operator {
                Operator::LocalSet { local_index } | Operator::LocalTee { local_index } => {
                    found.places.push((local_index, offset));
                }
                Operator::Loop { .. } => {
                    open.push(Some(found.loops.len()));
                    found.loops.push((offset, u64::MAX));
                }
                Operator::Block { .. } | Operator::If { .. } => open.push(None),
                Operator::End => match open.pop() {
                    Some(Some(index)) => found.loops[index].1 = offset,
                    Some(None) => {}
                    None => break,
                },
                _ => {}
            }
        }
        found.places.sort_unstable();
        found
    }

    /// Whether `local` is assigned after `from` and before `to`.
    pub(super) fn any_between(&self, local: u32, from: u64, to: u64) -> bool {
        let next = self.places.partition_point(|place| *place <= (local, from));
        self.places.get(next).is_some_and(|(found, at)| *found == local && *at < to)
    }

    /// The end of the loop that begins at `start`.
    pub(super) fn loop_end(&self, start: u64) -> u64 {
        let found = self.loops.binary_search_by_key(&start, |(start, _)| *start);
        found.map_or(u64::MAX, |index| self.loops[index].1)
    }
}
