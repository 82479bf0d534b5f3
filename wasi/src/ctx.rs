//! [`WasiCtx`]: what a guest was handed, and what it has open.

use crate::builder::WasiCtxBuilder;
use crate::host::{Clock, Random, Wait};
use crate::limits::Limits;
use crate::strings::Strings;
use crate::table::Table;
use crate::types::{ClockId, Errno, Result};
use alloc::boxed::Box;
use core::fmt;
use kernref::{Instance, Memory};

/// The clocks that were handed over.
#[derive(Default)]
pub(crate) struct Clocks {
    pub realtime: Option<Box<dyn Clock>>,
    pub monotonic: Option<Box<dyn Clock>>,
    pub process_cpu: Option<Box<dyn Clock>>,
    pub thread_cpu: Option<Box<dyn Clock>>,
}

impl Clocks {
    /// # Errors
    /// [`Errno::Notsup`] if it was not handed over.
    pub fn get(&self, id: ClockId) -> Result<&dyn Clock> {
        let clock = match id {
            ClockId::Realtime => &self.realtime,
            ClockId::Monotonic => &self.monotonic,
            ClockId::ProcessCpu => &self.process_cpu,
            ClockId::ThreadCpu => &self.thread_cpu,
        };
        clock.as_deref().ok_or(Errno::Notsup)
    }

    pub fn now(&self, id: ClockId) -> Result<u64> {
        self.get(id)?.now_ns()
    }
}

/// A guest's context: what it was handed, and what it has open. It lives in the
/// store's data; [`crate::add_to_linker`] is told where.
pub struct WasiCtx {
    pub(crate) args: Strings,
    pub(crate) env: Strings,
    pub(crate) clocks: Clocks,
    pub(crate) random: Option<Box<dyn Random>>,
    pub(crate) wait: Option<Box<dyn Wait>>,
    pub(crate) table: Table,
    pub(crate) limits: Limits,
    /// The memory of the instance that called last.
    pub(crate) memory: Option<(Instance, Memory)>,
    /// Bytes moved by the call in progress, for which it is yet to pay.
    pub(crate) moved_bytes: u64,
}

impl WasiCtx {
    /// A builder of contexts: without anything, to begin with.
    pub fn builder() -> WasiCtxBuilder {
        WasiCtxBuilder::new()
    }

    pub(crate) fn wait(&mut self, until_ns: Option<u64>) -> Result<()> {
        self.wait.as_mut().ok_or(Errno::Notsup)?.wait(until_ns)
    }
}

impl fmt::Debug for WasiCtx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WasiCtx").field("limits", &self.limits).finish_non_exhaustive()
    }
}
