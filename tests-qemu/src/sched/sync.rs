//! [`Mutex`]: a lock whose waiters give their processor to others.

use super::thread::{Thread, current, park};
use crate::lock::Lock;
use alloc::collections::VecDeque;
use core::cell::UnsafeCell;
use core::ops::{Deref, DerefMut};

struct State {
    held: bool,
    waiting: VecDeque<Thread>,
}

/// A value that one thread uses at a time. The others wait in the order in
/// which they came; a thread that holds it may be preempted, and may wait.
pub struct Mutex<V> {
    state: Lock<State>,
    value: UnsafeCell<V>,
}

// SAFETY: the value is used by the holder alone.
unsafe impl<V: Send> Sync for Mutex<V> {}

impl<V> Mutex<V> {
    /// A value that nobody uses.
    pub const fn new(value: V) -> Self {
        let state = State { held: false, waiting: VecDeque::new() };
        Self { state: Lock::new(state), value: UnsafeCell::new(value) }
    }

    /// Waits for the value.
    ///
    /// # Panics
    /// If called elsewhere than in a thread.
    pub fn lock(&self) -> MutexGuard<'_, V> {
        let this = current().expect("a thread");
        let mut waits = false;
        loop {
            let mut state = self.state.lock();
            let first = state.waiting.front() == Some(&this);
            if !state.held && (first || state.waiting.is_empty()) {
                if first {
                    state.waiting.pop_front();
                }
                state.held = true;
                return MutexGuard { mutex: self };
            }
            if !core::mem::replace(&mut waits, true) {
                state.waiting.push_back(this);
            }
            drop(state);
            park();
        }
    }
}

/// Holds the value.
pub struct MutexGuard<'m, V> {
    mutex: &'m Mutex<V>,
}

impl<V> Deref for MutexGuard<'_, V> {
    type Target = V;

    fn deref(&self) -> &V {
        // SAFETY: this is the holder.
        unsafe { &*self.mutex.value.get() }
    }
}

impl<V> DerefMut for MutexGuard<'_, V> {
    fn deref_mut(&mut self) -> &mut V {
        // SAFETY: this is the holder.
        unsafe { &mut *self.mutex.value.get() }
    }
}

impl<V> Drop for MutexGuard<'_, V> {
    fn drop(&mut self) {
        let mut state = self.mutex.state.lock();
        state.held = false;
        let next = state.waiting.front().copied();
        drop(state);
        if let Some(next) = next {
            next.unpark();
        }
    }
}
