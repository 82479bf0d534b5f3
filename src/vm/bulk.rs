//! Bulk work: what it costs, and where it can be interrupted.
//!
//! Fuel for all of it is taken before any of it is done. It is done in pieces. After
//! each, the store's interrupt and, with epochs, the epoch are checked; if that
//! ends the work, what was done stays done.
//!
//! Invariant: bounds are checked before the first piece, and no reference to the
//! store is held at a check (V3). Whoever passes a reference that is to be written
//! keeps it alive over the checks.

use super::interrupts::is_interrupted;
use super::store::{StoreOpaque, StorePtr};
use crate::abi::{BYTES_PER_FUEL_LOG2, Trap};
use crate::error::Result;
use core::sync::atomic::Ordering;

/// The most elements that bulk work writes between two checks.
pub(crate) const PIECE_ELEMENTS: u64 = 4 << 10;
/// The most bytes that a memory is asked to commit between two checks.
pub(crate) const PIECE_GROWTH_BYTES: u64 = 4 << 20;
/// Bulk work on elements costs one unit of fuel for each full 2 to this power
/// of them.
const ELEMENTS_PER_FUEL_LOG2: u32 = 3;

/// Takes the fuel for work on `bytes` bytes.
///
/// # Errors
/// [`Trap::OutOfFuel`].
pub(crate) fn pay_for_bytes(store: &StoreOpaque, bytes: u64) -> Result<()> {
    pay(store, bytes >> BYTES_PER_FUEL_LOG2)
}

/// Takes the fuel for work on `elements` elements.
///
/// # Errors
/// [`Trap::OutOfFuel`].
pub(crate) fn pay_for_elements(store: &StoreOpaque, elements: u64) -> Result<()> {
    pay(store, elements >> ELEMENTS_PER_FUEL_LOG2)
}

fn pay(store: &StoreOpaque, units: u64) -> Result<()> {
    if units == 0 || !store.engine.config().consume_fuel {
        return Ok(());
    }
    let units = i64::try_from(units).unwrap_or(i64::MAX);
    // SAFETY: in its place (V1), and generated code does not run (V4).
    let fuel = unsafe { &mut (*store.vm().as_ptr()).fuel };
    *fuel = fuel.saturating_sub(units);
    if *fuel < 0 { Err(Trap::OutOfFuel.into()) } else { Ok(()) }
}

/// Does a piece of work: from one number on, so many.
pub(crate) type Step<'a> = dyn FnMut(&mut StoreOpaque, u64, u64) -> Result<()> + 'a;

/// Does `len` units of work, at most `piece` at a time: `step` does those from one
/// number on, so many of them.
///
/// # Errors
/// Those of `step` and of [`check`].
///
/// # Safety
/// The store is alive, the caller has the exclusive right to use it, and no
/// reference to it is in use.
pub(crate) unsafe fn in_pieces(
    store: StorePtr,
    len: u64,
    piece: u64,
    step: &mut Step<'_>,
) -> Result<()> {
    let mut done = 0;
    while done < len {
        let count = piece.min(len - done);
        // SAFETY: by this function's contract; the reference ends with the step (V3).
        step(unsafe { store.get() }, done, count)?;
        done += count;
        // SAFETY: by this function's contract; the step's reference has ended.
        unsafe { check(store)? };
    }
    Ok(())
}

/// Traps if someone has asked for the end. Asks the embedder, or traps, if the epoch
/// has reached the store's deadline.
///
/// # Errors
/// [`Trap::Interrupt`], and those of the embedder's callback.
///
/// # Safety
/// As for [`in_pieces`].
pub(crate) unsafe fn check(store: StorePtr) -> Result<()> {
    // SAFETY: by this function's contract; the reference ends with the block (V3).
    let is_reached = unsafe {
        let is_interrupted = is_interrupted(store.vm());
        let store = store.get();
        if is_interrupted {
            return Err(store.interrupted_work());
        }
        let now = store.engine.epoch().load(Ordering::Relaxed);
        store.engine.config().epoch_interruption && now >= (*store.vm().as_ptr()).epoch_deadline
    };
    match is_reached {
        // SAFETY: passed on to the caller.
        true => unsafe { epoch_reached(store) },
        false => Ok(()),
    }
}

/// What happens when the epoch has reached the deadline.
///
/// # Errors
/// As for [`check`].
///
/// # Safety
/// As for [`in_pieces`].
pub(crate) unsafe fn epoch_reached(store: StorePtr) -> Result<()> {
    // The embedder's callback gets the store, so no reference to it is held.
    // SAFETY: by this function's contract; the reference ends with the expression (V3).
    match unsafe { store.get() }.epoch_callback {
        // SAFETY: set together with a callback of the store's data type.
        Some(callback) => unsafe { callback(store) },
        None => Err(Trap::Interrupt.into()),
    }
}
