//! [`DroppingStore`]: a store that is dropped in steps.

use super::Store;
use super::context::AsContextMut;

/// What is left of a store that is being dropped in steps. Dropping this does the
/// rest at once.
#[must_use = "dropping it does the rest at once"]
pub struct DroppingStore<T: 'static> {
    store: Store<T>,
}

impl<T: 'static> Store<T> {
    /// Begins to drop the store, for a thread that must not be held up: gives back
    /// up to `budget` things that it owns (references first, each with its
    /// object's destructor; then memories, instances, tables and modules). What is
    /// left is returned, to go on with; `None` if nothing is.
    ///
    /// A memory or a module is given back in one piece. The embedder's data goes
    /// last, with the store.
    ///
    /// ```
    /// # fn done(store: kernref::Store<()>) {
    /// let mut rest = store.drop_step(1000);
    /// while let Some(more) = rest {
    ///     // … let others run …
    ///     rest = more.drop_step(1000);
    /// }
    /// # }
    /// # done(kernref::Store::new(&kernref::Engine::new(&kernref::Config::new()).unwrap(), ()).unwrap());
    /// ```
    pub fn drop_step(self, budget: usize) -> Option<DroppingStore<T>> {
        DroppingStore { store: self }.drop_step(budget)
    }
}

impl<T: 'static> DroppingStore<T> {
    /// The next step: as [`Store::drop_step`]. A budget of 0 does nothing.
    pub fn drop_step(mut self, budget: usize) -> Option<Self> {
        match self.store.as_context_mut().opaque_mut().drop_step(budget) {
            0 => Some(self),
            _ => None,
        }
    }
}

impl<T: 'static> core::fmt::Debug for DroppingStore<T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("DroppingStore").field("store", &self.store).finish()
    }
}
