//! [`PagedMemory`] over page tables that no processor uses: a model of them, and those of
//! the two crates. The addresses are those of a block of real memory, so that what the
//! tables would map can be read and written.

use super::super::embedder::{CodeMemory, LinearMemory, MemorySource};
use super::super::stack_source::StackSource;
use super::memory::PagedMemory;
use super::tables::{PAGE_BYTES, PageTables};
use crate::error::{Error, Result};
use core::ops::Range;
use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::vec::Vec;

mod over_mapper;
mod over_mapping;

const TABLE_BYTES: usize = 2 << 20;
const WASM_PAGE: usize = 64 << 10;
const SPACE_BYTES: usize = 6 * TABLE_BYTES;

/// A block of memory; what is in it before it is mapped is not zero.
struct Block {
    start: usize,
    layout: Layout,
}

impl Block {
    fn new(bytes: usize, align: usize) -> Self {
        let layout = Layout::from_size_align(bytes, align).unwrap();
        // SAFETY: the layout has a size.
        let base = unsafe { alloc_zeroed(layout) };
        assert!(!base.is_null());
        Self { start: base.expose_provenance(), layout }
    }

    fn addresses(&self) -> Range<usize> {
        self.start..self.start + self.layout.size()
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: allocated in `new`.
        unsafe { dealloc(core::ptr::with_exposed_provenance_mut(self.start), self.layout) };
    }
}

fn bytes(address: usize, len_bytes: usize) -> &'static mut [u8] {
    // SAFETY: part of a block that its test keeps, and used by nobody else.
    unsafe {
        core::slice::from_raw_parts_mut(core::ptr::with_exposed_provenance_mut(address), len_bytes)
    }
}

/// What page tables say of pages: whether each that is mapped is executable.
trait Look {
    fn executable(&self, address: usize) -> Option<bool>;
    /// Frames in use, of pages and tables.
    fn frames(&self) -> usize;
    /// From now on there are no more than so many.
    fn limit(&self, frames: usize);
}

/// What holds over any page tables.
fn check<P: PageTables + Look>(make: impl FnOnce() -> P) {
    let block = Block::new(SPACE_BYTES, TABLE_BYTES);
    bytes(block.addresses().start, SPACE_BYTES).fill(0xaa);
    // SAFETY: the addresses are the block's.
    let memory = unsafe { PagedMemory::new(make(), block.addresses()) }.unwrap();
    let memory = memory.largest_memory(TABLE_BYTES);
    // Tables of the upper levels may stay.
    let first = MemorySource::reserve(&memory, WASM_PAGE, WASM_PAGE).unwrap();
    // SAFETY: it is of this source, and not in use.
    unsafe { MemorySource::release(&memory, first) };
    let before = memory.tables().frames();
    memories_are_mapped_as_far_as_they_are_committed(&memory, block.addresses());
    assert_eq!(memory.tables().frames(), before, "tables go with their pages");
    code_is_writable_and_then_executable(&memory);
    stacks_have_a_page_below(&memory, block.addresses());
    refused_pages_leave_nothing(&memory, block.addresses());
    assert!(memory.ranges.lock().is_unused());
}

fn is_mapped(tables: &impl Look, pages: Range<usize>) -> bool {
    pages.step_by(PAGE_BYTES).all(|at| tables.executable(at) == Some(false))
}

fn is_unmapped(tables: &impl Look, pages: Range<usize>) -> bool {
    pages.step_by(PAGE_BYTES).all(|at| tables.executable(at).is_none())
}

fn memories_are_mapped_as_far_as_they_are_committed<P: PageTables + Look>(
    memory: &PagedMemory<P>,
    space: Range<usize>,
) {
    let mut first = memory.reserve_guarded(WASM_PAGE, 1 << 40, TABLE_BYTES).unwrap();
    let start = first.base.addr().get();
    assert!(start > space.start && start.is_multiple_of(PAGE_BYTES));
    assert_eq!((first.capacity_bytes, first.guarded_bytes), (TABLE_BYTES, TABLE_BYTES));
    let tables = memory.tables();
    let extent = |memory: &LinearMemory| {
        let end = start + memory.committed_bytes;
        is_mapped(tables, start..end) && is_unmapped(tables, end..start + TABLE_BYTES + PAGE_BYTES)
    };
    assert!(extent(&first) && bytes(start, WASM_PAGE).iter().all(|byte| *byte == 0));
    // SAFETY: the memory is of this source and released once.
    unsafe {
        memory.commit(&mut first, 3 * WASM_PAGE).unwrap();
        assert!(memory.commit(&mut first, TABLE_BYTES + WASM_PAGE).is_err());
        assert!(extent(&first));
        bytes(start, 3 * WASM_PAGE).fill(9);
        memory.reset(&mut first, 2 * WASM_PAGE, WASM_PAGE).unwrap();
        assert_eq!(first.committed_bytes, 2 * WASM_PAGE);
        assert!(extent(&first) && bytes(start, 2 * WASM_PAGE).iter().all(|byte| *byte == 0));
        memory.commit(&mut first, TABLE_BYTES).unwrap();
        let second = memory.reserve_guarded(WASM_PAGE, WASM_PAGE, 1).unwrap();
        assert!(second.base.addr().get() >= start + TABLE_BYTES + PAGE_BYTES);
        MemorySource::release(memory, first);
        assert!(is_unmapped(tables, start..start + TABLE_BYTES));
        MemorySource::release(memory, second);
    }
    assert!(is_unmapped(tables, space));
}

fn code_is_writable_and_then_executable<P: PageTables + Look>(memory: &PagedMemory<P>) {
    let region = memory.allocate(100 * PAGE_BYTES + 1).unwrap();
    let start = region.write.addr().get();
    assert_eq!((region.write, region.len_bytes), (region.execute, 101 * PAGE_BYTES));
    assert!(is_mapped(memory.tables(), start..start + region.len_bytes));
    // SAFETY: nothing runs there, and the region is given back once.
    unsafe {
        memory.publish(&region).unwrap();
        let mut pages = (start..start + region.len_bytes).step_by(PAGE_BYTES);
        assert!(pages.all(|at| memory.tables().executable(at) == Some(true)));
        CodeMemory::release(memory, region);
    }
    assert!(is_unmapped(memory.tables(), start..start + 101 * PAGE_BYTES));
}

fn stacks_have_a_page_below<P: PageTables + Look>(memory: &PagedMemory<P>, space: Range<usize>) {
    let stacks = [1, PAGE_BYTES, 5 * PAGE_BYTES].map(|bytes| memory.reserve_stack(bytes));
    for stack in &stacks {
        let start = stack.base().addr().get();
        assert!(start - PAGE_BYTES >= space.start);
        assert!(is_mapped(memory.tables(), start..start + stack.len_bytes()));
        assert!(is_unmapped(memory.tables(), start - PAGE_BYTES..start));
    }
    for stack in stacks {
        // SAFETY: nothing runs on it.
        unsafe { StackSource::release(memory, stack) };
    }
}

impl<P: PageTables> PagedMemory<P> {
    fn reserve_stack(&self, bytes: usize) -> crate::alloc::StackMemory {
        StackSource::reserve(self, bytes).unwrap()
    }
}

fn refused_pages_leave_nothing<P: PageTables + Look>(memory: &PagedMemory<P>, space: Range<usize>) {
    let before = memory.tables().frames();
    for more in [0, 1, 2, 3, 4, 20, 70] {
        memory.tables().limit(before + more);
        let refused = MemorySource::reserve(memory, TABLE_BYTES, TABLE_BYTES);
        assert!(matches!(refused, Err(Error::OutOfMemory { .. })), "{more}");
        assert!(memory.allocate(100 * PAGE_BYTES).is_err());
        assert!(is_unmapped(memory.tables(), space.clone()));
        assert_eq!(memory.tables().frames(), before, "{more}");
    }
    memory.tables().limit(usize::MAX);
    assert!(MemorySource::reserve(memory, 2 * SPACE_BYTES, 2 * SPACE_BYTES).is_err());
}

/// Says of each page whether it is mapped, and how.
#[derive(Default)]
struct Model {
    pages: Mutex<BTreeMap<usize, bool>>,
    limit: Mutex<Option<usize>>,
}

// SAFETY: does what is asked of it, in a model.
unsafe impl PageTables for Model {
    fn map(&self, pages: Range<usize>) -> Result<()> {
        let mut mapped = self.pages.lock().unwrap();
        let wanted = mapped.len() + pages.len() / PAGE_BYTES;
        if self.limit.lock().unwrap().is_some_and(|limit| wanted > limit) {
            return Err(Error::OutOfMemory { bytes: pages.len() });
        }
        bytes(pages.start, pages.len()).fill(0);
        for at in pages.step_by(PAGE_BYTES) {
            assert_eq!(mapped.insert(at, false), None, "it is not mapped yet");
        }
        Ok(())
    }

    unsafe fn make_executable(&self, pages: Range<usize>) -> Result<()> {
        let mut mapped = self.pages.lock().unwrap();
        for at in pages.step_by(PAGE_BYTES) {
            *mapped.get_mut(&at).expect("it is mapped") = true;
        }
        Ok(())
    }

    unsafe fn unmap(&self, pages: Range<usize>) {
        self.pages.lock().unwrap().retain(|at, _| !pages.contains(at));
    }
}

impl Look for Model {
    fn executable(&self, address: usize) -> Option<bool> {
        self.pages.lock().unwrap().get(&address).copied()
    }

    fn frames(&self) -> usize {
        self.pages.lock().unwrap().len()
    }

    fn limit(&self, frames: usize) {
        *self.limit.lock().unwrap() = Some(frames);
    }
}

#[test]
fn a_range_of_addresses_is_shared_out() {
    check(Model::default);
    for range in [1..SPACE_BYTES, 0..2 * PAGE_BYTES, TABLE_BYTES..TABLE_BYTES + 1] {
        // SAFETY: refused.
        assert!(unsafe { PagedMemory::new(Model::default(), range) }.is_err());
    }
}

/// Frames that are pages of the host's memory, at the same address.
#[derive(Default)]
struct Stock {
    blocks: BTreeMap<usize, Block>,
    limit: Option<usize>,
}

impl Stock {
    fn allocate(&mut self) -> Option<usize> {
        if self.limit.is_some_and(|limit| self.blocks.len() >= limit) {
            return None;
        }
        let block = Block::new(PAGE_BYTES, PAGE_BYTES);
        let address = block.addresses().start;
        self.blocks.insert(address, block);
        Some(address)
    }

    fn release(&mut self, address: usize) {
        assert!(self.blocks.remove(&address).is_some(), "a frame is released once");
    }
}

type Shared = Arc<Mutex<Stock>>;
