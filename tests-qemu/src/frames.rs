//! Physical page frames: a bump allocator with a free list threaded through the
//! free frames. RAM is identity-mapped, so a frame's address is usable directly.

use crate::arch::RAM_START;
use spin::Mutex;

/// Bytes in a frame.
pub const FRAME_BYTES: usize = 4096;
const START: usize = RAM_START + (352 << 20);
const END: usize = RAM_START + (896 << 20);

/// Where frames lie.
pub const CONTAINS: core::ops::Range<usize> = START..END;

struct Frames {
    fresh: usize,
    free: usize,
    free_count: usize,
}

static FRAMES: Mutex<Frames> = Mutex::new(Frames { fresh: START, free: 0, free_count: 0 });

/// Returns a zeroed frame's address, or `None` when all are in use.
pub fn allocate() -> Option<usize> {
    let mut frames = FRAMES.lock();
    let frame = if frames.free != 0 {
        let frame = frames.free;
        // SAFETY: a free frame holds the address of the next one.
        frames.free = unsafe { (frame as *const usize).read() };
        frames.free_count -= 1;
        frame
    } else if frames.fresh < END {
        frames.fresh += FRAME_BYTES;
        frames.fresh - FRAME_BYTES
    } else {
        return None;
    };
    // SAFETY: the frame is ours from here on.
    unsafe { (frame as *mut u8).write_bytes(0, FRAME_BYTES) };
    Some(frame)
}

/// Takes a frame back.
///
/// # Safety
/// `frame` came from [`allocate`] and is not in use.
pub unsafe fn release(frame: usize) {
    let mut frames = FRAMES.lock();
    // SAFETY: by this function's contract the frame is free.
    unsafe { (frame as *mut usize).write(frames.free) };
    frames.free = frame;
    frames.free_count += 1;
}

/// Frames still available.
pub fn available() -> usize {
    let frames = FRAMES.lock();
    (END - frames.fresh) / FRAME_BYTES + frames.free_count
}
