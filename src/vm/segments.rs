//! Segments of an instance, and bulk operations that name its memories:
//! `memory.init`, `data.drop`, `table.init`, `elem.drop`.
//!
//! Indices into memories, tables and segments are guest numbers: all sums are
//! checked, and nothing is written when a range is out of bounds.

use super::bulk::pay_for_elements;
use super::const_expr;
use super::context::ContextView;
use super::instance::InstanceData;
use super::store::StoreOpaque;
use super::table::table_at;
use super::table_ops;
use crate::abi::{DataIndex, ElemIndex, MemoryIndex, TableIndex, Trap, VmMemory};
use crate::artifact::ElemItems;
use crate::engine::Module;
use crate::error::{Error, Result};
use core::ptr::NonNull;

fn instance(store: &StoreOpaque, index: u32) -> Result<&InstanceData> {
    store.instances.get(index as usize).ok_or(Error::Bug("context of an unknown instance"))
}

/// The address of `[start, start + len)` in a memory.
fn memory_range(memory: NonNull<VmMemory>, start: u64, len: u64) -> Result<*mut u8> {
    // SAFETY: alive (V6), and generated code waits for this call (V4).
    let VmMemory { base, len: memory_len } = unsafe { memory.read() };
    match start.checked_add(len) {
        Some(end) if end <= memory_len as u64 => Ok(base.wrapping_add(start as usize)),
        _ => Err(Trap::MemoryOutOfBounds.into()),
    }
}

/// The part `[start, start + len)` of a segment; a dropped one is empty.
fn segment_range<V>(items: &[V], start: u64, len: u64, trap: Trap) -> Result<&[V]> {
    let end = start.checked_add(len).filter(|end| *end <= items.len() as u64).ok_or(trap)?;
    items.get(start as usize..end as usize).ok_or(trap.into())
}

/// Operands of an instruction that copies part of a segment.
#[derive(Clone, Copy)]
pub(crate) struct Part {
    pub(crate) dst: u64,
    pub(crate) src: u64,
    pub(crate) len: u64,
}

impl Part {
    /// `len` of it, from the one with this number on.
    pub(crate) fn piece(self, at: u64, len: u64) -> Self {
        Self { dst: self.dst.saturating_add(at), src: self.src.saturating_add(at), len }
    }
}

/// Source and target of `memory.init`, found to be in bounds. A dropped segment is
/// empty, unless it is dropped while it `is_begun`.
fn ends_of_memory_init(
    store: &StoreOpaque,
    index: u32,
    (memory, segment): (MemoryIndex, DataIndex),
    part: Part,
    is_begun: bool,
) -> Result<(&[u8], *mut u8)> {
    let instance = instance(store, index)?;
    let info = instance.module.info();
    let data = info.data.get(segment.index()).ok_or(Error::Bug("unknown data segment"))?;
    let is_dropped = !is_begun && instance.dropped.contains(info.elems.len() + segment.index());
    let bytes: &[u8] = if is_dropped { &[] } else { info.segment_bytes(data) };
    let source = segment_range(bytes, part.src, part.len, Trap::MemoryOutOfBounds)?;
    Ok((source, memory_range(instance.view().memory(memory)?, part.dst, part.len)?))
}

/// Whether the operands of `memory.init` are in bounds.
pub(crate) fn check_memory_init(
    store: &StoreOpaque,
    index: u32,
    memory: MemoryIndex,
    segment: DataIndex,
    part: Part,
) -> Result<()> {
    ends_of_memory_init(store, index, (memory, segment), part, false).map(|_| ())
}

/// `memory.init`, or a piece of it. That the segment was not dropped has been
/// checked, when it began.
pub(crate) fn memory_init(
    store: &StoreOpaque,
    index: u32,
    memory: MemoryIndex,
    segment: DataIndex,
    part: Part,
) -> Result<()> {
    let (source, target) = ends_of_memory_init(store, index, (memory, segment), part, true)?;
    // SAFETY: in bounds of the memory, which is no part of the segment.
    unsafe { target.copy_from_nonoverlapping(source.as_ptr(), source.len()) };
    Ok(())
}

pub(crate) fn data_drop(store: &mut StoreOpaque, index: u32, segment: DataIndex) {
    if let Some(instance) = store.instances.get_mut(index as usize) {
        instance.dropped.insert(instance.module.info().elems.len() + segment.index());
    }
}

pub(crate) fn elem_drop(store: &mut StoreOpaque, index: u32, segment: ElemIndex) {
    if let Some(instance) = store.instances.get_mut(index as usize)
        && segment.index() < instance.module.info().elems.len()
    {
        instance.dropped.insert(segment.index());
    }
}

/// Whether the operands of `table.init` are in bounds.
pub(crate) fn check_table_init(
    store: &StoreOpaque,
    index: u32,
    table: TableIndex,
    segment: ElemIndex,
    part: Part,
) -> Result<()> {
    let instance = instance(store, index)?;
    let info = instance.module.info();
    let elem = info.elem(segment).ok_or(Error::Bug("unknown element segment"))?;
    let len = if instance.dropped.contains(segment.index()) { 0 } else { elem.items.len() as u64 };
    match part.src.checked_add(part.len) {
        Some(end) if end <= len => {}
        _ => return Err(Trap::TableOutOfBounds.into()),
    }
    table_at(&store.tables, instance.table(table)?)?.check_range(part.dst, part.len)
}

/// `table.init`, or a piece of it. That the segment was not dropped has been
/// checked, when it began. Expressions are evaluated here rather than kept: they
/// name immutable globals only, which hold (and count) their references for as
/// long as the store lives.
#[inline(never)]
pub(crate) fn table_init(
    store: &mut StoreOpaque,
    index: u32,
    table: TableIndex,
    segment: ElemIndex,
    Part { dst, src, len }: Part,
) -> Result<()> {
    let instance = instance(store, index)?;
    // A clone, so that the store can be changed while its parts are used.
    let module: Module = instance.module.clone();
    // SAFETY: laid out by this module (V5), and in its place while the store lives (V1).
    let view = unsafe { ContextView::new(instance.context.as_non_null(), module.offsets()) };
    let table = instance.table(table)?;
    let elem = module.info().elem(segment).ok_or(Error::Bug("unknown element segment"))?;
    let trap = Trap::TableOutOfBounds;
    match &elem.items {
        ElemItems::Funcs(funcs) => {
            let mut funcs = segment_range(funcs, src, len, trap)?.iter();
            table_ops::init(store, table, dst, len, |_| {
                let func = funcs.next().ok_or(trap)?;
                let func_ref = const_expr::func_ref(*func, &module, view)?;
                Ok(func_ref.as_ptr().expose_provenance() as u64)
            })
        }
        ElemItems::Exprs(exprs) => {
            let exprs = segment_range(exprs, src, len, trap)?;
            pay_for_elements(store, exprs.iter().map(const_expr::extra_work).sum())?;
            let mut exprs = exprs.iter();
            table_ops::init(store, table, dst, len, |_| {
                let value = const_expr::eval(exprs.next().ok_or(trap)?, &module, view)?;
                Ok(elem.element.element_from_cell(value))
            })
        }
    }
}
