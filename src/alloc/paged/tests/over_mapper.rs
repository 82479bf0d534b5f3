//! Over the crate `x86_64`.

use super::super::mapper::{MapperTables, WithMapper};
use super::*;
use ::x86_64::structures::paging::mapper::TranslateResult;
use ::x86_64::structures::paging::{
    FrameAllocator, FrameDeallocator, Mapper, OffsetPageTable, Page, PageTable, PageTableFlags,
    PhysFrame, Size4KiB, Translate,
};
use ::x86_64::{PhysAddr, VirtAddr};

struct Frames(Shared);

// SAFETY: frames are fresh blocks.
unsafe impl FrameAllocator<Size4KiB> for Frames {
    fn allocate_frame(&mut self) -> Option<PhysFrame> {
        let address = self.0.lock().unwrap().allocate()?;
        Some(PhysFrame::containing_address(PhysAddr::new(address as u64)))
    }
}

impl FrameDeallocator<Size4KiB> for Frames {
    unsafe fn deallocate_frame(&mut self, frame: PhysFrame) {
        self.0.lock().unwrap().release(frame.start_address().as_u64() as usize);
    }
}

struct Kernel {
    root: usize,
    stock: Shared,
    /// Pages that were forgotten.
    flushed: Mutex<Vec<Range<usize>>>,
    /// Where frames are mapped again.
    direct_map: Option<u64>,
    turn: Mutex<()>,
}

impl Kernel {
    fn new(direct_map: Option<u64>) -> Self {
        let stock = Shared::default();
        let root = stock.lock().unwrap().allocate().unwrap();
        let (flushed, turn) = (Mutex::default(), Mutex::default());
        Self { root, stock, flushed, direct_map, turn }
    }

    fn flags(&self, address: usize) -> Option<PageTableFlags> {
        self.with(|mapper, _| match mapper.translate(VirtAddr::new(address as u64)) {
            TranslateResult::Mapped { flags, .. } => Some(flags),
            _ => None,
        })
    }
}

// SAFETY: no processor uses these tables.
unsafe impl WithMapper for Kernel {
    type Mapper = OffsetPageTable<'static>;
    type Frames = Frames;

    fn with<R>(&self, work: impl FnOnce(&mut Self::Mapper, &mut Frames) -> R) -> R {
        let _turn = self.turn.lock().unwrap();
        // SAFETY: the root is a table; frames are mapped where they are.
        let mut mapper = unsafe {
            let root: *mut PageTable = core::ptr::with_exposed_provenance_mut(self.root);
            OffsetPageTable::new(&mut *root, VirtAddr::zero())
        };
        work(&mut mapper, &mut Frames(self.stock.clone()))
    }

    fn flush(&self, pages: Range<usize>) {
        self.flushed.lock().unwrap().push(pages);
    }

    fn direct_map(&self) -> Option<u64> {
        self.direct_map
    }
}

impl Look for MapperTables<Kernel> {
    fn executable(&self, address: usize) -> Option<bool> {
        let flags = self.kernel().flags(address)?;
        let executable = !flags.contains(PageTableFlags::NO_EXECUTE);
        assert_ne!(executable, flags.contains(PageTableFlags::WRITABLE));
        Some(executable)
    }

    fn frames(&self) -> usize {
        self.kernel().stock.lock().unwrap().blocks.len()
    }

    fn limit(&self, frames: usize) {
        self.kernel().stock.lock().unwrap().limit = Some(frames);
    }
}

#[test]
fn over_its_mapper() {
    check(|| MapperTables::new(Kernel::new(None)));
}

#[test]
fn frames_of_code_are_sealed_where_all_ram_is_mapped() {
    const DIRECT: u64 = 0xffff_8000_0000_0000;
    let block = Block::new(TABLE_BYTES, TABLE_BYTES);
    let tables = MapperTables::new(Kernel::new(Some(DIRECT)));
    // SAFETY: the addresses are the block's.
    let memory = unsafe { PagedMemory::new(tables, block.addresses()) }.unwrap();
    let region = memory.allocate(70 * PAGE_BYTES).unwrap();
    let start = region.write.addr().get();
    let kernel = memory.tables().kernel();
    // SAFETY: the region is of this memory, and published and released by the rules.
    unsafe {
        assert!(matches!(memory.publish(&region), Err(Error::CodeMemory(_))), "no direct map");
        CodeMemory::release(&memory, region);
        let region = memory.allocate(70 * PAGE_BYTES).unwrap();
        let frames = kernel.with(|mapper, frames| {
            (start..start + region.len_bytes)
                .step_by(PAGE_BYTES)
                .map(|at| {
                    let page = Page::containing_address(VirtAddr::new(at as u64));
                    let frame: PhysFrame = mapper.translate_page(page).unwrap();
                    let flags = PageTableFlags::PRESENT | PageTableFlags::WRITABLE;
                    let direct = VirtAddr::new(frame.start_address().as_u64() + DIRECT);
                    let page = Page::containing_address(direct);
                    mapper.map_to(page, frame, flags, frames).unwrap().ignore();
                    direct.as_u64() as usize
                })
                .collect::<Vec<_>>()
        });
        let writable = |at: &usize| kernel.flags(*at).unwrap().contains(PageTableFlags::WRITABLE);
        assert!(frames.iter().all(writable));
        kernel.flushed.lock().unwrap().clear();
        memory.publish(&region).unwrap();
        assert!(!frames.iter().any(writable));
        let flushed =
            |at: &usize| kernel.flushed.lock().unwrap().iter().any(|range| range.contains(at));
        let pages = (start..start + region.len_bytes).step_by(PAGE_BYTES);
        assert!(frames.iter().all(flushed) && pages.clone().all(|at| flushed(&at)));
        kernel.flushed.lock().unwrap().clear();
        CodeMemory::release(&memory, region);
        assert!(frames.iter().all(writable));
        assert!(frames.iter().all(flushed) && pages.clone().all(|at| flushed(&at)));
    }
}
