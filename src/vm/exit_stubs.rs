//! [`ExitStubs`]: the code through which host functions of each type are
//! called.
//!
//! Invariant: the stubs belong to modules that the store keeps.

use super::code_map::CodeMap;
use super::host_def::StoreHostFunc;
use super::raw_box::OwnedBox;
use crate::abi::VmFuncRef;
use crate::engine::Module;
use crate::engine::index_table::IndexTable;
use crate::error::{Error, Result};
use std_alloc::vec::Vec;

/// One stub per type, the first that was found.
#[derive(Default)]
pub(crate) struct ExitStubs {
    list: Vec<(u32, *const u8)>,
    by_type: IndexTable,
}

/// Type numbers are given out in order, and not chosen by guests.
fn hash(type_id: u32) -> u64 {
    // Fibonacci hashing: the table looks at the upper bits, too.
    u64::from(type_id).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

impl ExitStubs {
    /// The stub for functions of the type with this number.
    pub(crate) fn get(&self, type_id: u32) -> Option<*const u8> {
        let same = |at: u32| self.list.get(at as usize).is_some_and(|(id, _)| *id == type_id);
        let at = self.by_type.find(hash(type_id), &same)?;
        self.list.get(at as usize).map(|(_, stub)| *stub)
    }

    /// Makes a module's code and its stubs known. Host functions that were made
    /// before there was an exit stub for their type get it now.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]; neither is known then.
    pub(crate) fn register(
        &mut self,
        module: &Module,
        code: &mut CodeMap,
        host_funcs: &[OwnedBox<StoreHostFunc>],
    ) -> Result<()> {
        let stubs = module.exit_stubs();
        self.try_reserve(stubs.len())?;
        if !code.insert(module)? {
            return Ok(());
        }
        for (type_id, stub) in stubs {
            self.insert(type_id, stub);
        }
        for func in host_funcs {
            let func_ref: *mut VmFuncRef = func.as_non_null().cast().as_ptr();
            // SAFETY: a host function starts with its func ref and is alive
            // (V6); generated code that could read it does not run (V4).
            unsafe {
                if (*func_ref).code.is_null()
                    && let Some(stub) = self.get((*func_ref).type_id)
                {
                    (*func_ref).code = stub;
                }
            }
        }
        Ok(())
    }

    /// Makes room for `more` further insertions.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    fn try_reserve(&mut self, more: usize) -> Result<()> {
        let bytes = more.saturating_mul(size_of::<(u32, *const u8)>());
        self.list.try_reserve(more).map_err(|_| Error::OutOfMemory { bytes })?;
        self.by_type.try_reserve(more)
    }

    /// Adds a stub, unless there is one for its type. Room has been made.
    fn insert(&mut self, type_id: u32, stub: *const u8) {
        if self.get(type_id).is_none() {
            self.by_type.insert(hash(type_id), self.list.len() as u32);
            self.list.push((type_id, stub));
        }
    }
}
