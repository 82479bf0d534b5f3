//! [`Compilation`]: compiling that can be watched, limited in time, and ended.
//!
//! Invariant: whatever ends it leaves nothing behind: what was made so far is
//! freed, and the engine is as before.

use super::handle::Engine;
use super::interrupt::InterruptHandle;
use super::module::Module;
use crate::alloc::Inside;
use crate::arch::DefaultControlWord;
use crate::artifact::Artifact;
use crate::compile::{self, CompileProgress};
use crate::error::{Error, Result};
use core::mem::MaybeUninit;
use core::sync::atomic::Ordering;

/// A compilation before it begins, from [`Engine::compilation`].
///
/// ```
/// # use kernref::{Config, Engine, Error};
/// # fn compile(engine: &Engine, wasm: &[u8]) -> kernref::Result<()> {
/// let compilation = engine.compilation(wasm)?;
/// let handle = compilation.interrupt_handle();
/// // … give the handle to whoever may end it …
/// match compilation.epoch_deadline(50).run() {
///     Ok(module) => println!("{} bytes of code", module.code_size()),
///     Err(Error::Interrupted) if handle.is_interrupted() => println!("ended by hand"),
///     Err(Error::Interrupted) => println!("it took too long"),
///     Err(error) => return Err(error),
/// }
/// # Ok(())
/// # }
/// ```
pub struct Compilation<'a> {
    engine: &'a Engine,
    wasm: &'a [u8],
    handle: InterruptHandle,
    /// The epoch at which it ends.
    deadline: Option<u64>,
    progress: Option<&'a mut dyn FnMut(CompileProgress)>,
    region: Option<&'a mut [MaybeUninit<u8>]>,
}

impl Engine {
    /// A compilation of `wasm`, which is yet to be started: first take its
    /// handle, and say how long it may take.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn compilation<'a>(&'a self, wasm: &'a [u8]) -> Result<Compilation<'a>> {
        let handle = InterruptHandle::new()?;
        Ok(Compilation { engine: self, wasm, handle, deadline: None, progress: None, region: None })
    }
}

impl<'a> Compilation<'a> {
    /// What ends the compilation, from wherever it is called.
    pub fn interrupt_handle(&self) -> InterruptHandle {
        self.handle.clone()
    }

    /// Ends the compilation when the engine's epoch
    /// ([`Engine::increment_epoch`]) is `ticks_beyond_current` further than now.
    /// Without this it may take as long as it does.
    #[must_use]
    pub fn epoch_deadline(mut self, ticks_beyond_current: u64) -> Self {
        let now = self.engine.epoch().load(Ordering::Relaxed);
        self.deadline = Some(now.saturating_add(ticks_beyond_current));
        self
    }

    /// Calls `progress` every few microseconds, and before the code of each
    /// function is generated. It runs within the compilation, on the stack of
    /// its caller.
    #[must_use]
    pub fn on_progress<'p>(self, progress: &'p mut dyn FnMut(CompileProgress)) -> Compilation<'p>
    where
        'a: 'p,
    {
        let Self { engine, wasm, handle, deadline, region, .. } = self;
        Compilation { engine, wasm, handle, deadline, progress: Some(progress), region }
    }

    /// Lends memory for the compiler's region, in place of what the engine's
    /// [`CompileMemory`](crate::CompileMemory) would take. Without one it is not
    /// used.
    #[must_use]
    pub fn region(mut self, memory: &'a mut [MaybeUninit<u8>]) -> Self {
        self.region = Some(memory);
        self
    }

    /// Compiles the module and publishes its code.
    ///
    /// # Errors
    /// Those of [`Module::new`]; [`Error::Interrupted`] if the handle was used,
    /// or the deadline passed, before the module was ready. That is noticed
    /// within some hundred operators of a function, between sections, and before
    /// the code of each function is generated; with memory of its own
    /// ([`Config::compile_memory`](crate::Config::compile_memory)) also whenever
    /// the compiler allocates.
    pub fn run(self) -> Result<Module> {
        let engine = self.engine;
        Module::from_artifact(engine, self.precompile()?)
    }

    /// Compiles the module to what [`Module::from_artifact`] loads.
    ///
    /// # Errors
    /// Those of [`Self::run`] that are not about publishing.
    pub fn precompile(self) -> Result<Artifact> {
        let Self { engine, wasm, handle, deadline, mut progress, region } = self;
        let settings = engine.config().compile_settings();
        // The compiler computes constants.
        let _word = DefaultControlWord::set();
        let ended = || {
            handle.is_interrupted()
                || deadline.is_some_and(|end| engine.epoch().load(Ordering::Relaxed) >= end)
        };
        let go_on = || if ended() { Err(Error::Interrupted) } else { Ok(()) };
        let Some(memory) = &engine.config().compile_memory else {
            let mut ask = |at| {
                if let Some(progress) = &mut progress {
                    progress(at);
                }
                go_on()
            };
            return compile::supervised(wasm, &settings, &mut ask);
        };
        let mut made = None;
        let mut body = |inside: &Inside<'_>| {
            let mut ask = |at| {
                if let Some(progress) = &mut progress {
                    inside.on_callers_stack(&mut || progress(at));
                }
                go_on()
            };
            let result = compile::supervised(wasm, &settings, &mut ask);
            made = Some(inside.outside(|| match &result {
                Ok(artifact) => artifact.try_clone(),
                Err(error) => Err(error.copied()),
            }));
            // The region goes as a whole.
            core::mem::forget(result);
        };
        // SAFETY: what the compiler owns it has allocated, and it allocates under no
        // lock (C3). What is made is copied (C2).
        unsafe { memory.run(region, &ended, &mut body)? };
        made.unwrap_or(Err(Error::Bug("a compilation without a result")))
    }
}

impl core::fmt::Debug for Compilation<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Compilation")
            .field("bytes", &self.wasm.len())
            .field("handle", &self.handle)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}
