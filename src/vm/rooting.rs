//! How roots come and go: what a store does to its heap, its limits and its
//! serial numbers in addition to the entry in [`super::roots::Roots`].

use super::roots::Roots;
use super::store::StoreOpaque;
use crate::abi::HostFrame;
use crate::error::{Error, Misuse, Result};

impl StoreOpaque {
    /// Whether a host call in progress has the frame with this serial number.
    #[inline]
    pub(crate) fn has_host_frame(&self, serial: u64) -> bool {
        // SAFETY: the context is alive (V1).
        let mut frame: *const HostFrame = unsafe { (*self.vm().as_ptr()).host_frames };
        while !frame.is_null() {
            // SAFETY: linked frames live on the stack of host calls that are
            // in progress. Each unlinks itself when it ends, and none ends while
            // this thread follows the chain (S1).
            let (found, previous) = unsafe { ((*frame).serial, (*frame).previous) };
            if found == serial {
                return true;
            }
            frame = previous;
        }
        false
    }

    /// Makes room for one more root, so that [`Self::add_root`] cannot fail.
    pub(crate) fn reserve_root(&mut self) -> Result<()> {
        if self.roots.has_room() {
            return Ok(());
        }
        // Entries are reused: there are never more places than entries.
        let mut claim = self.claim(1, Roots::ENTRY_BYTES)?;
        claim.roots.grow()?;
        claim.keep();
        Ok(())
    }

    /// Enters a slot whose count the root takes over. Returns the entry and its
    /// serial number.
    pub(crate) fn add_root(&mut self, slot: u32) -> Result<(u32, u64)> {
        let serial = self.serial + 1;
        let at = self.roots.add(slot, serial).ok_or(Error::Bug("no room was made for a root"))?;
        self.serial = serial;
        Ok((at, serial))
    }

    /// Ends a root: its slot is counted once less.
    pub(crate) fn end_root(&mut self, at: u32, serial: u64) -> Result<()> {
        let slot = self.roots.remove(at, serial).ok_or(Misuse::StaleReference)?;
        self.heap.decrement(slot);
        // Released at once if there is no frame that could hold it.
        self.call_returned();
        Ok(())
    }
}
