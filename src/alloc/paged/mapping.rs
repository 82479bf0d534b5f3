//! [`MappingTables`]: [`PageTables`] over the crate `aarch64-paging`: its `Mapping`, and
//! the kernel's frames.
//!
//! That crate makes all processors forget what it changes, before it returns, and takes
//! it that there is a frame for each table.
//!
//! Tables of pages go with their last page. Those of the levels above stay, one for each
//! GiB of addresses that was ever in use.
//!
//! Invariants: tables are made only while there are frames for all that a change may need,
//! under the kernel's lock. The lock is held for at most [`BATCH`] pages at a time.

use super::frames::Frames;
use super::tables::{PAGE_BYTES, PageTables};
use crate::error::{Error, Result};
use aarch64_paging::Mapping;
use aarch64_paging::descriptor::{El1Attributes as Attributes, PhysicalAddress};
use aarch64_paging::paging::{Constraints, MemoryRegion, Translation, TranslationRegime};
use core::ops::Range;

/// Pages that are changed while the lock is held: an eighth of what a table has, so that
/// no batch needs more tables than [`TABLES`].
const BATCH: usize = 64;
/// What a table of pages covers.
const TABLE_BYTES: usize = 2 << 20;
/// Tables that a batch can need: one at each level below the root.
const TABLES: usize = 3;

/// Lends a kernel's page tables and frames, behind whatever lock it has for them.
///
/// # Safety
/// The mapping is the one in use on every processor that runs guests, and knows that it is
/// (`Mapping::activate` or `Mapping::mark_active`).
pub unsafe trait WithMapping: Send + Sync {
    /// Where tables come from.
    type Translation: Translation<Attributes>;
    /// Usually `El1And0`.
    type Regime: TranslationRegime<Attributes = Attributes>;
    /// Frames for pages.
    type Frames: Frames;

    /// Calls `work` with both. Does not come from handlers of interrupts. A `Mapping` that
    /// is in use panics when it is dropped: it should live in something that is not.
    fn with<R>(
        &self,
        work: impl FnOnce(&mut Mapping<Self::Translation, Self::Regime>, &mut Self::Frames) -> R,
    ) -> R;

    /// Normal memory: its index in MAIR, and shareability. For instance
    /// `ATTRIBUTE_INDEX_1 | INNER_SHAREABLE`.
    fn normal_memory(&self) -> Attributes;

    /// Attributes of executable pages beside these: `GP` if code has landing
    /// instructions ([`crate::Config::use_bti`]). None by default.
    fn executable_pages(&self) -> Attributes {
        Attributes::empty()
    }

    /// If all RAM is mapped a second time: what is added to a frame's address to get to
    /// it. Frames of code are then read-only there as well while they are executable.
    /// That takes a mapping of pages of 4 KiB; if it has blocks, code is refused.
    ///
    /// `None` leaves such mappings as they are: code can then be written through them.
    fn direct_map(&self) -> Option<usize> {
        None
    }
}

/// A kernel's page tables for [`super::PagedMemory`].
#[derive(Debug)]
pub struct MappingTables<K>(K);

impl<K: WithMapping> MappingTables<K> {
    /// Over what `kernel` lends.
    pub const fn new(kernel: K) -> Self {
        Self(kernel)
    }

    /// What lends them.
    pub const fn kernel(&self) -> &K {
        &self.0
    }

    fn writable(&self) -> Attributes {
        Attributes::VALID
            | Attributes::ACCESSED
            | Attributes::UXN
            | Attributes::PXN
            | self.0.normal_memory()
    }

    fn executable(&self) -> Attributes {
        Attributes::VALID
            | Attributes::ACCESSED
            | Attributes::UXN
            | Attributes::READ_ONLY
            | self.0.normal_memory()
            | self.0.executable_pages()
    }
}

type MappingOf<K> = Mapping<<K as WithMapping>::Translation, <K as WithMapping>::Regime>;

fn region(range: &Range<usize>) -> MemoryRegion {
    MemoryRegion::new(range.start, range.end)
}

fn batches(pages: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let mut from = pages.start;
    core::iter::from_fn(move || {
        let to = (from / (BATCH * PAGE_BYTES) + 1) * (BATCH * PAGE_BYTES);
        let batch = from..to.min(pages.end);
        from = batch.end;
        (!batch.is_empty()).then_some(batch)
    })
}

/// The frames behind a batch's pages, `None` for those that are not mapped.
fn frames_of<K: WithMapping>(
    mapping: &MappingOf<K>,
    batch: &Range<usize>,
) -> [Option<PhysicalAddress>; BATCH] {
    let mut found = [None; BATCH];
    let walked = mapping.walk_range(&region(batch), &mut |part, descriptor, level| {
        if level == 3 && descriptor.is_valid() {
            let at = (part.start().0 - batch.start) / PAGE_BYTES;
            if let Some(found) = found.get_mut(at) {
                *found = Some(descriptor.output_address());
            }
        }
        Ok(())
    });
    if walked.is_ok() { found } else { [None; BATCH] }
}

/// Changes the attributes of one page. Where there is no page but a block, nothing
/// changes.
fn set_page<K: WithMapping>(
    mapping: &mut MappingOf<K>,
    address: usize,
    set: Attributes,
    clear: Attributes,
) -> bool {
    let page = region(&(address..address + PAGE_BYTES));
    let mut is_page = false;
    let walked = mapping.walk_range(&page, &mut |_, descriptor, level| {
        is_page = level == 3 && descriptor.is_valid();
        Ok(())
    });
    walked.is_ok()
        && is_page
        && mapping.modify_range(&page, &|_, entry| entry.modify_flags(set, clear)).is_ok()
}

// SAFETY: pages are backed with frames that the kernel gives to nobody else, zeroed when
// they are mapped; each frame goes back after all processors have forgotten it, which is
// when the mapping has been changed.
unsafe impl<K: WithMapping> PageTables for MappingTables<K> {
    fn map(&self, pages: Range<usize>) -> Result<()> {
        let attributes = self.writable();
        for batch in batches(pages.clone()) {
            let mapped = self.0.with(|mapping, frames| {
                if frames.available() < batch.len() / PAGE_BYTES + TABLES {
                    return false;
                }
                batch.clone().step_by(PAGE_BYTES).all(|at| {
                    let Some(frame) = frames.allocate() else { return false };
                    let page = region(&(at..at + PAGE_BYTES));
                    let constraints = Constraints::empty();
                    if mapping.map_range(&page, frame, attributes, constraints).is_err() {
                        // SAFETY: just allocated, and mapped nowhere.
                        unsafe { frames.release(frame) };
                        return false;
                    }
                    // SAFETY: mapped just now, for Kernref alone.
                    unsafe {
                        core::ptr::with_exposed_provenance_mut::<u8>(at).write_bytes(0, PAGE_BYTES);
                    }
                    true
                })
            });
            if !mapped {
                // SAFETY: nobody has seen these pages.
                unsafe { self.unmap(pages.start..batch.end) };
                return Err(Error::OutOfMemory { bytes: pages.len() });
            }
        }
        Ok(())
    }

    unsafe fn make_executable(&self, pages: Range<usize>) -> Result<()> {
        let attributes = self.executable();
        // A live entry may not become a guarded one: it is taken away first.
        let takes_away = attributes.contains(Attributes::GP);
        for batch in batches(pages) {
            let done = self.0.with(|mapping, _| {
                let frames = frames_of::<K>(mapping, &batch);
                batch.clone().step_by(PAGE_BYTES).zip(frames).all(|(at, frame)| {
                    let Some(frame) = frame else { return false };
                    let sealed = self.0.direct_map().is_none_or(|offset| {
                        let read_only = Attributes::READ_ONLY;
                        set_page::<K>(mapping, frame.0 + offset, read_only, Attributes::empty())
                    });
                    let (page, none) = (region(&(at..at + PAGE_BYTES)), Attributes::empty());
                    let mut change = |attributes| {
                        mapping.map_range(&page, frame, attributes, Constraints::empty()).is_ok()
                    };
                    sealed && (!takes_away || change(none)) && change(attributes)
                })
            });
            if !done {
                return Err(Error::CodeMemory(
                    "a page of it, or of the direct map, is not a mapped page of 4 KiB",
                ));
            }
        }
        Ok(())
    }

    unsafe fn unmap(&self, pages: Range<usize>) {
        for batch in batches(pages) {
            self.0.with(|mapping, frames| {
                let found = frames_of::<K>(mapping, &batch);
                // Where nothing is mapped, this would make tables.
                for (at, frame) in batch.clone().step_by(PAGE_BYTES).zip(found) {
                    let Some(frame) = frame else { continue };
                    let page = region(&(at..at + PAGE_BYTES));
                    let (none, constraints) = (Attributes::empty(), Constraints::empty());
                    if mapping.map_range(&page, frame, none, constraints).is_err() {
                        continue;
                    }
                    if let Some(offset) = self.0.direct_map() {
                        let read_only = Attributes::READ_ONLY;
                        set_page::<K>(mapping, frame.0 + offset, Attributes::empty(), read_only);
                    }
                    // SAFETY: mapped here alone, and here no more.
                    unsafe { frames.release(frame) };
                }
                let start = batch.start / TABLE_BYTES * TABLE_BYTES;
                let table = region(&(start..start + TABLE_BYTES));
                if has_empty_table::<K>(mapping, &table) {
                    let (none, constraints) = (Attributes::empty(), Constraints::empty());
                    let nowhere = PhysicalAddress(0);
                    // Takes the table away; if it fails, it stays and can be used again.
                    let _ = mapping.map_range(&table, nowhere, none, constraints);
                }
            });
        }
    }
}

/// Whether there is a table for this range, and nothing in it.
fn has_empty_table<K: WithMapping>(mapping: &MappingOf<K>, table: &MemoryRegion) -> bool {
    let mut found = false;
    let walked = mapping.walk_range(table, &mut |_, descriptor, level| {
        found = level == 3;
        if descriptor.is_valid() { Err(()) } else { Ok(()) }
    });
    walked.is_ok() && found
}
