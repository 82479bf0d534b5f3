//! [`CodeMap`]: finds the module, stack map and function for a code address
//! among the modules of a store.
//!
//! Invariant: every module in the map is kept alive by it, so an address that
//! it resolves is published code for as long as the map lives, or until it is
//! emptied.

use crate::abi::StackMapLookup;
use crate::alloc;
use crate::engine::Module;
use crate::error::Result;
use core::sync::atomic::{AtomicUsize, Ordering};
use std_alloc::vec::Vec;

#[derive(Default)]
pub(crate) struct CodeMap {
    /// Modules with code, sorted by address; ranges do not overlap.
    entries: Vec<Entry>,
    /// Modules without code, only kept alive.
    codeless: Vec<Module>,
    /// Entry of the last hit. Atomic because lookups share the map; order
    /// does not matter, any value is a valid guess.
    last: AtomicUsize,
}

struct Entry {
    start: usize,
    end: usize,
    module: Module,
}

impl CodeMap {
    /// Adds a module. Returns whether it is new.
    pub(crate) fn insert(&mut self, module: &Module) -> Result<bool> {
        let range = module.code_range();
        if range.is_empty() {
            let known = self.codeless.iter().any(|known| known.same(module));
            if !known {
                alloc::try_push(&mut self.codeless, module.clone())?;
            }
            return Ok(!known);
        }
        let at = self.entries.partition_point(|entry| entry.start < range.start);
        if self.entries.get(at).is_some_and(|entry| entry.start == range.start) {
            return Ok(false);
        }
        let entry = Entry { start: range.start, end: range.end, module: module.clone() };
        alloc::try_push(&mut self.entries, entry)?;
        self.entries[at..].rotate_right(1);
        Ok(true)
    }

    /// Lets go of a module. Returns whether there was one.
    pub(crate) fn pop(&mut self) -> bool {
        self.entries.pop().is_some() || self.codeless.pop().is_some()
    }

    /// The module whose code contains `address`, and the offset into it. The
    /// end of the code counts as inside: it may be a return address.
    pub(crate) fn lookup(&self, address: usize) -> Option<(&Module, u32)> {
        let hit = |entry: &Entry| entry.start < address && address <= entry.end;
        let last = self.last.load(Ordering::Relaxed);
        let entry = match self.entries.get(last) {
            Some(entry) if hit(entry) => entry,
            _ => {
                let at = self.entries.partition_point(|entry| entry.end < address);
                let entry = self.entries.get(at).filter(|entry| hit(entry))?;
                self.last.store(at, Ordering::Relaxed);
                entry
            }
        };
        Some((&entry.module, (address - entry.start) as u32))
    }
}

// SAFETY: the maps are those the compiler emitted for the module whose
// published code contains the address, looked up by exact return offset.
unsafe impl StackMapLookup for CodeMap {
    #[inline]
    fn stack_map(&self, return_address: usize) -> Option<(u32, &[u32])> {
        let (module, offset) = self.lookup(return_address)?;
        module.stack_maps().lookup(offset)
    }
}
