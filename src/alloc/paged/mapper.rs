//! [`MapperTables`]: [`PageTables`] over the crate `x86_64`: its `Mapper` and its
//! allocator of frames.
//!
//! Invariants: a frame, of a page or of a table, is given back after
//! [`WithMapper::flush`] has returned. The kernel's lock is held for at most
//! [`BATCH`] pages at a time.

use super::tables::{PAGE_BYTES, PageTables};
use crate::error::{Error, Result};
use ::x86_64::VirtAddr;
use ::x86_64::structures::paging::mapper::{CleanUp, MappedFrame, TranslateResult};
use ::x86_64::structures::paging::{
    FrameAllocator, FrameDeallocator, Mapper, Page, PageTableFlags as Flags, PhysFrame, Size4KiB,
    Translate,
};
use core::ops::Range;

/// Pages that are changed while the lock is held.
const BATCH: usize = 64;
/// Tables that lose their last entry with a batch: one or two at each of three levels.
const TABLES: usize = 6;

/// Lends a kernel's page tables and frames, behind whatever lock it has for them.
///
/// # Safety
/// The mapper changes the tables that are in use on every processor that runs guests, and
/// EFER.NXE is set. Frames that are allocated are used for nothing else until they are given
/// back; tables in the range that Kernref was given are in no other tables.
pub unsafe trait WithMapper: Send + Sync {
    /// The page tables: for instance an `OffsetPageTable`.
    type Mapper: Mapper<Size4KiB> + Translate + CleanUp;
    /// Frames for pages and tables.
    type Frames: FrameAllocator<Size4KiB> + FrameDeallocator<Size4KiB>;

    /// Calls `work` with both. Does not come from handlers of interrupts.
    fn with<R>(&self, work: impl FnOnce(&mut Self::Mapper, &mut Self::Frames) -> R) -> R;

    /// Makes every processor forget what it knows of these pages: `invlpg` for each on
    /// this one (`x86_64::instructions::tlb::flush`), and an interrupt that has
    /// the others do the same. Returns when all have.
    fn flush(&self, pages: Range<usize>);

    /// If all RAM is mapped a second time: what is added to a frame's address to get to
    /// it. Frames of code are then read-only there as well while they are executable.
    /// That takes a mapping of pages of 4 KiB; if it has larger ones, code is refused.
    ///
    /// `None` leaves such mappings as they are: code can then be written through them.
    fn direct_map(&self) -> Option<u64> {
        None
    }
}

/// A kernel's page tables for [`super::PagedMemory`].
#[derive(Debug)]
pub struct MapperTables<K>(K);

impl<K: WithMapper> MapperTables<K> {
    /// Over what `kernel` lends.
    pub const fn new(kernel: K) -> Self {
        Self(kernel)
    }

    /// What lends them.
    pub const fn kernel(&self) -> &K {
        &self.0
    }
}

fn page(address: usize) -> Page<Size4KiB> {
    Page::containing_address(VirtAddr::new_truncate(address as u64))
}

fn batches(pages: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let end = pages.end;
    pages.step_by(BATCH * PAGE_BYTES).map(move |at| at..end.min(at + BATCH * PAGE_BYTES))
}

fn each(batch: &Range<usize>) -> impl Iterator<Item = usize> + use<> {
    batch.clone().step_by(PAGE_BYTES)
}

/// Tables that nothing points to any more.
struct Emptied {
    tables: [Option<PhysFrame>; TABLES],
    count: usize,
}

impl FrameDeallocator<Size4KiB> for Emptied {
    unsafe fn deallocate_frame(&mut self, frame: PhysFrame) {
        // One that does not fit is lost, which cannot be.
        if let Some(place) = self.tables.get_mut(self.count) {
            *place = Some(frame);
            self.count += 1;
        }
    }
}

/// Changes whether a page of 4 KiB can be written, and leaves the rest as it is.
fn set_writable(
    mapper: &mut (impl Mapper<Size4KiB> + Translate),
    address: u64,
    writable: bool,
) -> bool {
    let address = VirtAddr::new_truncate(address);
    let TranslateResult::Mapped { frame: MappedFrame::Size4KiB(_), mut flags, .. } =
        mapper.translate(address)
    else {
        return false;
    };
    flags.set(Flags::WRITABLE, writable);
    // SAFETY: only takes away, or gives back, that the frame can be written there.
    match unsafe { mapper.update_flags(Page::<Size4KiB>::containing_address(address), flags) } {
        Ok(flush) => {
            flush.ignore();
            true
        }
        Err(_) => false,
    }
}

// SAFETY: pages are backed with frames that the allocator gives to nobody else, zeroed
// when they are mapped; each frame goes back after all processors have forgotten it.
unsafe impl<K: WithMapper> PageTables for MapperTables<K> {
    fn map(&self, pages: Range<usize>) -> Result<()> {
        let flags = Flags::PRESENT | Flags::WRITABLE | Flags::NO_EXECUTE;
        for batch in batches(pages.clone()) {
            let mapped = self.0.with(|mapper, frames| {
                each(&batch).all(|at| {
                    let Some(frame) = frames.allocate_frame() else { return false };
                    // SAFETY: a fresh frame, in a range that is Kernref's.
                    match unsafe { mapper.map_to(page(at), frame, flags, frames) } {
                        // Processors do not keep entries that are not present.
                        Ok(flush) => flush.ignore(),
                        Err(_) => {
                            // SAFETY: just allocated, and mapped nowhere.
                            unsafe { frames.deallocate_frame(frame) };
                            return false;
                        }
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
        let direct_map = self.0.direct_map();
        for batch in batches(pages) {
            let mut frames = [None; BATCH];
            let done = self.0.with(|mapper, _| {
                each(&batch).zip(&mut frames).all(|(at, place)| {
                    let Ok(frame) = mapper.translate_page(page(at)) else { return false };
                    *place = Some(frame);
                    let start = frame.start_address().as_u64();
                    let sealed =
                        direct_map.is_none_or(|offset| set_writable(mapper, start + offset, false));
                    // SAFETY: the page is Kernref's, and nobody writes to it.
                    let changed = unsafe { mapper.update_flags(page(at), Flags::PRESENT) };
                    sealed && changed.map(|flush| flush.ignore()).is_ok()
                })
            });
            self.forget(batch, &frames, direct_map);
            if !done {
                return Err(Error::CodeMemory(
                    "a page of it, or of the direct map, is not a mapped page of 4 KiB",
                ));
            }
        }
        Ok(())
    }

    unsafe fn unmap(&self, pages: Range<usize>) {
        let direct_map = self.0.direct_map();
        for batch in batches(pages) {
            let mut removed = [None; BATCH];
            let mut emptied = Emptied { tables: [None; TABLES], count: 0 };
            self.0.with(|mapper, _| {
                for (at, removed) in each(&batch).zip(&mut removed) {
                    let Ok((frame, flush)) = mapper.unmap(page(at)) else { continue };
                    flush.ignore();
                    *removed = Some(frame);
                    if let Some(offset) = direct_map {
                        set_writable(mapper, frame.start_address().as_u64() + offset, true);
                    }
                }
                let tables = Page::range_inclusive(page(batch.start), page(batch.end - 1));
                // SAFETY: tables of this range are in no other tables (`WithMapper`).
                unsafe { mapper.clean_up_addr_range(tables, &mut emptied) };
            });
            let found = removed.iter().chain(&emptied.tables).flatten();
            if found.clone().next().is_none() {
                continue;
            }
            // What processors know of tables goes with any page's (Intel SDM volume
            // 3, 4.10.4.1).
            self.forget(batch, &removed, direct_map);
            self.0.with(|_, frames| {
                for frame in found {
                    // SAFETY: nothing points to it, and no processor remembers it.
                    unsafe { frames.deallocate_frame(*frame) };
                }
            });
        }
    }
}

impl<K: WithMapper> MapperTables<K> {
    /// Has all processors forget these pages, and where their frames are mapped again.
    fn forget(&self, batch: Range<usize>, frames: &[Option<PhysFrame>], direct_map: Option<u64>) {
        self.0.flush(batch);
        let Some(offset) = direct_map else { return };
        let address = |frame: &PhysFrame| (frame.start_address().as_u64() + offset) as usize;
        let mut run = 0..0;
        for start in frames.iter().flatten().map(address) {
            // Frames that lie side by side are one request.
            if start != run.end {
                if !run.is_empty() {
                    self.0.flush(run);
                }
                run = start..start;
            }
            run.end = start + PAGE_BYTES;
        }
        if !run.is_empty() {
            self.0.flush(run);
        }
    }
}
