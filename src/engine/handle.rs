//! [`Engine`]: what the modules and stores of one configuration share: the
//! type registry, the providers of memory, and the epoch. Immutable but for
//! the registry and the counter; cheap to clone; usable from any thread.

use super::code_ranges::CodeRanges;
use super::config::Config;
use super::fault;
use super::registry::TypeRegistry;
use super::shared::Shared;
use crate::abi::FaultRegisters;
#[cfg(feature = "std")]
use crate::alloc;
use crate::alloc::{CodeMemory, MemorySource};
#[cfg(feature = "compile")]
use crate::artifact::Artifact;
use crate::artifact::{CodeFlavor, FuncType};
use crate::error::{Error, Misuse, Result};
use core::sync::atomic::{AtomicU64, Ordering};
use std_alloc::sync::Arc;

/// Configuration and state that modules and stores share.
#[derive(Clone)]
pub struct Engine {
    inner: Shared<EngineInner>,
}

struct EngineInner {
    config: Config,
    flavor: CodeFlavor,
    memory_source: Arc<dyn MemorySource>,
    code_memory: Arc<dyn CodeMemory>,
    types: TypeRegistry,
    epoch: AtomicU64,
    /// Used in kernels; a host has one for the process.
    #[cfg(not(feature = "std"))]
    code_ranges: CodeRanges,
}

impl Engine {
    /// An engine with this configuration.
    ///
    /// # Errors
    /// [`Misuse::InvalidConfig`] when a provider of memory is missing, a number
    /// is out of range, the processor lacks what code with floats needs or has vector
    /// instructions or the MMU off, or checks alignment (the message names the register
    /// and the bit), or a switch is not for it; in an x86_64 kernel that tracks indirect branches; with
    /// [`Config::hardware_traps`] on a host, when it has no signal handler for them.
    pub fn new(config: &Config) -> Result<Self> {
        if config.floating_point
            && let Some(missing) = crate::arch::missing_for_floats()
        {
            return Err(Misuse::InvalidConfig(missing).into());
        }
        if config.floating_point
            && let Some(why) = crate::arch::vectors_off()
        {
            return Err(Misuse::InvalidConfig(why).into());
        }
        if let Some(why) = crate::arch::memory_unsuited() {
            return Err(Misuse::InvalidConfig(why).into());
        }
        if (config.use_bti || config.sign_return_address) && !crate::arch::PROTECTS_BRANCHES {
            return Err(Misuse::InvalidConfig(
                "use_bti and sign_return_address are for aarch64: this processor has neither",
            )
            .into());
        }
        if let Some(enforced) = crate::arch::enforced_landings() {
            return Err(Misuse::InvalidConfig(enforced).into());
        }
        if config.reference_slots < 1 {
            return Err(Misuse::InvalidConfig("reference_slots must be at least 1").into());
        }
        match config.stack_budget_bytes() {
            None => return Err(NO_STACK.into()),
            Some(bytes) if bytes < 2 * crate::abi::STACK_MARGIN_BYTES as usize => {
                return Err(Misuse::InvalidConfig("max_wasm_stack must be at least 8 KiB").into());
            }
            Some(_) => {}
        }
        let (memory_source, code_memory) = providers(config)?;
        let inner = EngineInner {
            config: config.clone(),
            flavor: config.flavor(),
            memory_source,
            code_memory,
            types: TypeRegistry::new(config.hash_seed),
            epoch: AtomicU64::new(0),
            #[cfg(not(feature = "std"))]
            code_ranges: CodeRanges::new(),
        };
        let engine = Self { inner: Shared::new(inner)? };
        engine.code_ranges().prepare();
        #[cfg(feature = "std")]
        if config.hardware_traps {
            super::host_faults::install()?;
        }
        Ok(engine)
    }

    /// The configuration the engine was made with.
    pub fn config(&self) -> &Config {
        &self.inner.config
    }

    /// Compiles a module to what [`crate::Module::from_artifact`] loads, in
    /// this engine or any other that works in the same way.
    ///
    /// # Errors
    /// Those of [`crate::Module::new`] that are not about publishing.
    #[cfg(feature = "compile")]
    pub fn precompile_module(&self, wasm: impl AsRef<[u8]>) -> Result<Artifact> {
        self.compilation(wasm.as_ref())?.precompile()
    }

    /// Where generated code lies: of this engine; on a host, of all engines.
    pub(crate) fn code_ranges(&self) -> &CodeRanges {
        #[cfg(feature = "std")]
        return &super::host_faults::CODE_RANGES;
        #[cfg(not(feature = "std"))]
        return &self.inner.code_ranges;
    }

    /// Tells the engine from all others that are alive.
    pub(crate) fn id(&self) -> usize {
        (&raw const *self.inner).addr()
    }

    /// What code must be like to run here.
    pub(crate) fn flavor(&self) -> &CodeFlavor {
        &self.inner.flavor
    }

    /// For the kernel's handler of page faults (x86_64) and data aborts
    /// (aarch64): if an access to a linear memory of this engine's stores
    /// raised the fault, rewrites the registers so that returning to them ends
    /// the Wasm activation with [`crate::Trap::MemoryOutOfBounds`], and returns
    /// true. Otherwise the fault is not Kernref's: returns false and leaves the
    /// registers as they were. The handler must restore all other registers and
    /// flags unchanged.
    ///
    /// `address` is the address that was accessed: CR2 or FAR.
    ///
    /// Takes no lock, never waits and allocates nothing; may be called on any
    /// processor at any time, whatever the others do and whatever it interrupts.
    /// Takes time proportional to the number of frames of the activation, and to
    /// the logarithm of the number of loaded modules. Who loads or drops a module
    /// meanwhile waits for it.
    ///
    /// # Safety
    /// The registers are those of code that was interrupted on this processor
    /// in the kernel's own mode, by a synchronous fault at `pc`; its stack is
    /// mapped and stands still until this returns.
    pub unsafe fn handle_fault(&self, registers: &mut FaultRegisters, address: usize) -> bool {
        // SAFETY: passed on to the caller.
        unsafe { fault::handle(self.code_ranges(), Some(self.id()), registers, address) }
    }

    /// For the kernel's handler of timer and inter-processor interrupts: if the
    /// interrupted thread runs generated code of this engine, and someone has asked
    /// that the guest of its store end ([`crate::Store::interrupt_handle`]), rewrites the
    /// registers so that returning to them ends the newest Wasm activation with
    /// [`crate::Trap::Interrupt`], and returns true. Otherwise there is nothing to do
    /// now: returns false and leaves the registers as they were. The request is
    /// then noticed when a host function or the runtime returns to Wasm, or at the
    /// next interrupt.
    ///
    /// May be called as [`Self::handle_fault`] may, and takes as long.
    ///
    /// # Safety
    /// The registers are those of code that was interrupted on this processor in
    /// the kernel's own mode, at any instruction; its stack is mapped and stands
    /// still until this returns. If this returns true, the thread does nothing else
    /// before it continues with the new registers, on this processor or another, with
    /// all other registers and flags as they were, and with `PSTATE.BTYPE` zero on aarch64.
    pub unsafe fn handle_interrupt(&self, registers: &mut FaultRegisters) -> bool {
        // SAFETY: passed on to the caller.
        unsafe { fault::handle_interrupt(self.code_ranges(), Some(self.id()), registers) }
    }

    /// Whether an address lies in code of this engine that is loaded; on a host, in code
    /// of any engine.
    #[doc(hidden)]
    pub fn is_published(&self, address: usize) -> bool {
        fault::is_published(self.code_ranges(), address)
    }

    /// Advances the epoch by one. May be called from an interrupt handler.
    pub fn increment_epoch(&self) {
        self.inner.epoch.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether two handles name the same engine.
    pub fn same(&self, other: &Engine) -> bool {
        self.inner.ptr_eq(&other.inner)
    }

    pub(crate) fn check_same(&self, other: &Engine) -> Result<()> {
        if self.same(other) { Ok(()) } else { Err(Misuse::WrongEngine.into()) }
    }

    /// The current epoch. Its address is stable while the engine lives.
    pub(crate) fn epoch(&self) -> &AtomicU64 {
        &self.inner.epoch
    }

    pub(crate) fn memory_source(&self) -> &dyn MemorySource {
        &*self.inner.memory_source
    }

    pub(crate) fn code_memory(&self) -> &Arc<dyn CodeMemory> {
        &self.inner.code_memory
    }

    /// Counts a user of `ty` and returns the type's number.
    pub(crate) fn register_type(&self, ty: &FuncType) -> Result<u32> {
        self.inner.types.register(ty)
    }

    /// Gives back what [`Self::register_type`] counted.
    pub(crate) fn unregister_type(&self, id: u32) {
        self.inner.types.unregister(id);
    }

    /// The type with a number that someone counts.
    pub(crate) fn func_type(&self, id: u32) -> Result<Shared<FuncType>> {
        self.inner.types.get(id).ok_or(Error::Bug("type number without a type"))
    }
}

const NO_STACK: Misuse =
    Misuse::InvalidConfig("max_wasm_stack or stack_bounds must say how much stack Wasm may use");

#[cfg(feature = "std")]
fn providers(config: &Config) -> Result<(Arc<dyn MemorySource>, Arc<dyn CodeMemory>)> {
    Ok((
        match &config.memory_source {
            Some(source) => source.clone(),
            None => {
                let (source, limits) = (alloc::MmapMemorySource, alloc::PoolLimits::default());
                alloc::try_arc(alloc::PoolingMemorySource::new(source, limits)?)?
            }
        },
        match &config.code_memory {
            Some(memory) => memory.clone(),
            None => alloc::try_arc(alloc::MmapCodeMemory)?,
        },
    ))
}

#[cfg(not(feature = "std"))]
fn providers(config: &Config) -> Result<(Arc<dyn MemorySource>, Arc<dyn CodeMemory>)> {
    let source = config.memory_source.clone();
    let code = config.code_memory.clone();
    Ok((
        source.ok_or(Misuse::InvalidConfig("Config::memory_source is required without `std`"))?,
        code.ok_or(Misuse::InvalidConfig("Config::code_memory is required without `std`"))?,
    ))
}

impl core::fmt::Debug for Engine {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Engine").field("config", &self.inner.config).finish_non_exhaustive()
    }
}
