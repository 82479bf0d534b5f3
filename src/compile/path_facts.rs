//! What is known on every path to here: values of locals, and checks made.
//!
//! Invariant: an entry was made in code that dominates the current point. Code
//! after a construct is dominated by what precedes the construct, and by its
//! inside only if the construct is a loop, which is left only at its end. So
//! closing a scope discards what was learnt in it.

use super::assignments::Assignments;
use cranelift_codegen::ir::{Inst, Value};
use hashbrown::HashMap;
use std_alloc::vec::Vec;

/// A check of accesses to a memory at an index.
#[derive(Clone, Copy)]
pub(super) struct Check {
    /// The end, relative to the index, up to which accesses are in bounds.
    pub(super) reach: u64,
    /// The index, extended to 64 bits.
    pub(super) index: Value,
    /// The memory's base plus the index, which is guarded if speculation is.
    pub(super) address: Value,
    /// The comparison that decides.
    pub(super) comparison: Comparison,
    /// [`PathFacts::effects`] when it was made.
    pub(super) effects: u32,
}

/// How a check compares, and where, if that may be changed.
#[derive(Clone, Copy)]
pub(super) enum Comparison {
    /// It must stay as it is.
    Fixed,
    /// The index with the length, since the reach is 1: this comparison.
    Index(Inst),
    /// The index plus the reach, which is this addition, with the length.
    End(Inst),
    /// The index with the length less the reach, which is an addition: this
    /// comparison.
    Limit(Inst),
}

/// By memory and index.
type CheckKey = (u32, Value);

enum Undo {
    Local(u32, Option<(Value, u64)>),
    Check(CheckKey, Option<Check>),
}

/// Facts about the current point of a function.
#[derive(Default)]
pub(super) struct PathFacts {
    assignments: Assignments,
    /// Where the operator being translated lies.
    pub(super) position: u64,
    /// Counts the operators that can be noticed. While it is unchanged, an
    /// earlier check may be made stricter on behalf of a later access: nothing
    /// happened between the two that an earlier trap would skip. The beginning
    /// and end of a construct count too, so a check is widened only in its own
    /// scope.
    pub(super) effects: u32,
    /// The value of each local, and the position since which it has held.
    locals: Vec<Option<(Value, u64)>>,
    checks: HashMap<CheckKey, Check>,
    undo: Vec<Undo>,
    /// For each open construct but loops: the length of `undo` when it was
    /// opened.
    scopes: Vec<usize>,
    /// Beginning and end of each open loop.
    loops: Vec<(u64, u64)>,
}

impl PathFacts {
    pub(super) fn new(assignments: Assignments) -> Self {
        Self { assignments, ..Self::default() }
    }

    /// Where locals are assigned.
    pub(super) fn assignments(&self) -> &Assignments {
        &self.assignments
    }

    /// Adds a local.
    pub(super) fn declare_local(&mut self, value: Value) {
        self.locals.push(Some((value, 0)));
    }

    /// The value of a local, if it is known.
    pub(super) fn local(&self, local: u32) -> Option<Value> {
        let (value, since) = self.locals[local as usize]?;
        // In a loop, what comes later may have happened already.
        let entered = self.loops.partition_point(|(start, _)| *start <= since);
        let until = self.loops.get(entered).map_or(self.position, |(_, end)| *end);
        (!self.assignments.any_between(local, since, until)).then_some(value)
    }

    /// Notes the value that a local has now.
    pub(super) fn set_local(&mut self, local: u32, value: Value) {
        let old = self.locals[local as usize].replace((value, self.position));
        self.undo.push(Undo::Local(local, old));
    }

    /// The check that reaches furthest.
    pub(super) fn check(&self, key: CheckKey) -> Option<Check> {
        self.checks.get(&key).copied()
    }

    /// Notes a check, or that one has become stricter.
    pub(super) fn set_check(&mut self, key: CheckKey, check: Check) {
        let old = self.checks.insert(key, check);
        self.undo.push(Undo::Check(key, old));
    }

    /// Enters a block, an `if` or the function.
    pub(super) fn open_scope(&mut self) {
        self.scopes.push(self.undo.len());
    }

    /// Leaves it, for what follows it or for its other half.
    pub(super) fn close_scope(&mut self) {
        let height = self.scopes.pop().unwrap_or(0);
        for undo in self.undo.drain(height..).rev() {
            match undo {
                Undo::Local(local, old) => self.locals[local as usize] = old,
                Undo::Check(key, Some(old)) => drop(self.checks.insert(key, old)),
                Undo::Check(key, None) => drop(self.checks.remove(&key)),
            }
        }
    }

    /// Enters the loop whose operator is being translated.
    pub(super) fn open_loop(&mut self) {
        self.loops.push((self.position, self.assignments.loop_end(self.position)));
    }

    /// Leaves the innermost loop.
    pub(super) fn close_loop(&mut self) {
        self.loops.pop();
    }
}
