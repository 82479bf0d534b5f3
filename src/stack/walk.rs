//! Walking all nested activations of a store.

use super::cursor::Cursor;
use super::links::WalkError;
use crate::abi::{ActivationRecord, StackMapLookup, VmStoreContext};

/// What a walk saw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WalkStats {
    /// Compiled frames, entry shims included.
    pub frames: u64,
    /// Activations.
    pub activations: u64,
}

/// The activation records of a store with the exits that belong to them.
struct Activations {
    record: *const ActivationRecord,
    exit_fp: usize,
    exit_pc: usize,
}

impl Activations {
    /// # Safety
    /// `vm` is a store's context, and its activation list is intact memory.
    unsafe fn next(&mut self) -> Result<Option<Cursor>, WalkError> {
        if self.record.is_null() {
            return Ok(None);
        }
        // SAFETY: records live on the frames of `arch::enter` calls that have
        // not returned, and unlink themselves when they do. No such call returns
        // during the walk (S1).
        let record = unsafe { self.record.read() };
        if record.entry_fp <= self.record.addr() {
            return Err(WalkError::BrokenActivation);
        }
        if !record.previous.is_null() && record.previous.addr() <= record.entry_fp {
            return Err(WalkError::BrokenActivation);
        }
        let cursor = Cursor::new(self.exit_fp, self.exit_pc, record.entry_fp)?;
        self.record = record.previous;
        self.exit_fp = record.saved_exit_fp;
        self.exit_pc = record.saved_exit_pc;
        Ok(Some(cursor))
    }
}

/// # Safety
/// `vm` is valid for reads.
unsafe fn activations(vm: *const VmStoreContext) -> Activations {
    // SAFETY: by this function's contract.
    unsafe {
        Activations { record: (*vm).activation, exit_fp: (*vm).exit_fp, exit_pc: (*vm).exit_pc }
    }
}

/// The maps that a walk found last, by return address. Deep stacks consist of
/// a few repeated calls. Lives on the walker's frame.
struct RecentMaps<'maps>([(usize, Option<&'maps [u32]>); 16]);

impl<'maps> RecentMaps<'maps> {
    fn new() -> Self {
        Self([(0, None); 16])
    }

    #[inline]
    fn lookup<L: StackMapLookup + ?Sized>(
        &mut self,
        return_address: usize,
        maps: &'maps L,
    ) -> Option<&'maps [u32]> {
        let entry = &mut self.0[(return_address ^ return_address >> 4) % 16];
        if entry.0 != return_address || entry.1.is_none() {
            *entry = (return_address, maps.stack_map(return_address).map(|(_, map)| map));
        }
        entry.1
    }
}

/// Visits every externref that live Wasm frames, and host frames with roots,
/// hold: the precise set, nulls and repetitions included.
///
/// # Errors
/// The first [`WalkError`]; what was visited until then is worthless.
///
/// # Safety
/// `vm` is the context of a store whose activations are all on stacks that do
/// not change: the caller is a host function or builtin that Wasm called, or
/// no Wasm runs. Its host frames are live.
pub unsafe fn walk<L: StackMapLookup + ?Sized>(
    vm: *const VmStoreContext,
    maps: &L,
    visit: &mut impl FnMut(u32) -> Result<(), WalkError>,
) -> Result<WalkStats, WalkError> {
    let mut stats = WalkStats::default();
    let mut recent = RecentMaps::new();
    // SAFETY: passed on from the caller.
    let mut activations = unsafe { activations(vm) };
    // SAFETY: passed on from the caller.
    while let Some(mut cursor) = unsafe { activations.next()? } {
        stats.activations += 1;
        // SAFETY: the activation is live (S1).
        while let Some(frame) = unsafe { cursor.next()? } {
            stats.frames += 1;
            let distances =
                recent.lookup(frame.return_address, maps).ok_or(WalkError::NoStackMap)?;
            // SAFETY: as above.
            unsafe { frame.visit(distances, visit)? };
        }
    }
    // SAFETY: `vm` is valid, by this function's contract. Host frames unlink
    // themselves before they go, and none goes during the walk (S1).
    let mut host = unsafe { (*vm).host_frames };
    while !host.is_null() {
        // SAFETY: as above; the arrays it points to have `len` items.
        unsafe {
            for index in 0..(*host).len {
                if (*host).is_rooted.add(index).read() {
                    visit((*host).values.add(index).read().u32())?;
                }
            }
            host = (*host).previous;
        }
    }
    Ok(stats)
}

/// Fills `buffer` with return addresses, innermost first, over all
/// activations; stops early at a link it does not trust. Returns how many.
///
/// # Safety
/// As for [`walk`].
pub unsafe fn backtrace(vm: *const VmStoreContext, buffer: &mut [usize]) -> usize {
    let mut filled = 0;
    // SAFETY: passed on from the caller.
    let mut activations = unsafe { activations(vm) };
    // SAFETY: passed on from the caller.
    while let Ok(Some(mut cursor)) = unsafe { activations.next() } {
        // SAFETY: the activation is live (S1).
        while let Ok(Some(frame)) = unsafe { cursor.next() } {
            let Some(entry) = buffer.get_mut(filled) else { return filled };
            *entry = frame.return_address;
            filled += 1;
        }
    }
    filled
}
