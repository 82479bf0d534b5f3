//! What tables and memories of a new instance hold: initial values of its tables,
//! then its active segments, in the order that the specification gives.
//!
//! Costs fuel, and can be interrupted, like the instructions that do the same. An
//! instance whose contents were not all written stays, because its functions may
//! sit in shared tables.

use super::bulk::{PIECE_ELEMENTS, Step, check, pay_for_bytes, pay_for_elements};
use super::const_expr;
use super::segments::{self, Part};
use super::store::{StoreOpaque, StorePtr};
use super::table_ops;
use crate::abi::{BULK_PIECE_BYTES, DataIndex, ElemIndex, TableIndex, ValRaw};
use crate::artifact::{ConstExpr, ConstOp, DataMode, ElemMode};
use crate::engine::Module;
use crate::error::{Error, Result};

/// Work that counts as one piece, in bytes.
const PIECE: u64 = BULK_PIECE_BYTES;
/// What an element counts.
const ELEMENT: u64 = BULK_PIECE_BYTES / PIECE_ELEMENTS;

/// Writes the contents and drops the segments that are not passive.
///
/// # Errors
/// The traps of the instructions that do the same.
///
/// # Safety
/// The store is alive, the caller has the exclusive right to use it, and no
/// reference to it is in use.
pub(super) unsafe fn write(store: StorePtr, index: u32, module: &Module) -> Result<()> {
    let mut work = Work { store, since_check: 0 };
    // SAFETY: passed on to the caller; references end with each call (V3).
    unsafe {
        table_values(&mut work, index, module)?;
        element_segments(&mut work, index, module)?;
        data_segments(&mut work, index, module)
    }
}

/// Counts what was done since the last check.
struct Work {
    store: StorePtr,
    since_check: u64,
}

impl Work {
    /// Does `len` units of work that count `each`, and checks after
    /// each piece; smaller works share one.
    ///
    /// # Safety
    /// As for [`write()`].
    unsafe fn run(&mut self, len: u64, each: u64, step: &mut Step<'_>) -> Result<()> {
        let mut done = 0;
        while done < len {
            let count = (PIECE / each).min(len - done);
            // SAFETY: by this function's contract; the reference ends with the call (V3).
            step(unsafe { self.store.get() }, done, count)?;
            done += count;
            self.since_check += count * each;
            if self.since_check >= PIECE {
                self.since_check = 0;
                // SAFETY: by this function's contract.
                unsafe { check(self.store)? };
            }
        }
        Ok(())
    }
}

const GONE: Error = Error::Bug("instance vanished");

/// The value of a constant expression.
fn value(store: &StoreOpaque, index: u32, module: &Module, expr: &ConstExpr) -> Result<ValRaw> {
    pay_for_elements(store, const_expr::extra_work(expr))?;
    let instance = store.instances.get(index as usize).ok_or(GONE)?;
    const_expr::eval(expr, module, instance.view())
}

/// # Safety
/// As for [`write()`].
unsafe fn table_values(work: &mut Work, index: u32, module: &Module) -> Result<()> {
    let info = module.info();
    for (defined, init) in info.table_inits.iter().enumerate() {
        if let [ConstOp::RefNull(_)] = *init.ops {
            continue;
        }
        let table = TableIndex(info.counts.imported_tables + defined as u32);
        let ty =
            info.tables.get(table.index()).ok_or(Error::Bug("initial value without a table"))?;
        // SAFETY: by this function's contract; the references end with the block (V3).
        let (element, table) = unsafe {
            let store = work.store.get();
            let element = ty.element.element_from_cell(value(store, index, module, init)?);
            pay_for_elements(store, ty.minimum)?;
            (element, store.instances.get(index as usize).ok_or(GONE)?.table(table)?)
        };
        // What an immutable global holds is alive as long as the store.
        // SAFETY: passed on to the caller.
        unsafe {
            work.run(ty.minimum, ELEMENT, &mut |store, at, count| {
                table_ops::fill(store, table, at, element, count)
            })?;
        }
    }
    Ok(())
}

/// # Safety
/// As for [`write()`].
unsafe fn element_segments(work: &mut Work, index: u32, module: &Module) -> Result<()> {
    for (at, segment) in module.info().elems.iter().enumerate() {
        let elem = ElemIndex(at as u32);
        match &segment.mode {
            ElemMode::Passive => continue,
            ElemMode::Declared => {}
            ElemMode::Active { table, offset } => {
                let is_64 = module.info().tables.get(table.index()).is_some_and(|ty| ty.table64);
                // SAFETY: by this function's contract; the references end with the block (V3).
                let part = unsafe {
                    let store = work.store.get();
                    let dst = value(store, index, module, offset)?.index(is_64);
                    let part = Part { dst, src: 0, len: segment.items.len() as u64 };
                    segments::check_table_init(store, index, *table, elem, part)?;
                    pay_for_elements(store, part.len)?;
                    part
                };
                // SAFETY: passed on to the caller.
                unsafe {
                    work.run(part.len, ELEMENT, &mut |store, at, count| {
                        segments::table_init(store, index, *table, elem, part.piece(at, count))
                    })?;
                }
            }
        }
        // SAFETY: by this function's contract; the reference ends with the call (V3).
        segments::elem_drop(unsafe { work.store.get() }, index, elem);
    }
    Ok(())
}

/// # Safety
/// As for [`write()`].
unsafe fn data_segments(work: &mut Work, index: u32, module: &Module) -> Result<()> {
    for (at, segment) in module.info().data.iter().enumerate() {
        let data = DataIndex(at as u32);
        let DataMode::Active { memory, offset } = &segment.mode else { continue };
        let is_64 = module.info().memories.get(memory.index()).is_some_and(|ty| ty.memory64);
        // SAFETY: by this function's contract; the references end with the block (V3).
        let part = unsafe {
            let store = work.store.get();
            let dst = value(store, index, module, offset)?.index(is_64);
            let part = Part { dst, src: 0, len: u64::from(segment.len) };
            segments::check_memory_init(store, index, *memory, data, part)?;
            pay_for_bytes(store, part.len)?;
            part
        };
        // SAFETY: passed on to the caller.
        unsafe {
            work.run(part.len, 1, &mut |store, at, count| {
                segments::memory_init(store, index, *memory, data, part.piece(at, count))
            })?;
        }
        // SAFETY: by this function's contract; the reference ends with the call (V3).
        segments::data_drop(unsafe { work.store.get() }, index, data);
    }
    Ok(())
}
