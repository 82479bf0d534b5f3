//! Where a function assigns its locals and where its loops are, found by
//! reading the body once before it is translated.
//!
//! This tells a local's value without asking the SSA builder, which must assume
//! in an open loop that every local changes: it would give the same pointer a
//! new name in each loop, and checks made under the old name would be lost.

use super::settings::CompileSettings;
use crate::artifact::ModuleInfo;
use crate::artifact::limits::LOCALS;
use std_alloc::vec::Vec;
use wasmparser::{FunctionBody, Operator};

/// Assignments and loops of one body, by the offset of their operators, and how
/// much of what matters there is.
#[derive(Default)]
pub(super) struct Assignments {
    /// Sorted pairs of a local and where it is assigned.
    places: Vec<(u32, u64)>,
    /// Beginning and end of each loop, in order of beginning.
    loops: Vec<(u64, u64)>,
    /// How often each local is mentioned. Those after the last one are not.
    mentions: Vec<u32>,
    /// Jumps and blocks that the translation will make, at most.
    edges: u64,
}

/// The most entries of a branch table that leads to its targets directly.
pub(super) const LARGE_TABLE: u32 = 64;

/// Blocks and jumps that an operator with a path of its own makes: a counting
/// barrier, say, or a check at a loop's head.
const EDGES_OF_A_DETOUR: u64 = 6;

impl Assignments {
    /// Reads a body, up to what does not parse: the validator will report that.
    pub(super) fn of(
        body: &FunctionBody<'_>,
        info: &ModuleInfo,
        settings: &CompileSettings,
    ) -> Self {
        let mut found = Self::default();
        let checks = u64::from(settings.epoch_interruption) + u64::from(settings.consume_fuel);
        let checks = EDGES_OF_A_DETOUR * checks;
        let Ok(mut operators) = body.get_operators_reader() else { return found };
        let mut open: Vec<Option<usize>> = Vec::new();
        while let Ok((operator, offset)) = operators.read_with_offset() {
            match operator {
                Operator::LocalGet { local_index } => found.mention(local_index),
                Operator::LocalSet { local_index } | Operator::LocalTee { local_index } => {
                    found.mention(local_index);
                    found.places.push((local_index, offset));
                }
                Operator::Loop { .. } => {
                    found.edges += 3 + checks;
                    open.push(Some(found.loops.len()));
                    found.loops.push((offset, u64::MAX));
                }
                Operator::Block { .. } => {
                    found.edges += 2;
                    open.push(None);
                }
                Operator::If { .. } => {
                    found.edges += 5;
                    open.push(None);
                }
                Operator::Br { .. } | Operator::Return => found.edges += 1,
                Operator::BrIf { .. } => found.edges += 2,
                Operator::BrTable { targets } => {
                    let entries = u64::from(targets.len()) + 1;
                    found.edges += match targets.len() > LARGE_TABLE {
                        true => 2 * entries.min(open.len() as u64 + 1),
                        false => entries,
                    };
                }
                Operator::GlobalGet { global_index } | Operator::GlobalSet { global_index } => {
                    let global = info.globals.get(global_index as usize);
                    if global.is_some_and(|global| global.ty.content.is_counted()) {
                        found.edges += EDGES_OF_A_DETOUR;
                    }
                }
                Operator::TableGet { .. } | Operator::TableSet { .. } => {
                    found.edges += EDGES_OF_A_DETOUR;
                }
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

    fn mention(&mut self, local: u32) {
        let index = local as usize;
        if index >= self.mentions.len() && u64::from(local) < LOCALS.most {
            self.mentions.resize(index + 1, 0);
        }
        if let Some(count) = self.mentions.get_mut(index) {
            *count += 1;
        }
    }

    /// How often each local is mentioned, up to the last that is.
    pub(super) fn mentions(&self) -> &[u32] {
        &self.mentions
    }

    /// How often the locals are mentioned that are.
    pub(super) fn mentioned(&self) -> impl Iterator<Item = u32> {
        self.mentions.iter().copied().filter(|count| *count > 0)
    }

    /// Jumps and blocks that the translation will make, at most.
    pub(super) fn edges(&self) -> u64 {
        self.edges
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
