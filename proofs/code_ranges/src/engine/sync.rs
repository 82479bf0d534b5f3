//! Replaces the library's `sync.rs`: loom's atomics and cells, and a fault that can be
//! planted.

pub(super) use loom::sync::atomic::{AtomicUsize, Ordering};
pub(super) use loom::thread::yield_now as pause;
use std::cell::Cell;

/// As in the library; loom sees who looks at it and who changes it.
pub(super) type ListCell<V> = loom::cell::UnsafeCell<V>;

/// Lets writers take turns.
pub(super) struct TurnLock(loom::sync::Mutex<()>);

impl TurnLock {
    pub(super) fn new(value: ()) -> Self {
        Self(loom::sync::Mutex::new(value))
    }

    pub(super) fn lock(&self) -> loom::sync::MutexGuard<'_, ()> {
        self.0.lock().expect("no panic in a turn")
    }
}

thread_local! {
    /// Loom runs all threads of a model on the one that called it.
    static NO_WAITING: Cell<bool> = const { Cell::new(false) };
}

/// From now on, writers on this thread wait for no reader.
pub fn plant_no_waiting() {
    NO_WAITING.set(true);
}

/// Whether nobody uses this counter.
pub(super) fn has_left(readers: &AtomicUsize) -> bool {
    NO_WAITING.get() || readers.fetch_add(0, Ordering::SeqCst) == 0
}

macro_rules! new_fn {
    ($value:expr) => {
        pub(crate) fn new() -> Self {
            $value
        }
    };
}
pub(super) use new_fn;
