//! The memory a store starts with: the block that generated code sees and the
//! reference arena.

use super::context::{SharedBlock, VmBlock};
use super::raw_box::RawBox;
use crate::abi::{VmBuiltins, VmStoreContext};
use crate::engine::Engine;
use crate::error::{Error, Misuse, Result};
use crate::gc::{HeapConfig, RefHeap};
use core::alloc::Layout;
use core::mem::MaybeUninit;
use core::ptr::NonNull;
use core::sync::atomic::AtomicU64;

/// What generated code and the fault handler call with a store's context.
#[derive(Clone, Copy)]
pub(crate) struct StoreFunctions {
    /// See [`VmStoreContext::builtins`].
    pub(crate) builtins: &'static VmBuiltins,
    /// See [`VmStoreContext::stopped`].
    pub(crate) stopped: unsafe extern "C" fn(*mut VmStoreContext) -> u64,
    /// See [`VmStoreContext::check_failed`].
    pub(crate) check_failed: unsafe extern "C" fn(*mut VmStoreContext) -> u64,
    /// See [`VmStoreContext::host_failed`].
    pub(crate) host_failed: unsafe extern "C" fn(*mut VmStoreContext, u64) -> u64,
    /// See [`VmStoreContext::guards`].
    pub(crate) guards: unsafe extern "C" fn(*mut VmStoreContext, usize) -> bool,
}

/// The reference arena's memory, if the store owns it.
pub(crate) enum Region {
    Owned { _memory: RawBox<u128> },
    Given,
}

/// A block whose owner is yet to be set. The arena's fields are filled in by
/// the heap.
pub(crate) fn new_block(engine: &Engine, functions: StoreFunctions) -> Result<SharedBlock> {
    let vm = VmStoreContext {
        stack_limit: usize::MAX,
        exit_fp: 0,
        exit_pc: 0,
        activation: core::ptr::null_mut(),
        slots: core::ptr::null_mut(),
        table_next: core::ptr::null_mut(),
        table_threshold: core::ptr::null_mut(),
        host_frames: core::ptr::null_mut(),
        builtins: functions.builtins,
        unwind: crate::arch::unwind,
        stopped: functions.stopped,
        check_failed: functions.check_failed,
        host_failed: functions.host_failed,
        epoch_counter: engine.epoch(),
        epoch_deadline: u64::MAX,
        fuel: 0,
        guards: functions.guards,
        stopped_by: 0,
        interrupt: AtomicU64::new(0),
    };
    SharedBlock::new(VmBlock { vm, owner: NonNull::dangling() })
}

/// The heap in a region of its own or in the one given.
pub(crate) fn new_heap(
    engine: &Engine,
    region: Option<NonNull<[MaybeUninit<u8>]>>,
    vm: NonNull<VmStoreContext>,
) -> Result<(RefHeap, Region)> {
    let config = engine.config();
    let heap_config = HeapConfig {
        policy: config.policy,
        threshold: config.gc_threshold,
        quota: config.reference_quota,
        zeal: config.zeal,
    };
    let (memory, region) = match region {
        Some(given) => {
            (NonNull::slice_from_raw_parts(given.cast::<u8>(), given.len()), Region::Given)
        }
        None => {
            let invalid = Misuse::InvalidConfig("reference_slots is too large");
            let bytes = RefHeap::region_bytes(config.reference_slots).ok_or(invalid)?;
            let layout = Layout::from_size_align(bytes, REGION_ALIGN_BYTES)
                .map_err(|_| Error::OutOfMemory { bytes })?;
            let owned = RawBox::<u128>::uninit(layout)?;
            let memory = NonNull::slice_from_raw_parts(owned.as_non_null().cast::<u8>(), bytes);
            (memory, Region::Owned { _memory: owned })
        }
    };
    // SAFETY: the region is exclusively the heap's (G5): it was just allocated,
    // or given away for good; `vm` stays where it is (V1). Both outlive the
    // heap, because the store drops its fields in order.
    let heap = unsafe { RefHeap::new(memory, vm, heap_config) }?;
    Ok((heap, region))
}

/// Slots must not straddle cache lines.
const REGION_ALIGN_BYTES: usize = 64;
