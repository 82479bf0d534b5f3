//! Dropping a store in steps whose work is bounded.
//!
//! Invariant: what is given back is of no use to anyone: no code of the store runs
//! any more, and nobody else has the store. Dropping it does the rest.

use super::store::StoreOpaque;

impl StoreOpaque {
    /// Gives back up to `budget` things that the store owns: slots first, then
    /// memories, instances, tables, globals, host functions and modules, one by
    /// one. Returns what is left of the budget: if something is, nothing else is.
    pub(crate) fn drop_step(&mut self, budget: usize) -> usize {
        let mut left = budget - self.heap.release_all(budget);
        while left > 0 && self.drop_one() {
            left -= 1;
        }
        left
    }

    fn drop_one(&mut self) -> bool {
        self.memories.pop().is_some()
            || self.host_funcs.pop().is_some()
            || self.instances.pop().is_some()
            || self.tables.pop().is_some()
            || self.global_cells.pop().is_some()
            || self.code.pop()
    }
}
