//! When a store collects, and when it runs the destructors of what was
//! released: the policy of draining.
//!
//! Invariant: no destructor runs inside a barrier, nor while anything else of
//! the store is in use.

use super::store::StoreOpaque;
use crate::abi::VmStoreContext;
use crate::error::Result;

impl StoreOpaque {
    /// What every host call begins with. Returns `vm`, so that the caller need not
    /// keep it meanwhile: that would cost each call a saved register.
    #[inline]
    pub(crate) fn host_called(&mut self, vm: *mut VmStoreContext) -> *mut VmStoreContext {
        self.trap_passes = false;
        match self.heap.has_released() {
            true => self.drain_before_call(vm),
            false => vm,
        }
    }

    #[cold]
    #[inline(never)]
    fn drain_before_call(&mut self, vm: *mut VmStoreContext) -> *mut VmStoreContext {
        self.drain_what_is_due();
        vm
    }

    /// Runs the destructors of what was released, if the store does so by
    /// itself.
    #[inline]
    pub(crate) fn drain_if_due(&mut self) {
        if self.heap.has_released() {
            self.drain_what_is_due();
        }
    }

    /// Out of line, so that calls save no register for it.
    #[cold]
    #[inline(never)]
    fn drain_what_is_due(&mut self) {
        if self.auto_drain {
            self.heap.drain(usize::MAX);
        }
    }

    /// After a call from the host: if it was the outermost, no frame holds
    /// references any more, so what was only borrowed is released.
    #[inline]
    pub(crate) fn call_returned(&mut self) {
        if self.is_idle() {
            self.heap.outermost_returned();
            self.drain_if_due();
        }
    }

    /// Makes room for `additional` references, before any of them is interned
    /// (see `docs/gc.md`). Collects and runs destructors if necessary.
    #[inline]
    pub(crate) fn reserve_references(&mut self, additional: u32) -> Result<()> {
        self.heap.reserve(additional, &self.code)
    }

    /// Collects now: what neither frames nor counted places hold is released.
    pub(crate) fn collect(&mut self) -> Result<()> {
        self.collect_undrained()?;
        self.drain_if_due();
        Ok(())
    }

    /// The same inside a barrier, where no destructor may run.
    pub(crate) fn collect_undrained(&mut self) -> Result<()> {
        if !self.heap.counts_are_exact() {
            self.finish_recount();
        }
        self.heap.collect(&self.code)?;
        #[cfg(not(kernref_panic_check))]
        if self.heap.is_zealous() {
            self.roots.verify(&mut self.heap);
        }
        Ok(())
    }
}
