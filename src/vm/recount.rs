//! Makes the counts of a store exact again, after a compiled barrier was cut
//! (`gc/recount.rs`), in steps whose work is bounded.
//!
//! Invariant: the counted places of a store are the elements of its tables of
//! counted types, the globals of counted types that its instances define and the
//! host has made, and its roots. (Segments are expressions over immutable globals.)
//! They are gone through in this order, between two passes over the slots. That a
//! count has changed since the first pass began makes all of it begin anew. A store
//! is not entered in between: entering it ends the recount first.

use super::instance::InstanceData;
use super::store::StoreOpaque;
use super::way_in::WayIn;
use crate::gc::RefHeap;

/// Where a recount stands.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Recount {
    pass: Pass,
    /// Slot, table, instance, cell or root.
    at: usize,
    /// Element or global of that.
    inner: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Pass {
    #[default]
    Forget,
    Tables,
    Instances,
    Cells,
    Roots,
    Apply,
}

impl StoreOpaque {
    /// Generated code was ended between two instructions.
    pub(crate) fn cut_short(&mut self) {
        // Roots are not counted by generated code.
        let may_count = self.counted_places > self.roots.capacity();
        self.heap.cut_short(may_count);
        let is_exact = self.heap.counts_are_exact();
        self.way_in.set(WayIn::COUNTS_ARE_BOUNDS, !is_exact);
    }

    /// Makes counts exact.
    #[cold]
    #[inline(never)]
    pub(crate) fn finish_recount(&mut self) {
        while self.recount_step(u64::MAX).is_none() {}
    }

    /// Does up to `budget` units of a recount: slots and places looked at. Returns what
    /// is left of the budget once counts are exact. While anything runs in the
    /// store, which may change counts between two steps, all of it is done at once.
    pub(crate) fn recount_step(&mut self, budget: u64) -> Option<u64> {
        if self.heap.counts_are_exact() {
            return Some(budget);
        }
        let mut left = if self.is_idle() { budget } else { u64::MAX };
        if !self.heap.is_recounting() || !self.is_idle() {
            self.heap.begin_recount();
            self.recount = Recount::default();
        }
        while left > 0 {
            left -= 1;
            if self.recount_one() {
                self.heap.end_recount();
                self.way_in.remove(WayIn::COUNTS_ARE_BOUNDS);
                return Some(left.min(budget));
            }
        }
        None
    }

    /// Does one unit. Returns whether that was the last.
    fn recount_one(&mut self) -> bool {
        let Self { recount, heap, tables, instances, global_cells, roots, .. } = self;
        let Recount { pass, at, inner } = *recount;
        let next_pass = match pass {
            Pass::Forget => {
                heap.forget_found(at as u32);
                (at >= heap.slots_to_recount() as usize).then_some(Pass::Tables)
            }
            Pass::Tables => match tables.get(at) {
                Some(table) => {
                    let is_counted = table.ty().element.is_counted();
                    match table.get(inner).filter(|_| is_counted) {
                        Some(element) => {
                            heap.found(element as u32);
                            recount.inner += 1;
                            return false;
                        }
                        None => None,
                    }
                }
                None => Some(Pass::Instances),
            },
            Pass::Instances => match instances.get(at) {
                Some(instance) => {
                    if find_global(heap, instance, inner as usize) {
                        recount.inner += 1;
                        return false;
                    }
                    None
                }
                None => Some(Pass::Cells),
            },
            Pass::Cells => match global_cells.get(at) {
                Some(cell) => {
                    if cell.is_counted {
                        // SAFETY: the store's own, and generated code does not run (V4).
                        heap.found(unsafe { cell.cell.as_non_null().read() }.0.u32());
                    }
                    None
                }
                None => Some(Pass::Roots),
            },
            Pass::Roots => {
                if let Some(slot) = roots.slot_at(at) {
                    heap.found(slot);
                }
                (at as u64 >= roots.capacity()).then_some(Pass::Apply)
            }
            Pass::Apply => {
                heap.apply_found(at as u32);
                if at >= heap.slots_to_recount() as usize {
                    return true;
                }
                None
            }
        };
        *recount = match next_pass {
            Some(pass) => Recount { pass, at: 0, inner: 0 },
            None => Recount { pass, at: at + 1, inner: 0 },
        };
        false
    }
}

/// Notes what the `defined`-th global that an instance defines holds. Returns whether
/// there is such a global.
fn find_global(heap: &mut RefHeap, instance: &InstanceData, defined: usize) -> bool {
    let info = instance.module.info();
    let imported = info.counts.imported_globals as usize;
    let Some(global) = info.globals.get(imported + defined) else { return false };
    if global.ty.content.is_counted()
        && let Ok(place) = instance.view().defined_global(defined as u32)
    {
        // SAFETY: in the context of an instance of the store (V6); generated code
        // does not run (V4).
        heap.found(unsafe { place.read() }.0.u32());
    }
    true
}
