//! Destroys host objects that own each other, without recursion and without
//! thread-local storage.
//!
//! The outermost destruction on a stack claims an entry of a small static
//! table and records where its frame is. A destruction that starts below that
//! frame, within reach, passes its object to the entry's list instead of
//! recursing; the outermost one processes the list. A chain of a million
//! objects thus needs no more stack than one.
//!
//! "Below, within reach" is judged by address, of the entry's owner at the time
//! that its list is found open: an entry keeps the address when it is closed, and
//! another stack may claim it at any moment. If two stacks are closer together than
//! [`REACH_BYTES`], an object may be destroyed on the other one, which is running
//! destructors at that moment anyway. It is never lost, and never destroyed twice. A
//! destructor that itself uses more stack than that nests one level deeper.

use super::externref::Header;
use super::sync::{AtomicPtr, AtomicUsize, Ordering, entries};
use core::ptr::{NonNull, null_mut};

/// How far below a destruction's frame another still counts as nested in it.
const REACH_BYTES: usize = 32 << 10;

struct Entry {
    /// Stack pointer of the destruction that owns the entry.
    frame: AtomicUsize,
    /// Objects that were passed on: a list linked through their headers;
    /// `CLOSED` while nobody owns the entry.
    list: AtomicPtr<Header>,
}

/// A list that accepts nothing: a pointer that no header can have.
const CLOSED: *mut Header = core::ptr::without_provenance_mut(1);
/// A list whose entry has been claimed and is not ready.
const CLAIMED: *mut Header = core::ptr::without_provenance_mut(2);

entries!(ENTRIES: Entry = Entry { frame: AtomicUsize::new(0), list: AtomicPtr::new(CLOSED) });

/// Destroys `object`, whose last handle is gone: now, or when the destruction
/// in which this one is nested gets to it.
pub(super) fn destroy(object: NonNull<Header>) {
    let here = crate::arch::stack_pointer();
    if ENTRIES.iter().any(|entry| entry.hand_over(here, object)) {
        return;
    }
    let guard = Guard { entry: claim_any(here) };
    // SAFETY: the last handle is gone, and this is the only destruction of it.
    unsafe { Header::destroy(object) };
    drop(guard);
}

/// Claims an entry if one is free. Usually the first one is.
fn claim_any(here: usize) -> Option<&'static Entry> {
    #[cold]
    #[inline(never)]
    fn search(here: usize) -> Option<&'static Entry> {
        // Its length is hidden, so that it stays a loop.
        let len = core::hint::black_box(ENTRIES.len());
        ENTRIES.iter().take(len).find(|entry| entry.claim(here))
    }
    match ENTRIES.first() {
        Some(first) if first.claim(here) => Some(first),
        _ => search(here),
    }
}

impl Entry {
    /// Takes `object` if this entry's destruction encloses the caller.
    fn hand_over(&self, here: usize, object: NonNull<Header>) -> bool {
        self.encloses(here) && self.link(here, object)
    }

    fn encloses(&self, here: usize) -> bool {
        let frame = self.frame.load(Ordering::Relaxed);
        here < frame && frame - here <= REACH_BYTES
    }

    /// Out of line: the search through all entries is unrolled.
    #[cold]
    #[inline(never)]
    fn link(&self, here: usize, object: NonNull<Header>) -> bool {
        let mut head = self.list.load(Ordering::Acquire);
        loop {
            // The frame that was seen before can be that of an earlier owner. Whoever
            // opened the list had stored its own before.
            if head == CLOSED || head == CLAIMED || !self.encloses(here) {
                return false;
            }
            // SAFETY: the object is dead and unlinked; its link is ours until
            // the exchange below succeeds.
            unsafe { object.as_ref() }.link.store(head, Ordering::Relaxed);
            match self.list.compare_exchange_weak(
                head,
                object.as_ptr(),
                Ordering::AcqRel,
                Ordering::Acquire,
            ) {
                Ok(_) => return true,
                Err(now) => head = now,
            }
        }
    }

    fn claim(&self, here: usize) -> bool {
        let claimed = self
            .list
            .compare_exchange(CLOSED, CLAIMED, Ordering::Acquire, Ordering::Relaxed)
            .is_ok();
        if claimed {
            self.frame.store(here, Ordering::Relaxed);
            self.list.store(null_mut(), Ordering::Release);
        }
        claimed
    }

    /// Processes the list and closes it, even if a destructor panics.
    fn work_off(&self) {
        let mut rest = Rest { entry: self, object: null_mut(), closed: false };
        rest.destroy_all();
    }
}

/// What is left to destroy: a chain that was taken off the list, and the list.
struct Rest<'e> {
    entry: &'e Entry,
    object: *mut Header,
    closed: bool,
}

impl Rest<'_> {
    fn destroy_all(&mut self) {
        let list = &self.entry.list;
        while !self.closed {
            while let Some(dead) = NonNull::new(self.object) {
                // SAFETY: objects on the list are dead and on no other list;
                // the link is read first, so each is destroyed once.
                unsafe {
                    self.object = dead.as_ref().link.load(Ordering::Relaxed);
                    Header::destroy(dead);
                }
            }
            self.object = list.swap(null_mut(), Ordering::AcqRel);
            self.closed = self.object.is_null()
                && list
                    .compare_exchange(null_mut(), CLOSED, Ordering::AcqRel, Ordering::Relaxed)
                    .is_ok();
        }
    }
}

impl Drop for Rest<'_> {
    fn drop(&mut self) {
        // Anything is left only if a destructor has panicked.
        self.destroy_all();
    }
}

/// Processes the list even if the outermost destructor panics.
struct Guard {
    entry: Option<&'static Entry>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(entry) = self.entry {
            entry.work_off();
        }
    }
}
