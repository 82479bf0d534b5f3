//! [`FrameLink`]: links a host frame, whose values are roots, while it lives.

use super::store::StorePtr;
use crate::abi::{HostFrame, VmStoreContext};

/// Links a host frame while it lives.
pub(crate) struct FrameLink {
    vm: *mut VmStoreContext,
    previous: *mut HostFrame,
}

impl FrameLink {
    /// Gives the frame its serial number and links it.
    ///
    /// # Safety
    /// `vm` is the context of `store`, to which no reference is in use. The
    /// frame and its values stay where they are until the link is dropped.
    #[inline(always)]
    pub(crate) unsafe fn new(
        store: StorePtr,
        vm: *mut VmStoreContext,
        frame: *mut HostFrame,
    ) -> Self {
        // SAFETY: by this function's contract.
        unsafe {
            let serial = &mut store.get().serial;
            *serial += 1;
            (*frame).serial = *serial;
            let previous = (*vm).host_frames;
            (*frame).previous = previous;
            (*vm).host_frames = frame;
            Self { vm, previous }
        }
    }
}

impl Drop for FrameLink {
    fn drop(&mut self) {
        // SAFETY: the context outlives every call on its store (V1).
        unsafe { (*self.vm).host_frames = self.previous };
    }
}
