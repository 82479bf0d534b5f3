//! Builtins for bulk work: the instructions whose operands say how much there is
//! to do. The work is done in [`super::memory_ops`], [`super::table_ops`] and
//! [`super::segments`]; what it costs is in [`super::bulk`].
//!
//! Invariant: first bounds, then fuel, then the work, piece by piece.

use super::builtins::trapping;
use super::bulk::{PIECE_ELEMENTS, PIECE_GROWTH_BYTES, in_pieces, pay_for_bytes, pay_for_elements};
use super::host_frame::FrameLink;
use super::interrupts::is_interrupted;
use super::memory_ops;
use super::segments::{self, Part};
use super::store::{StoreOpaque, StorePtr};
use super::table::{RawElement, table_at};
use super::table_ops;
use crate::abi::{
    BULK_PIECE_BYTES, DataIndex, ElemIndex, HostFrame, MemoryIndex, TableIndex, ValRaw, VmContext,
};
use crate::artifact::RefForm;
use crate::error::{Error, Result};
use core::ptr::{with_exposed_provenance, with_exposed_provenance_mut};

/// What a `grow` instruction yields when it fails.
const NO_GROWTH: i64 = -1;

/// Bypasses the store, and touches nothing of it but the word that says whether to go
/// on.
///
/// # Safety
/// Generated code has checked both ranges against memories of its store, which
/// nobody else uses meanwhile; they may overlap. The context is its own.
pub(super) unsafe extern "C" fn copy_bytes(
    context: *mut VmContext,
    dst: u64,
    src: u64,
    len: u64,
) -> i64 {
    let src = with_exposed_provenance::<u8>(src as usize);
    let dst = with_exposed_provenance_mut::<u8>(dst as usize);
    // SAFETY: by this function's contract.
    unsafe {
        core::ptr::copy(src, dst, len as usize);
        is_interrupted((*context).store).into()
    }
}

/// Bypasses the store, as [`copy_bytes`] does.
///
/// # Safety
/// As for [`copy_bytes`].
pub(super) unsafe extern "C" fn fill_bytes(
    context: *mut VmContext,
    dst: u64,
    value: u32,
    len: u64,
) -> i64 {
    let dst = with_exposed_provenance_mut::<u8>(dst as usize);
    // SAFETY: by this function's contract.
    unsafe {
        dst.write_bytes(value as u8, len as usize);
        is_interrupted((*context).store).into()
    }
}

/// # Safety
/// As for [`copy_bytes`], and by the contract of `VmBuiltins`.
pub(super) unsafe extern "C" fn copy_pieces(
    context: *mut VmContext,
    dst: u64,
    src: u64,
    len: u64,
) -> i64 {
    let (from, to) = (with_exposed_provenance::<u8>(src as usize), dst);
    let to = with_exposed_provenance_mut::<u8>(to as usize);
    // SAFETY: by this function's contract; memories neither move nor shrink (V3, V5).
    unsafe {
        trapping(context, |store, _| {
            in_pieces(store, len, BULK_PIECE_BYTES, &mut |_, at, count| {
                // From the end if the target lies after the source: they may overlap.
                let at = if dst <= src { at } else { len - at - count } as usize;
                core::ptr::copy(from.add(at), to.add(at), count as usize);
                Ok(())
            })?;
            Ok(0)
        })
    }
}

/// # Safety
/// As for [`copy_pieces`].
pub(super) unsafe extern "C" fn fill_pieces(
    context: *mut VmContext,
    dst: u64,
    value: u32,
    len: u64,
) -> i64 {
    let to = with_exposed_provenance_mut::<u8>(dst as usize);
    // SAFETY: by this function's contract; memories neither move nor shrink (V3, V5).
    unsafe {
        trapping(context, |store, _| {
            in_pieces(store, len, BULK_PIECE_BYTES, &mut |_, at, count| {
                to.add(at as usize).write_bytes(value as u8, count as usize);
                Ok(())
            })?;
            Ok(0)
        })
    }
}

pub(super) unsafe extern "C" fn memory_init(
    context: *mut VmContext,
    memory: u32,
    segment: u32,
    dst: u64,
    src: u32,
    len: u32,
) -> i64 {
    let (memory, segment) = (MemoryIndex(memory), DataIndex(segment));
    let part = Part { dst, src: src.into(), len: len.into() };
    // SAFETY: by the contract of `VmBuiltins` (V3, V5).
    unsafe {
        trapping(context, |store, instance| {
            segments::check_memory_init(store.get(), instance, memory, segment, part)?;
            pay_for_bytes(store.get(), part.len)?;
            in_pieces(store, part.len, BULK_PIECE_BYTES, &mut |store, at, count| {
                segments::memory_init(store, instance, memory, segment, part.piece(at, count))
            })?;
            Ok(0)
        })
    }
}

/// Store index of an instance's memory.
fn store_memory(store: &StoreOpaque, instance: u32, memory: u32) -> Result<u32> {
    let instance = store.instances.get(instance as usize);
    instance.ok_or(Error::Bug("context of an unknown instance"))?.memory(MemoryIndex(memory))
}

/// Store index of an instance's table.
fn store_table(store: &StoreOpaque, instance: u32, table: u32) -> Result<u32> {
    let instance = store.instances.get(instance as usize);
    instance.ok_or(Error::Bug("context of an unknown instance"))?.table(TableIndex(table))
}

pub(super) unsafe extern "C" fn memory_grow(
    context: *mut VmContext,
    memory: u32,
    delta: u64,
) -> i64 {
    // SAFETY: by the contract of `VmBuiltins` (V3, V5).
    unsafe {
        trapping(context, |store, instance| {
            let index = store_memory(store.get(), instance, memory)?;
            let Ok(growth) = memory_ops::check_growth(store.get(), index, delta) else {
                return Ok(NO_GROWTH);
            };
            let more = growth.new_bytes - growth.old_bytes;
            pay_for_bytes(store.get(), more as u64)?;
            // A source that refuses ends the loop, but is no trap.
            let mut refused = false;
            let piece = if growth.in_pieces { PIECE_GROWTH_BYTES } else { u64::MAX };
            in_pieces(store, more as u64, piece, &mut |store, at, count| {
                if growth.in_pieces && !refused {
                    let bytes = growth.old_bytes + (at + count) as usize;
                    refused = memory_ops::commit(store, index, bytes).is_err();
                }
                Ok(())
            })?;
            // The embedder may have grown it at a check.
            let has_grown = memory_ops::len_bytes(store.get(), index) != Some(growth.old_bytes);
            let failed = refused
                || has_grown
                || memory_ops::set_len(store.get(), index, growth.new_bytes).is_err();
            Ok(if failed { NO_GROWTH } else { growth.old_pages as i64 })
        })
    }
}

pub(super) unsafe extern "C" fn table_grow(
    context: *mut VmContext,
    table: u32,
    delta: u64,
    init: u64,
) -> i64 {
    // SAFETY: by the contract of `VmBuiltins` (V3, V5).
    unsafe {
        trapping(context, |store, instance| {
            let index = store_table(store.get(), instance, table)?;
            let Ok(old) = table_ops::check_growth(store.get(), index, delta) else {
                return Ok(NO_GROWTH);
            };
            pay_for_elements(store.get(), delta)?;
            if table_ops::extend(store.get(), index, delta).is_err() {
                return Ok(NO_GROWTH);
            }
            if init != 0 {
                fill(store, index, old, init, delta)?;
            }
            Ok(old as i64)
        })
    }
}

pub(super) unsafe extern "C" fn table_fill(
    context: *mut VmContext,
    table: u32,
    dst: u64,
    value: u64,
    len: u64,
) -> i64 {
    // SAFETY: by the contract of `VmBuiltins` (V3, V5).
    unsafe {
        trapping(context, |store, instance| {
            let table = store_table(store.get(), instance, table)?;
            table_at(&store.get().tables, table)?.check_range(dst, len)?;
            pay_for_elements(store.get(), len)?;
            fill(store, table, dst, value, len)?;
            Ok(0)
        })
    }
}

/// Fills elements that were found to exist. What they are filled with is a root
/// meanwhile: at a check, nothing else may hold it.
///
/// # Safety
/// As for [`in_pieces`].
unsafe fn fill(store: StorePtr, table: u32, start: u64, value: RawElement, len: u64) -> Result<()> {
    // SAFETY: passed on to the caller; each reference ends with its expression
    // (V3), and frame and cell stay here until the link is dropped.
    unsafe {
        let is_slot = table_at(&store.get().tables, table)?.ty().element.form() == RefForm::Slot;
        let cell = ValRaw::from_u32(value as u32);
        let mut frame = HostFrame {
            previous: core::ptr::null_mut(),
            values: &raw const cell,
            len: 1,
            is_rooted: &raw const is_slot,
            serial: 0,
        };
        let _link = FrameLink::new(store, store.vm(), &raw mut frame);
        in_pieces(store, len, PIECE_ELEMENTS, &mut |store, at, count| {
            table_ops::fill(store, table, start + at, value, count)
        })
    }
}

pub(super) unsafe extern "C" fn table_copy(
    context: *mut VmContext,
    dst_table: u32,
    src_table: u32,
    dst: u64,
    src: u64,
    len: u64,
) -> i64 {
    // SAFETY: by the contract of `VmBuiltins` (V3, V5).
    unsafe {
        trapping(context, |store, instance| {
            let to = store_table(store.get(), instance, dst_table)?;
            let from = store_table(store.get(), instance, src_table)?;
            table_ops::check_copy(store.get(), (to, dst), (from, src), len)?;
            pay_for_elements(store.get(), len)?;
            in_pieces(store, len, PIECE_ELEMENTS, &mut |store, at, count| {
                // From the end if the target lies after the source: they may overlap.
                let at = if dst <= src { at } else { len - at - count };
                table_ops::copy(store, (to, dst + at), (from, src + at), count)
            })?;
            Ok(0)
        })
    }
}

pub(super) unsafe extern "C" fn table_init(
    context: *mut VmContext,
    table: u32,
    segment: u32,
    dst: u64,
    src: u32,
    len: u32,
) -> i64 {
    let (table, segment) = (TableIndex(table), ElemIndex(segment));
    let part = Part { dst, src: src.into(), len: len.into() };
    // SAFETY: by the contract of `VmBuiltins` (V3, V5).
    unsafe {
        trapping(context, |store, instance| {
            segments::check_table_init(store.get(), instance, table, segment, part)?;
            pay_for_elements(store.get(), part.len)?;
            in_pieces(store, part.len, PIECE_ELEMENTS, &mut |store, at, count| {
                segments::table_init(store, instance, table, segment, part.piece(at, count))
            })?;
            Ok(0)
        })
    }
}
