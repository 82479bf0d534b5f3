//! The only raw views of what generated code sees: the block that holds a
//! store's [`VmStoreContext`], and [`ContextBox`], which owns the context of
//! one instance together with the host contexts of its imports.
//!
//! Everything in here is reached through raw pointers only, because generated
//! code keeps pointers to it. A reference into it lasts for one expression.

use super::host_def::HostContext;
use super::raw_box::RawBox;
use crate::abi::{
    FuncIndex, GlobalIndex, INSTANCE_CONTEXT_MAGIC, MemoryIndex, TableIndex, VmContext, VmFuncRef,
    VmFunctionImport, VmGlobal, VmMemory, VmOffsets, VmStoreContext, VmTable,
};
use crate::error::{Error, Result};
use core::alloc::Layout;
use core::ptr::NonNull;

/// What a [`VmStoreContext`] pointer points into.
#[repr(C)]
pub(crate) struct VmBlock {
    pub(crate) vm: VmStoreContext,
    /// The store that owns the block; only `StorePtr` knows its type.
    pub(crate) owner: NonNull<()>,
}

/// A borrowed view of an instance context: where its parts lie.
///
/// Invariant: the context is laid out by `offsets` and alive while the view is
/// used. Indices are checked; what is returned is inside the context.
#[derive(Clone, Copy)]
pub(crate) struct ContextView<'m> {
    context: NonNull<VmContext>,
    offsets: &'m VmOffsets,
}

/// The error for a bad index.
pub(crate) const BAD_INDEX: Error = Error::Bug("index outside an instance's index space");

impl<'m> ContextView<'m> {
    /// # Safety
    /// `context` is laid out by `offsets` and outlives the view's use.
    pub(crate) unsafe fn new(context: NonNull<VmContext>, offsets: &'m VmOffsets) -> Self {
        Self { context, offsets }
    }

    fn at<V>(self, offset: u32) -> NonNull<V> {
        // SAFETY: callers pass an offset of a part of the context (V5), whose
        // size `VmOffsets` bounds by `i32::MAX`.
        unsafe { self.context.cast::<u8>().add(offset as usize).cast() }
    }

    pub(crate) fn function_import(self, func: FuncIndex) -> Result<NonNull<VmFunctionImport>> {
        if func.0 >= self.offsets.counts().imported_funcs {
            return Err(BAD_INDEX);
        }
        Ok(self.at(self.offsets.function_import(func)))
    }

    /// The place of the pointer to an imported table.
    pub(crate) fn table_import(self, table: TableIndex) -> Result<NonNull<*mut VmTable>> {
        if table.0 >= self.offsets.counts().imported_tables {
            return Err(BAD_INDEX);
        }
        Ok(self.at(self.offsets.table_import(table)))
    }

    /// The place of the pointer to an imported memory.
    pub(crate) fn memory_import(self, memory: MemoryIndex) -> Result<NonNull<*mut VmMemory>> {
        if memory.0 >= self.offsets.counts().imported_memories {
            return Err(BAD_INDEX);
        }
        Ok(self.at(self.offsets.memory_import(memory)))
    }

    /// The place of the pointer to an imported global.
    pub(crate) fn global_import(self, global: GlobalIndex) -> Result<NonNull<*mut VmGlobal>> {
        if global.0 >= self.offsets.counts().imported_globals {
            return Err(BAD_INDEX);
        }
        Ok(self.at(self.offsets.global_import(global)))
    }

    pub(crate) fn defined_memory(self, defined: u32) -> Result<NonNull<VmMemory>> {
        if defined >= self.offsets.counts().defined_memories {
            return Err(BAD_INDEX);
        }
        Ok(self.at(self.offsets.defined_memory(defined)))
    }

    pub(crate) fn defined_table(self, defined: u32) -> Result<NonNull<VmTable>> {
        if defined >= self.offsets.counts().defined_tables {
            return Err(BAD_INDEX);
        }
        Ok(self.at(self.offsets.defined_table(defined)))
    }

    pub(crate) fn defined_global(self, defined: u32) -> Result<NonNull<VmGlobal>> {
        if defined >= self.offsets.counts().defined_globals {
            return Err(BAD_INDEX);
        }
        Ok(self.at(self.offsets.defined_global(defined)))
    }

    pub(crate) fn func_ref(self, escape_index: u32) -> Result<NonNull<VmFuncRef>> {
        if escape_index >= self.offsets.counts().escaping_funcs {
            return Err(BAD_INDEX);
        }
        Ok(self.at(self.offsets.func_ref(escape_index)))
    }

    /// A global, defined or imported.
    pub(crate) fn global(self, global: GlobalIndex) -> Result<NonNull<VmGlobal>> {
        match global.0.checked_sub(self.offsets.counts().imported_globals) {
            Some(defined) => self.defined_global(defined),
            None => {
                // SAFETY: the place is inside the context (V5); set at instantiation.
                let pointer = unsafe { self.global_import(global)?.read() };
                NonNull::new(pointer).ok_or(Error::Bug("imported global not set"))
            }
        }
    }

    /// A memory, defined or imported.
    pub(crate) fn memory(self, memory: MemoryIndex) -> Result<NonNull<VmMemory>> {
        match memory.0.checked_sub(self.offsets.counts().imported_memories) {
            Some(defined) => self.defined_memory(defined),
            None => {
                // SAFETY: the place is inside the context (V5); set at instantiation.
                let pointer = unsafe { self.memory_import(memory)?.read() };
                NonNull::new(pointer).ok_or(Error::Bug("imported memory not set"))
            }
        }
    }
}

/// Owns the context of an instance, and behind it in the same allocation one
/// [`HostContext`] for each host function that the instance imports.
pub(crate) struct ContextBox {
    block: RawBox<VmContext>,
    host_contexts_offset: usize,
    host_contexts: u32,
}

impl ContextBox {
    /// A zeroed context with its head filled in and room for `host_imports`
    /// host contexts.
    pub(crate) fn new(
        offsets: &VmOffsets,
        host_imports: u32,
        instance: u32,
        store: *mut VmStoreContext,
        type_ids: *const u32,
    ) -> Result<Self> {
        let (layout, host_contexts_offset) = Self::layout(offsets, host_imports)?;
        let block = RawBox::<VmContext>::zeroed(layout)?;
        let head =
            VmContext { magic: INSTANCE_CONTEXT_MAGIC, instance, store, type_ids, reserved: 0 };
        // SAFETY: the block is at least as large as the head.
        unsafe { block.as_non_null().write(head) };
        Ok(Self { block, host_contexts_offset, host_contexts: 0 })
    }

    /// Layout of the block, and where the host contexts are in it.
    fn layout(offsets: &VmOffsets, host_imports: u32) -> Result<(Layout, usize)> {
        let too_large = |_| Error::OutOfMemory { bytes: isize::MAX as usize };
        let contexts = Layout::array::<HostContext>(host_imports as usize).map_err(too_large)?;
        let context = Layout::from_size_align(offsets.size() as usize, align_of::<VmContext>())
            .map_err(too_large)?;
        let (layout, host_contexts_offset) = context.extend(contexts).map_err(too_large)?;
        Ok((layout.pad_to_align(), host_contexts_offset))
    }

    /// How much memory [`Self::new`] would take.
    pub(crate) fn bytes_for(offsets: &VmOffsets, host_imports: u32) -> Result<usize> {
        Self::layout(offsets, host_imports).map(|(layout, _)| layout.size())
    }

    pub(crate) fn view<'m>(&self, offsets: &'m VmOffsets) -> ContextView<'m> {
        // SAFETY: made with these offsets: a context box is only used with the
        // module it was made for (V5).
        unsafe { ContextView::new(self.block.as_non_null(), offsets) }
    }

    pub(crate) fn as_non_null(&self) -> NonNull<VmContext> {
        self.block.as_non_null()
    }

    fn host_context_at(&self, index: u32) -> NonNull<HostContext> {
        // SAFETY: the caller checked that the block holds that many, or uses none.
        unsafe {
            let contexts = self.block.as_non_null().cast::<u8>().add(self.host_contexts_offset);
            contexts.cast::<HostContext>().add(index as usize)
        }
    }

    /// Moves the next host context in and returns where it is now.
    pub(crate) fn push_host_context(
        &mut self,
        context: HostContext,
    ) -> Result<NonNull<HostContext>> {
        let used =
            self.host_contexts_offset + self.host_contexts as usize * size_of::<HostContext>();
        if used + size_of::<HostContext>() > self.block.len_bytes() {
            return Err(Error::Bug("more host imports than counted"));
        }
        let place = self.host_context_at(self.host_contexts);
        // SAFETY: checked to be inside the block, and not yet used.
        unsafe { place.write(context) };
        self.host_contexts += 1;
        Ok(place)
    }
}

impl Drop for ContextBox {
    fn drop(&mut self) {
        let (first, count) = (self.host_context_at(0), self.host_contexts as usize);
        // All of them, even if the closure of one panics.
        // SAFETY: written by `push_host_context`; dropped once, here.
        unsafe { NonNull::slice_from_raw_parts(first, count).drop_in_place() };
    }
}
