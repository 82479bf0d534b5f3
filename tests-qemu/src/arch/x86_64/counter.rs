//! Counting executed instructions: the time stamp counter of a QEMU that runs
//! with `-icount shift=0`, where it advances by one per instruction. On other
//! machines it counts time; [`counted_loop`] tells them apart.

use core::arch::x86_64::_rdtsc;

/// Nothing to set up.
pub fn init_instructions() -> bool {
    true
}

/// Instructions so far. Wraps.
#[inline(always)]
pub fn instructions() -> u32 {
    // SAFETY: every x86_64 processor has the counter.
    unsafe { _rdtsc() as u32 }
}

/// Runs two instructions `turns` times (at least once). Not inlined: what surrounds them
/// is the same for any number.
#[inline(never)]
pub fn counted_loop(turns: u64) {
    // SAFETY: counts a register down.
    unsafe {
        core::arch::asm!("2: dec {0}", "jnz 2b", inout(reg) turns => _, options(nomem, nostack));
    }
}
