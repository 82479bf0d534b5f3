//! [`Slots`]: which compilations are running, found by an address on their
//! stack or in their region. Read by every allocation on every processor while
//! compilations come and go: no reader waits.
//!
//! A slot is read as under a sequence lock, but a reader that meets a change
//! passes on, since a change is never of its own: a compilation's slot is
//! written before its stack is entered and after it is left (C1).

use super::running::Running;
use super::sync::{AtomicPtr, AtomicU32, AtomicUsize, Ordering, constant, equal, fence};
use crate::error::{Misuse, Result};
use core::ops::Range;
use core::ptr;

pub use super::sync::MAX_CONFINED_COMPILATIONS;

/// The lowest bits of a slot's version: what state it is in.
const STATES: u32 = 4;
const FREE: u32 = 0;
const IN_USE: u32 = 2;

struct Slot {
    /// Goes up by one with every change of state. The states between free and in
    /// use are odd.
    version: AtomicU32,
    stack: [AtomicUsize; 2],
    region: [AtomicUsize; 2],
    running: AtomicPtr<Running<'static>>,
}

impl Slot {
    constant! {
        fn new() -> Self {
            Self {
                version: AtomicU32::new(FREE),
                stack: [AtomicUsize::new(0), AtomicUsize::new(0)],
                region: [AtomicUsize::new(0), AtomicUsize::new(0)],
                running: AtomicPtr::new(ptr::null_mut()),
            }
        }
    }

    /// The compilation whose range, of stack or region, has this address.
    #[inline]
    fn find(&self, range: impl Fn(&Self) -> &[AtomicUsize; 2], address: usize) -> Option<Found> {
        let before = self.version.load(Ordering::Acquire);
        if before % STATES != IN_USE {
            return None;
        }
        let [start, end] = range(self).each_ref().map(|bound| bound.load(Ordering::Relaxed));
        let running = self.running.load(Ordering::Relaxed);
        let stack = self.stack.each_ref().map(|bound| bound.load(Ordering::Relaxed));
        fence(Ordering::Acquire);
        let unchanged = self.version.load(Ordering::Relaxed) == before;
        let found = (start..end).contains(&address) && unchanged;
        found.then_some(Found { running, stack: stack[0]..stack[1] })
    }
}

/// A compilation that was running when it was found.
pub(super) struct Found {
    running: *mut Running<'static>,
    stack: Range<usize>,
}

impl Found {
    /// The compilation, if `stack_pointer`, that of the caller, is on its stack:
    /// then it cannot end meanwhile.
    #[inline]
    pub(super) fn if_current(&self, stack_pointer: usize) -> Option<&Running<'static>> {
        let current = self.stack.contains(&stack_pointer);
        // SAFETY: whoever is on the stack is within the compilation's `run`, whose
        // frame owns what this points to (C1).
        current.then(|| unsafe { &*self.running })
    }
}

/// A list of all compilations that run.
pub(super) struct Slots {
    /// How many are in use.
    in_use: AtomicUsize,
    slots: [Slot; MAX_CONFINED_COMPILATIONS],
}

impl Slots {
    constant! {
        pub(super) fn new() -> Self {
            Self {
                in_use: AtomicUsize::new(0),
                slots: equal![Slot::new(); MAX_CONFINED_COMPILATIONS],
            }
        }
    }

    #[inline]
    fn used(&self) -> &[Slot] {
        // Relaxed: who looks for a compilation of its own has counted it before.
        match self.in_use.load(Ordering::Relaxed) {
            0 => &[],
            _ => &self.slots,
        }
    }

    /// The compilation on whose stack this is.
    #[inline]
    pub(super) fn with_stack(&self, stack_pointer: usize) -> Option<Found> {
        self.used().iter().find_map(|slot| slot.find(|slot| &slot.stack, stack_pointer))
    }

    /// The compilation in whose region this is.
    #[inline]
    pub(super) fn with_region(&self, address: usize) -> Option<Found> {
        self.used().iter().find_map(|slot| slot.find(|slot| &slot.region, address))
    }

    /// Lists a compilation until the answer is dropped.
    ///
    /// # Errors
    /// [`Misuse::Busy`] beyond [`MAX_CONFINED_COMPILATIONS`].
    pub(super) fn enter(
        &self,
        stack: Range<usize>,
        region: Range<usize>,
        running: *mut Running<'static>,
    ) -> Result<Listed<'_>> {
        for slot in &self.slots {
            let version = slot.version.load(Ordering::Relaxed);
            let claimed = version % STATES == FREE
                && slot
                    .version
                    .compare_exchange(
                        version,
                        version.wrapping_add(1),
                        Ordering::Acquire,
                        Ordering::Relaxed,
                    )
                    .is_ok();
            if !claimed {
                continue;
            }
            // A reader that sees any of what follows sees the version change.
            fence(Ordering::Release);
            for (place, range) in [(&slot.stack, stack), (&slot.region, region)] {
                place[0].store(range.start, Ordering::Relaxed);
                place[1].store(range.end, Ordering::Relaxed);
            }
            slot.running.store(running, Ordering::Relaxed);
            slot.version.store(version.wrapping_add(IN_USE), Ordering::Release);
            self.in_use.fetch_add(1, Ordering::Relaxed);
            return Ok(Listed { slot, in_use: &self.in_use });
        }
        Err(Misuse::Busy.into())
    }
}

/// A compilation's place in the list.
pub(super) struct Listed<'s> {
    slot: &'s Slot,
    in_use: &'s AtomicUsize,
}

impl Drop for Listed<'_> {
    fn drop(&mut self) {
        // The state between: nobody has to see it, since nothing is overwritten.
        self.slot.version.fetch_add(STATES - IN_USE, Ordering::Release);
        self.in_use.fetch_sub(1, Ordering::Relaxed);
    }
}
