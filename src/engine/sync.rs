//! What the list of code consists of that a model checker must see. It is in one
//! place, so that `proofs/code_ranges` can replace it.

use core::cell::UnsafeCell;
pub(super) use core::hint::spin_loop as pause;
pub(super) use core::sync::atomic::{AtomicUsize, Ordering};

/// Lets writers take turns.
pub(super) type TurnLock = spin::mutex::SpinMutex<()>;

/// Whether nobody uses this counter. Adding nothing, rather than a load: whoever is
/// counted later then sees what was stored before, whatever order other places are in.
pub(super) fn has_left(readers: &AtomicUsize) -> bool {
    readers.fetch_add(0, Ordering::SeqCst) == 0
}

/// A list; whoever looks at it or changes it vouches for being allowed to.
pub(super) struct ListCell<V>(UnsafeCell<V>);

impl<V> ListCell<V> {
    pub(super) const fn new(value: V) -> Self {
        Self(UnsafeCell::new(value))
    }

    #[inline]
    pub(super) fn with<R>(&self, look: impl FnOnce(*const V) -> R) -> R {
        look(self.0.get())
    }

    #[inline]
    pub(super) fn with_mut<R>(&self, change: impl FnOnce(*mut V) -> R) -> R {
        change(self.0.get())
    }
}

/// The constructor of what is in a static here, and made anew for each model there.
macro_rules! new_fn {
    ($value:expr) => {
        pub(crate) const fn new() -> Self {
            $value
        }
    };
}
pub(super) use new_fn;
