//! [`store_of_frame`]: whose activation a frame of generated code belongs to.

use super::links::Links;
use crate::abi::{ActivationRecord, VmStoreContext};
use crate::arch::{self, EntryFacts};
use core::ptr::with_exposed_provenance_mut;

/// Follows the chain from `fp` to the entry of its activation.
///
/// # Panics
/// When the chain is broken, which only a corrupted stack can explain.
///
/// # Safety
/// `fp` is the frame pointer of generated code of a running activation, or of
/// what that code has just called; the stack does not change meanwhile (S1).
pub(crate) unsafe extern "C" fn store_of_frame(fp: usize) -> *mut VmStoreContext {
    let facts = arch::entry_facts();
    let Ok(mut links) = Links::from_fp(fp) else { broken() };
    loop {
        // SAFETY: a live frame: the first by this function's contract, others
        // because a frame below them returns there, and that is generated code
        // until the entry is reached (S1, S2).
        let (return_address, above) = unsafe { (links.return_address(), links.next()) };
        let Ok(above) = above else { broken() };
        if return_address == facts.return_address {
            // SAFETY: the frame below returned into `arch::enter`.
            return unsafe { (*record_of_entry(above, facts)).store };
        }
    }
}

#[cold]
fn broken() -> ! {
    panic!("the stack of generated code is corrupted")
}

/// The record that [`arch::enter`] keeps in its frame.
pub(crate) fn record_of_entry(entry_fp: usize, facts: EntryFacts) -> *mut ActivationRecord {
    with_exposed_provenance_mut(entry_fp.wrapping_sub(facts.record_below_fp))
}
