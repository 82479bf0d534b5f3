//! Over the crate `aarch64-paging`.

use super::super::frames::Frames;
use super::super::mapping::{MappingTables, WithMapping};
use super::*;
use aarch64_paging::Mapping;
use aarch64_paging::descriptor::{El1Attributes as Attributes, PhysicalAddress};
use aarch64_paging::paging::{Constraints, El1And0, MemoryRegion, PageTable, Translation, VaRange};
use core::ptr::NonNull;

struct Tables(Shared);

impl Translation<Attributes> for Tables {
    fn allocate_table(&mut self) -> (NonNull<PageTable<Attributes>>, PhysicalAddress) {
        let address = self.0.lock().unwrap().allocate().expect("a frame for a table");
        (self.physical_to_virtual(PhysicalAddress(address)), PhysicalAddress(address))
    }

    unsafe fn deallocate_table(&mut self, table: NonNull<PageTable<Attributes>>) {
        self.0.lock().unwrap().release(table.addr().get());
    }

    fn physical_to_virtual(&self, pa: PhysicalAddress) -> NonNull<PageTable<Attributes>> {
        NonNull::new(core::ptr::with_exposed_provenance_mut(pa.0)).unwrap()
    }
}

struct Pages(Shared);

// SAFETY: frames are fresh blocks.
unsafe impl Frames for Pages {
    fn allocate(&mut self) -> Option<PhysicalAddress> {
        self.0.lock().unwrap().allocate().map(PhysicalAddress)
    }

    unsafe fn release(&mut self, frame: PhysicalAddress) {
        self.0.lock().unwrap().release(frame.0);
    }

    fn available(&self) -> usize {
        let stock = self.0.lock().unwrap();
        stock.limit.map_or(usize::MAX, |limit| limit - stock.blocks.len().min(limit))
    }
}

struct Kernel {
    mapping: Mutex<Mapping<Tables, El1And0>>,
    stock: Shared,
    guarded: bool,
    direct_map: Option<usize>,
}

impl Kernel {
    fn new(guarded: bool, direct_map: Option<usize>) -> Self {
        let stock = Shared::default();
        let tables = Tables(stock.clone());
        let mapping = Mapping::with_asid_and_va_range(tables, 0, 0, El1And0, VaRange::Lower);
        // As a kernel has it, so that changes are held to what may change while in use.
        mapping.mark_active();
        Self { mapping: Mutex::new(mapping), stock, guarded, direct_map }
    }

    fn attributes(&self, address: usize) -> Option<Attributes> {
        let mut found = None;
        let page = MemoryRegion::new(address, address + PAGE_BYTES);
        let mapping = self.mapping.lock().unwrap();
        mapping
            .walk_range(&page, &mut |_, descriptor, _| {
                found = descriptor.is_valid().then(|| descriptor.flags());
                Ok(())
            })
            .unwrap();
        found
    }
}

impl Drop for Kernel {
    fn drop(&mut self) {
        self.mapping.lock().unwrap().mark_inactive();
    }
}

// SAFETY: no processor uses these tables.
unsafe impl WithMapping for Kernel {
    type Translation = Tables;
    type Regime = El1And0;
    type Frames = Pages;

    fn with<R>(&self, work: impl FnOnce(&mut Mapping<Tables, El1And0>, &mut Pages) -> R) -> R {
        work(&mut self.mapping.lock().unwrap(), &mut Pages(self.stock.clone()))
    }

    fn normal_memory(&self) -> Attributes {
        Attributes::ATTRIBUTE_INDEX_1 | Attributes::INNER_SHAREABLE
    }

    fn executable_pages(&self) -> Attributes {
        if self.guarded { Attributes::GP } else { Attributes::empty() }
    }

    fn direct_map(&self) -> Option<usize> {
        self.direct_map
    }
}

impl Look for MappingTables<Kernel> {
    fn executable(&self, address: usize) -> Option<bool> {
        let attributes = self.kernel().attributes(address)?;
        assert!(attributes.contains(
            Attributes::ACCESSED
                | Attributes::UXN
                | Attributes::ATTRIBUTE_INDEX_1
                | Attributes::INNER_SHAREABLE
        ));
        let executable = !attributes.contains(Attributes::PXN);
        assert_eq!(executable, attributes.contains(Attributes::READ_ONLY));
        let guarded = executable && self.kernel().guarded;
        assert_eq!(guarded, attributes.contains(Attributes::GP));
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
fn over_its_mapping() {
    for guarded in [false, true] {
        check(|| {
            let kernel = Kernel::new(guarded, None);
            MappingTables::new(kernel)
        });
    }
}

#[test]
fn frames_of_code_are_sealed_where_all_ram_is_mapped() {
    const DIRECT: usize = 0x6000_0000_0000;
    let block = Block::new(TABLE_BYTES, TABLE_BYTES);
    let tables = MappingTables::new(Kernel::new(false, Some(DIRECT)));
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
        let mut frames = Vec::new();
        kernel.with(|mapping, _| {
            let code = MemoryRegion::new(start, start + region.len_bytes);
            mapping
                .walk_range(&code, &mut |_, descriptor, _| {
                    frames.push(descriptor.output_address());
                    Ok(())
                })
                .unwrap();
            for frame in &frames {
                let direct = frame.0 + DIRECT;
                let page = MemoryRegion::new(direct, direct + PAGE_BYTES);
                let attributes = Attributes::VALID | Attributes::UXN | Attributes::PXN;
                mapping.map_range(&page, *frame, attributes, Constraints::empty()).unwrap();
            }
        });
        let writable = |frame: &PhysicalAddress| {
            let attributes = kernel.attributes(frame.0 + DIRECT).unwrap();
            !attributes.contains(Attributes::READ_ONLY)
        };
        assert!(frames.len() == 70 && frames.iter().all(writable));
        memory.publish(&region).unwrap();
        assert!(!frames.iter().any(writable));
        CodeMemory::release(&memory, region);
        assert!(frames.iter().all(writable));
    }
}
