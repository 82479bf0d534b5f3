//! [`PoolingMemorySource`]: keeps a bounded number of released linear memories
//! of another source, so that the next ones need not be created from scratch.
//!
//! Invariants:
//! - **P1** A kept memory is all zero, is used by nobody, and is handed out once.
//! - **P2** Kept memories, and those that are being made ready to be kept, never
//!   exceed the limits. The list has room for that many from the start, so that
//!   keeping one never allocates.
//! - **P3** The lock is held while the list is read or changed, never while the
//!   source is asked for anything.

use super::embedder::{LinearMemory, MemorySource};
use crate::error::Result;
use crate::fallible::try_vec_with_capacity;
use spin::mutex::SpinMutex;
use std_alloc::vec::Vec;

#[cfg(test)]
mod tests;

/// How much a [`PoolingMemorySource`] keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolLimits {
    /// Memories kept. 32 by default.
    pub memories: usize,
    /// Bytes that the kept memories have committed together. 32 MiB by default.
    pub committed_bytes: usize,
    /// Bytes of capacity of the kept memories together: what matters for a
    /// source that backs all of a memory's capacity with real memory, as
    /// [`super::HeapMemorySource`] does. Not limited by default.
    pub capacity_bytes: usize,
    /// Bytes at the start of each memory that are zeroed by writing zeros; what
    /// lies behind may be given back to the system, which is slower for bytes
    /// that guests use and faster for those that they do not. A source counts
    /// whole Wasm pages (64 KiB). 128 KiB by default.
    pub keep_resident_bytes: usize,
}

impl Default for PoolLimits {
    fn default() -> Self {
        Self {
            memories: 32,
            committed_bytes: 32 << 20,
            capacity_bytes: usize::MAX,
            keep_resident_bytes: 128 << 10,
        }
    }
}

/// A kept memory.
struct Kept(LinearMemory);

// SAFETY: nobody uses a kept memory (P1), and sources may be asked to release
// or reset a memory from any thread.
unsafe impl Send for Kept {}

/// What is kept. Counts and sums include memories that are being made ready.
struct State {
    /// Oldest first.
    list: Vec<Kept>,
    memories: usize,
    committed_bytes: usize,
    capacity_bytes: usize,
}

/// Whether a released memory can be kept.
enum Room {
    /// Yes; it has been counted.
    Taken,
    /// Perhaps, once this one, which has been taken out to make room, is released.
    After(LinearMemory),
    None,
}

/// What a memory counts for while it is kept.
#[derive(Clone, Copy)]
struct Size {
    committed_bytes: usize,
    capacity_bytes: usize,
}

impl Size {
    fn of(memory: &LinearMemory) -> Self {
        let LinearMemory { committed_bytes, capacity_bytes, .. } = *memory;
        Self { committed_bytes, capacity_bytes }
    }
}

/// What is asked of a kept memory.
struct Wanted {
    capacity_bytes: usize,
    committed_bytes: usize,
    /// At least.
    guarded_bytes: usize,
}

impl State {
    /// Whether it is within the limits together with what is kept already.
    fn fits(&self, size: Size, limits: &PoolLimits) -> bool {
        let within = |has: usize, more: usize, most: usize| {
            has.checked_add(more).is_some_and(|sum| sum <= most)
        };
        within(self.memories, 1, limits.memories)
            && within(self.committed_bytes, size.committed_bytes, limits.committed_bytes)
            && within(self.capacity_bytes, size.capacity_bytes, limits.capacity_bytes)
    }

    fn count(&mut self, size: Size) {
        self.memories += 1;
        self.committed_bytes += size.committed_bytes;
        self.capacity_bytes += size.capacity_bytes;
    }

    fn uncount(&mut self, size: Size) {
        self.memories -= 1;
        self.committed_bytes -= size.committed_bytes;
        self.capacity_bytes -= size.capacity_bytes;
    }

    /// Takes a kept memory out.
    fn remove(&mut self, at: usize) -> LinearMemory {
        let Kept(memory) = self.list.remove(at);
        self.uncount(Size::of(&memory));
        memory
    }

    /// Looks for a place for a memory. Memories of another capacity give way,
    /// the oldest first: what is released now is the kind that is in use now.
    fn place(&mut self, size: Size, limits: &PoolLimits) -> Room {
        if self.fits(size, limits) {
            self.count(size);
            return Room::Taken;
        }
        if size.committed_bytes > limits.committed_bytes
            || size.capacity_bytes > limits.capacity_bytes
        {
            return Room::None;
        }
        let is_other = |kept: &Kept| kept.0.capacity_bytes != size.capacity_bytes;
        match self.list.iter().position(is_other) {
            Some(oldest) => Room::After(self.remove(oldest)),
            None => Room::None,
        }
    }

    /// The newest kept memory that serves, one with the bytes committed first.
    fn take(&mut self, wanted: &Wanted) -> Option<LinearMemory> {
        let mut of_capacity = None;
        for (at, Kept(memory)) in self.list.iter().enumerate().rev() {
            if memory.capacity_bytes != wanted.capacity_bytes
                || memory.guarded_bytes < wanted.guarded_bytes
            {
                continue;
            }
            if memory.committed_bytes == wanted.committed_bytes {
                return Some(self.remove(at));
            }
            of_capacity = of_capacity.or(Some(at));
        }
        of_capacity.map(|at| self.remove(at))
    }
}

/// Hands out memories of another source, and keeps some of those that are
/// released to hand them out again. A kept memory costs a lock and the writing
/// of zeros; any other costs what the source takes.
///
/// A kept memory holds nothing of the guest that had it: it is zeroed when it
/// is released, by [`MemorySource::reset`], and a memory for which that fails
/// is not kept. It serves requests that the source would answer with the same
/// capacity. If the source runs out of memory, the pool returns to it all that
/// it keeps and asks once more.
///
/// One pool may serve many engines, on many processors. It holds a spin lock
/// while it searches its list, for at most [`PoolLimits::memories`] steps, and
/// leaves interrupts enabled: interrupt handlers must not call it.
pub struct PoolingMemorySource<S: MemorySource> {
    source: S,
    limits: PoolLimits,
    state: SpinMutex<State>,
}

impl<S: MemorySource> PoolingMemorySource<S> {
    /// A pool that keeps nothing yet.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`] for the list, which has room for
    /// [`PoolLimits::memories`] from the start.
    pub fn new(source: S, limits: PoolLimits) -> Result<Self> {
        let list = try_vec_with_capacity(limits.memories)?;
        let state = State { list, memories: 0, committed_bytes: 0, capacity_bytes: 0 };
        Ok(Self { source, limits, state: SpinMutex::new(state) })
    }

    /// The source behind the pool.
    pub fn source(&self) -> &S {
        &self.source
    }

    /// The limits of what is kept.
    pub fn limits(&self) -> &PoolLimits {
        &self.limits
    }

    /// How many memories are kept now, or about to be.
    pub fn kept_memories(&self) -> usize {
        self.state.lock().memories
    }

    /// Bytes that are committed for [`Self::kept_memories`].
    pub fn kept_bytes(&self) -> usize {
        self.state.lock().committed_bytes
    }

    /// Returns all that is kept to the source, and tells how many memories that
    /// was. For use when memory is short.
    pub fn clear(&self) -> usize {
        let mut released = 0;
        // Bounded, because others may be keeping more at the same time.
        while released < self.limits.memories {
            let mut state = self.state.lock();
            let Some(last) = state.list.len().checked_sub(1) else { break };
            let memory = state.remove(last);
            drop(state);
            // SAFETY: it came from the source and nobody uses it (P1).
            unsafe { self.source.release(memory) };
            released += 1;
        }
        released
    }

    /// Does something that takes memory, and does it again if it fails and what
    /// is kept could make the difference.
    fn or_cleared<V>(&self, mut act: impl FnMut() -> Result<V>) -> Result<V> {
        match act() {
            Err(_) if self.clear() > 0 => act(),
            outcome => outcome,
        }
    }

    /// A kept memory with `minimum_bytes` committed.
    fn reuse(
        &self,
        minimum_bytes: usize,
        maximum_bytes: usize,
        guarded_bytes: usize,
    ) -> Option<LinearMemory> {
        let capacity_bytes = self.source.capacity_for(minimum_bytes, maximum_bytes);
        let wanted = Wanted { capacity_bytes, committed_bytes: minimum_bytes, guarded_bytes };
        let mut memory = self.state.lock().take(&wanted)?;
        let ready = if memory.committed_bytes < minimum_bytes {
            // SAFETY: it came from the source, which alone has changed it (P1).
            unsafe { self.source.commit(&mut memory, minimum_bytes) }
        } else if memory.committed_bytes > minimum_bytes {
            // SAFETY: it came from the source and nobody uses it (P1).
            unsafe {
                self.source.reset(&mut memory, minimum_bytes, self.limits.keep_resident_bytes)
            }
        } else {
            return Some(memory);
        };
        if ready.is_ok() && memory.committed_bytes == minimum_bytes {
            return Some(memory);
        }
        // SAFETY: as above.
        unsafe { self.source.release(memory) };
        None
    }

    /// Counts a memory that is to be kept, if there is a place for it.
    fn find_place(&self, size: Size) -> bool {
        // Each turn but the last takes a memory out of the list.
        for _ in 0..=self.limits.memories {
            let place = self.state.lock().place(size, &self.limits);
            match place {
                Room::Taken => return true,
                // SAFETY: it came from the source and nobody uses it (P1).
                Room::After(oldest) => unsafe { self.source.release(oldest) },
                Room::None => return false,
            }
        }
        false
    }
}

// SAFETY: memories are the source's, which keeps the contract. One that is
// handed out again was zeroed by the source since it was released, and left the
// list before (P1), so nobody else has it. Its guard is what the source said.
unsafe impl<S: MemorySource> MemorySource for PoolingMemorySource<S> {
    fn reserve(&self, minimum_bytes: usize, maximum_bytes: usize) -> Result<LinearMemory> {
        match self.reuse(minimum_bytes, maximum_bytes, 0) {
            Some(memory) => Ok(memory),
            None => self.or_cleared(|| self.source.reserve(minimum_bytes, maximum_bytes)),
        }
    }

    fn reserve_guarded(
        &self,
        minimum_bytes: usize,
        maximum_bytes: usize,
        guarded_bytes: usize,
    ) -> Result<LinearMemory> {
        let reserve = || self.source.reserve_guarded(minimum_bytes, maximum_bytes, guarded_bytes);
        match self.reuse(minimum_bytes, maximum_bytes, guarded_bytes) {
            Some(memory) => Ok(memory),
            None => self.or_cleared(reserve),
        }
    }

    unsafe fn commit(&self, memory: &mut LinearMemory, new_committed_bytes: usize) -> Result<()> {
        if new_committed_bytes > memory.capacity_bytes {
            // Nothing that is kept would help.
            // SAFETY: passed on to the caller.
            return unsafe { self.source.commit(memory, new_committed_bytes) };
        }
        // SAFETY: passed on to the caller.
        self.or_cleared(|| unsafe { self.source.commit(memory, new_committed_bytes) })
    }

    unsafe fn release(&self, mut memory: LinearMemory) {
        let size = Size::of(&memory);
        if !self.find_place(size) {
            // SAFETY: passed on.
            return unsafe { self.source.release(memory) };
        }
        // SAFETY: by this method's contract nobody uses the memory.
        let zeroed = unsafe {
            self.source.reset(&mut memory, size.committed_bytes, self.limits.keep_resident_bytes)
        };
        let mut state = self.state.lock();
        let unchanged = memory.committed_bytes == size.committed_bytes;
        if zeroed.is_ok() && unchanged && state.list.len() < state.list.capacity() {
            state.list.push(Kept(memory));
            return;
        }
        state.uncount(size);
        drop(state);
        // SAFETY: passed on.
        unsafe { self.source.release(memory) };
    }

    fn held_bytes(&self, memory: &LinearMemory) -> usize {
        self.source.held_bytes(memory)
    }

    fn capacity_for(&self, minimum_bytes: usize, maximum_bytes: usize) -> usize {
        self.source.capacity_for(minimum_bytes, maximum_bytes)
    }

    unsafe fn reset(
        &self,
        memory: &mut LinearMemory,
        new_committed_bytes: usize,
        resident_bytes: usize,
    ) -> Result<()> {
        // SAFETY: passed on.
        unsafe { self.source.reset(memory, new_committed_bytes, resident_bytes) }
    }
}

impl<S: MemorySource> Drop for PoolingMemorySource<S> {
    fn drop(&mut self) {
        self.clear();
    }
}

impl<S: MemorySource> core::fmt::Debug for PoolingMemorySource<S> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("PoolingMemorySource")
            .field("limits", &self.limits)
            .field("kept_memories", &self.kept_memories())
            .finish_non_exhaustive()
    }
}
