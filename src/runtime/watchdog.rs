//! [`Watchdog::run`]: a store with a limit of time.

use super::store::{AsContextMut, Store};
use crate::abi::STATUS_OVERDUE;
use crate::engine::{Watchdog, Watched};
use crate::error::Result;
use core::time::Duration;

impl Watchdog {
    /// Runs `body`, and ends what it calls in the store once `limit` has passed: with
    /// [`Trap::Interrupt`](crate::Trap), as by [`Store::interrupt_handle`]. It ends
    /// within about a millisecond, plus what a host function takes.
    ///
    /// Only the innermost of nested stores can be ended: a guest of *another* store
    /// that a host function of this one has called must be watched itself.
    ///
    /// ```
    /// # use kernref::{Config, Engine, Instance, Module, Store, Trap, Watchdog};
    /// # use std::time::Duration;
    /// # fn main() -> kernref::Result<()> {
    /// # let engine = Engine::new(&Config::new())?;
    /// # let wasm = wat::parse_str(r#"(module (func (export "spin") (loop (br 0))))"#).unwrap();
    /// # let mut store = Store::new(&engine, ())?;
    /// # let instance = Instance::new(&mut store, &Module::new(&engine, wasm)?, &[])?;
    /// let watchdog = Watchdog::new()?;
    /// let spin = instance.get_typed_func::<(), ()>(&mut store, "spin")?;
    /// let limit = Duration::from_millis(5);
    /// let outcome = watchdog.run(&mut store, limit, |store| spin.call(store, ()))?;
    /// assert_eq!(outcome.unwrap_err().as_trap(), Some(Trap::Interrupt));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`], before `body` has run.
    pub fn run<T: 'static, R>(
        &self,
        store: &mut Store<T>,
        limit: Duration,
        body: impl FnOnce(&mut Store<T>) -> R,
    ) -> Result<R> {
        let watched = self.watch(store.interrupt_handle(), limit)?;
        let within = Within { store, watched };
        Ok(body(within.store))
    }
}

/// Ends the watch, and takes back what it has asked for, also after a panic.
struct Within<'a, T: 'static> {
    store: &'a mut Store<T>,
    watched: Watched<'a>,
}

impl<T: 'static> Drop for Within<'_, T> {
    fn drop(&mut self) {
        if self.watched.end() {
            self.store.as_context_mut().opaque_mut().take_back(STATUS_OVERDUE);
        }
    }
}
