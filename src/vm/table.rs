//! [`TableData`]: a table as its store knows it.
//!
//! Invariants: a table of a counted type counts every slot it holds, once per
//! element. Elements move only when the table grows.

use super::raw_box::VmPlace;
use crate::abi::{Trap, VmFuncRef, VmTable};
use crate::artifact::{RefForm, RefType, TableType};
use crate::error::{Error, Result};
use crate::gc::RefHeap;
use core::alloc::Layout;
use core::ptr::NonNull;

/// A table as its store knows it.
pub(crate) struct TableData {
    vm: VmPlace<VmTable>,
    ty: TableType,
    elements: Elements,
}

pub(crate) fn table_at(tables: &[TableData], index: u32) -> Result<&TableData> {
    tables.get(index as usize).ok_or(Error::Bug("table index without a table"))
}

/// The elements' memory.
struct Elements {
    base: NonNull<u8>,
    capacity: usize,
    element: RefType,
}

/// An element as generated code passes it: a slot number or an address.
pub(crate) type RawElement = u64;

impl Elements {
    fn new(element: RefType) -> Self {
        Self { base: NonNull::<u64>::dangling().cast(), capacity: 0, element }
    }

    fn layout(&self, capacity: usize) -> Result<Layout> {
        let bytes = capacity.saturating_mul(1 << self.element.element_bytes_log2());
        Layout::from_size_align(bytes, align_of::<u64>()).map_err(|_| Error::OutOfMemory { bytes })
    }

    /// Makes room for `capacity` elements; new ones are zero.
    fn resize(&mut self, capacity: usize) -> Result<()> {
        if capacity <= self.capacity {
            return Ok(());
        }
        let new = self.layout(capacity)?;
        let refused = Error::OutOfMemory { bytes: new.size() };
        let base = if self.capacity == 0 {
            // SAFETY: the size is not zero, because the capacity is not.
            unsafe { std_alloc::alloc::alloc_zeroed(new) }
        } else {
            let old = self.layout(self.capacity)?;
            // SAFETY: allocated with this layout; the new size is not zero.
            let base = unsafe { std_alloc::alloc::realloc(self.base.as_ptr(), old, new.size()) };
            if !base.is_null() {
                // SAFETY: the bytes after the old ones are part of the new block.
                unsafe { base.add(old.size()).write_bytes(0, new.size() - old.size()) };
            }
            base
        };
        self.base = NonNull::new(base).ok_or(refused)?;
        self.capacity = capacity;
        Ok(())
    }
}

impl Drop for Elements {
    fn drop(&mut self) {
        if let (1.., Ok(layout)) = (self.capacity, self.layout(self.capacity)) {
            // SAFETY: allocated with this layout.
            unsafe { std_alloc::alloc::dealloc(self.base.as_ptr(), layout) };
        }
    }
}

impl TableData {
    /// A table of null references, of the minimum size that its type gives.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub(crate) fn new(ty: TableType, mut vm: VmPlace<VmTable>) -> Result<Self> {
        let mut elements = Elements::new(ty.element);
        elements.resize(ty.minimum as usize)?;
        vm.set(VmTable { base: elements.base.as_ptr(), len: ty.minimum as usize });
        Ok(Self { vm, ty, elements })
    }

    /// For how many elements there should be room when there are to be `len`, of
    /// `most` at the most: at least half as much again as now, so that growing step
    /// by step takes linear time.
    pub(crate) fn ample(&self, len: u64, most: u64) -> u64 {
        let old = self.len();
        (old + old / 2).clamp(len, most.max(len))
    }

    /// How many bytes more [`Self::reserve`] would take.
    pub(crate) fn bytes_to_reserve(&self, capacity: u64) -> usize {
        let more = (capacity as usize).saturating_sub(self.elements.capacity);
        more.saturating_mul(1 << self.ty.element.element_bytes_log2())
    }

    /// Makes room for `capacity` elements.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]; the table is as it was.
    pub(crate) fn reserve(&mut self, capacity: u64) -> Result<()> {
        let len = self.len() as usize;
        self.elements.resize(capacity as usize)?;
        // The old elements may have moved.
        self.vm.set(VmTable { base: self.elements.base.as_ptr(), len });
        Ok(())
    }

    /// Sets the number of elements to `len`, for which room has been made. New
    /// ones are null.
    pub(crate) fn set_len(&mut self, len: u64) -> Result<()> {
        if len as usize > self.elements.capacity {
            return Err(Error::Bug("table longer than its elements"));
        }
        self.vm.set(VmTable { len: len as usize, ..self.vm.get() });
        Ok(())
    }

    pub(crate) fn vm(&self) -> NonNull<VmTable> {
        self.vm.as_non_null()
    }

    pub(crate) fn ty(&self) -> &TableType {
        &self.ty
    }

    pub(crate) fn len(&self) -> u64 {
        self.vm.get().len as u64
    }

    /// The address of an element, if it exists.
    fn element<V>(&self, index: u64) -> *mut V {
        debug_assert!(
            index < self.len() && size_of::<V>() == 1 << self.ty.element.element_bytes_log2()
        );
        self.elements.base.as_ptr().cast::<V>().wrapping_add(index as usize)
    }

    /// Whether `[start, start + len)` are elements.
    pub(crate) fn check_range(&self, start: u64, len: u64) -> Result<()> {
        match start.checked_add(len) {
            Some(end) if end <= self.len() => Ok(()),
            _ => Err(Trap::TableOutOfBounds.into()),
        }
    }

    /// An element, if it exists.
    pub(crate) fn get(&self, index: u64) -> Option<RawElement> {
        // SAFETY: just checked.
        (index < self.len()).then(|| unsafe { self.get_unchecked(index) })
    }

    /// Reads an element.
    ///
    /// # Safety
    /// `index` is below [`Self::len`].
    pub(super) unsafe fn get_unchecked(&self, index: u64) -> RawElement {
        // SAFETY: the element exists, by this function's contract. The type says
        // how large it is, as it did when the memory was laid out.
        unsafe {
            match self.ty.element.form() {
                RefForm::FuncRef => {
                    (*self.element::<*mut VmFuncRef>(index)).expose_provenance() as u64
                }
                RefForm::Slot => u64::from(*self.element::<u32>(index)),
            }
        }
    }

    /// Writes `value` to an element.
    ///
    /// # Safety
    /// `index` is below [`Self::len`].
    pub(super) unsafe fn set_unchecked(&self, heap: &mut RefHeap, index: u64, value: RawElement) {
        // SAFETY: the element exists, by this function's contract, and nobody
        // else uses it: generated code does not run (V4), and reads elements anew
        // after each call.
        unsafe {
            match self.ty.element.form() {
                RefForm::FuncRef => self.element::<*mut VmFuncRef>(index).write(func_ref(value)),
                RefForm::Slot => heap.replace(&mut *self.element::<u32>(index), value as u32),
            }
        }
    }
}

fn func_ref(element: RawElement) -> *mut VmFuncRef {
    core::ptr::with_exposed_provenance_mut(element as usize)
}
