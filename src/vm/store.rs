//! [`StoreOpaque`]: all of a store that does not depend on the embedder's
//! data, and [`StorePtr`], the one way to it.
//!
//! The rules of a store, cited by `SAFETY` notes:
//!
//! - **V1** A store, its context and the contexts of its instances stay where
//!   they are from creation to drop: generated code and handles point to them.
//! - **V2** A store is reached through copies of one [`StorePtr`] alone, whose
//!   provenance covers the embedder's data as well.
//! - **V3** A reference made from that pointer ends before generated code or
//!   embedder code runs. Whoever is returned to makes a new one.
//! - **V4** While a store is borrowed its generated code does not run: the
//!   borrower may use what generated code uses. Code that waits on the stack
//!   reads lengths and elements anew after each call.
//! - **V5** A context is laid out by its module, and addressed with that
//!   module's offsets alone. Generated code passes its own context.
//! - **V6** What a handle names lives as long as its store. A handle is checked
//!   to be of the store at hand before it is followed.

use super::backtrace::RawBacktrace;
use super::code_map::CodeMap;
use super::context::{SharedBlock, VmBlock};
use super::exit_stubs::ExitStubs;
use super::global::GlobalCell;
use super::host_def::StoreHostFunc;
use super::instance::InstanceData;
use super::layout::{Region, StoreFunctions};
use super::memory::MemoryData;
use super::raw_box::OwnedBox;
use super::recount::Recount;
use super::roots::Roots;
use super::table::TableData;
use super::way_in::WayIn;
use crate::abi::VmStoreContext;
use crate::alloc;
use crate::engine::Engine;
use crate::engine::Module;
use crate::engine::ResourceLimiter;
use crate::error::{Error, Misuse, Result};
use crate::gc::RefHeap;
use core::mem::MaybeUninit;
use core::num::NonZeroU64;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU64, Ordering};
use std_alloc::vec::Vec;

/// Tells the handles of one store from those of every other store ever made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StoreId(NonZeroU64);

impl StoreId {
    fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        // A 64-bit counter does not wrap around.
        Self(NonZeroU64::new(id).unwrap_or(NonZeroU64::MAX))
    }

    /// Whether a handle of the store with this id is one of `store`.
    ///
    /// # Errors
    /// [`Misuse::WrongStore`].
    #[inline]
    pub(crate) fn check(self, store: &StoreOpaque) -> Result<()> {
        if self == store.id { Ok(()) } else { Err(Misuse::WrongStore.into()) }
    }
}

/// The root pointer of a store. Copies share its provenance, which covers the
/// embedder's data as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StorePtr(NonNull<StoreOpaque>);

impl StorePtr {
    /// The root pointer of a store: with the provenance of all of it (V2).
    #[inline]
    pub(crate) fn new(root: NonNull<StoreOpaque>) -> Self {
        Self(root)
    }

    /// The store that `vm` belongs to.
    ///
    /// # Safety
    /// `vm` is the context of a live store.
    #[inline]
    pub(crate) unsafe fn from_vm(vm: *mut VmStoreContext) -> Self {
        // SAFETY: every store context is the first field of a `VmBlock`, which
        // names its owner (V2).
        Self(unsafe { (*vm.cast::<VmBlock>()).owner }.cast())
    }

    /// The store.
    ///
    /// # Safety
    /// The store is alive, the caller has the exclusive right to use it, and
    /// no other reference made by this method is in use.
    #[inline]
    pub(crate) unsafe fn get<'a>(self) -> &'a mut StoreOpaque {
        // SAFETY: passed on to the caller.
        unsafe { &mut *self.0.as_ptr() }
    }

    /// The context that generated code sees.
    ///
    /// # Safety
    /// As for [`Self::get`].
    #[inline]
    pub(crate) unsafe fn vm(self) -> *mut VmStoreContext {
        // SAFETY: passed on to the caller; the pointer itself never changes (V1).
        unsafe { (*self.0.as_ptr()).vm.as_non_null().as_ptr().cast() }
    }

    pub(crate) fn as_non_null(self) -> NonNull<StoreOpaque> {
        self.0
    }
}

/// Reaches the embedder's limiter inside its data, if there is one.
pub(crate) type LimiterAccess =
    unsafe fn(StorePtr, &mut dyn FnMut(&mut dyn ResourceLimiter) -> bool) -> bool;
/// Runs the embedder's epoch callback.
pub(crate) type EpochAccess = unsafe fn(StorePtr) -> Result<()>;

/// The payload of a caught panic.
#[cfg(feature = "std")]
pub(crate) type PanicPayload = std_alloc::boxed::Box<dyn core::any::Any + Send>;

/// All of a store but the embedder's data and what depends on its type. Public
/// so that the conversion traits can name it; nobody outside can.
#[doc(hidden)]
pub struct StoreOpaque {
    // Fields that are touched on the way into and out of Wasm come first.
    pub(crate) id: StoreId,
    pub(crate) auto_drain: bool,
    /// What makes calls from the host something else than usual.
    pub(crate) way_in: WayIn,
    /// Set while a trap of a nested activation passes through a host function:
    /// the backtrace is kept then.
    pub(crate) trap_passes: bool,
    /// An activation was ended because someone had asked for it, and the outermost
    /// call has not ended since.
    pub(crate) interrupt_delivered: bool,
    pub(crate) stack_budget_bytes: usize,
    /// Given by the embedder; 0: none.
    pub(crate) fixed_stack_limit: usize,
    /// While [`WayIn::IN_HOST_CALL`]: the stack pointer of the outermost call. The
    /// stack limit was set for it.
    pub(crate) host_call_at: usize,
    /// Serial number of the newest host frame or root.
    pub(crate) serial: u64,
    pub(crate) roots: Roots,
    // Fields are dropped in order: the heap before its region and the context that
    // it uses (G5), and after them nothing that could still point to a slot.
    pub(crate) heap: RefHeap,
    _region: Region,
    vm: SharedBlock,
    pub(crate) code: CodeMap,
    pub(crate) instances: Vec<InstanceData>,
    pub(crate) memories: Vec<MemoryData>,
    pub(crate) tables: Vec<TableData>,
    pub(crate) host_funcs: Vec<OwnedBox<StoreHostFunc>>,
    /// Cells of globals that the host made.
    pub(crate) global_cells: Vec<GlobalCell>,
    pub(crate) exit_stubs: ExitStubs,
    pub(crate) counted_places: u64,
    pub(crate) recount: Recount,
    /// Memory that is held for the guest: linear memories, tables, contexts of
    /// instances, and what is kept of each entity.
    pub(crate) guest_bytes: usize,
    /// The fuel that the embedder set last, and what was consumed before.
    pub(crate) fuel_given: u64,
    pub(crate) fuel_consumed: u64,
    pub(crate) pending: Option<Error>,
    #[cfg(feature = "std")]
    pub(crate) panic: Option<PanicPayload>,
    pub(crate) backtrace: RawBacktrace,
    pub(crate) limiter: Option<LimiterAccess>,
    pub(crate) epoch_callback: Option<EpochAccess>,
    pub(crate) engine: Engine,
}

impl StoreOpaque {
    pub(crate) fn new(
        engine: &Engine,
        region: Option<NonNull<[MaybeUninit<u8>]>>,
        functions: StoreFunctions,
    ) -> Result<Self> {
        let vm = super::layout::new_block(engine, functions)?;
        let (heap, region) = super::layout::new_heap(engine, region, vm.as_non_null().cast())?;
        Ok(Self {
            id: StoreId::next(),
            vm,
            auto_drain: true,
            way_in: WayIn::of(engine.config()),
            trap_passes: false,
            interrupt_delivered: false,
            stack_budget_bytes: engine.config().stack_budget_bytes().unwrap_or(0),
            fixed_stack_limit: 0,
            host_call_at: 0,
            serial: 0,
            roots: Roots::new(),
            heap,
            _region: region,
            code: CodeMap::default(),
            instances: Vec::new(),
            memories: Vec::new(),
            tables: Vec::new(),
            host_funcs: Vec::new(),
            global_cells: Vec::new(),
            exit_stubs: ExitStubs::default(),
            counted_places: 0,
            recount: Recount::default(),
            guest_bytes: 0,
            fuel_given: 0,
            fuel_consumed: 0,
            pending: None,
            #[cfg(feature = "std")]
            panic: None,
            backtrace: RawBacktrace::default(),
            limiter: None,
            epoch_callback: None,
            engine: engine.clone(),
        })
    }

    pub(crate) fn block(&self) -> NonNull<VmBlock> {
        self.vm.as_non_null()
    }

    pub(crate) fn shared_block(&self) -> &SharedBlock {
        &self.vm
    }

    /// The context that generated code sees.
    pub(crate) fn vm(&self) -> NonNull<VmStoreContext> {
        self.vm.as_non_null().cast()
    }

    /// Whether no frame, Wasm or host, can hold a borrowed reference.
    #[inline]
    pub(crate) fn is_idle(&self) -> bool {
        let vm = self.vm().as_ptr();
        // SAFETY: the context is in its place (V1), and the frames are this thread's (S1).
        unsafe { (*vm).activation.is_null() && (*vm).host_frames.is_null() }
    }

    /// Makes a module's code and exit stubs known.
    pub(crate) fn register_module(&mut self, module: &Module) -> Result<()> {
        self.exit_stubs.register(module, &mut self.code, &self.host_funcs)
    }

    /// How far down outermost calls may go; `None`: as the engine is configured.
    pub(crate) fn set_stack_limit(&mut self, address: Option<usize>) {
        self.fixed_stack_limit = address.unwrap_or(0);
        let asks = address.is_none() && self.engine.config().stack_bounds.is_some();
        self.way_in.set(WayIn::ASK_STACK_BOUNDS, asks);
    }

    /// Asks the embedder's limiter, if there is one.
    pub(crate) fn limiter_allows(
        &mut self,
        mut ask: impl FnMut(&mut dyn ResourceLimiter) -> bool,
    ) -> bool {
        let Some(access) = self.limiter else { return true };
        // SAFETY: the block's owner is this store's root pointer (V2), and the
        // function was set together with a limiter of the store's data type; it
        // touches the data and the limiter only, not this struct.
        unsafe {
            let root = StorePtr::from_vm(self.vm().as_ptr());
            access(root, &mut ask)
        }
    }

    /// All fuel that was consumed, if so much is left.
    pub(crate) fn fuel_consumed(&self, left: u64) -> u64 {
        self.fuel_consumed.saturating_add(self.fuel_given.saturating_sub(left))
    }

    /// Room for one more element in a list of the store.
    pub(crate) fn push<V>(list: &mut Vec<V>, value: V) -> Result<u32> {
        let index = u32::try_from(list.len())
            .map_err(|_| Error::Bug("more than 2^32 entities in a store"))?;
        alloc::try_push(list, value)?;
        Ok(index)
    }
}
