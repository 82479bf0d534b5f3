//! Counting executed instructions: the time stamp counter of a QEMU run with
//! `-icount shift=0`, where it advances by one per instruction. Elsewhere it
//! counts time; [`counted_loop`] tells the two apart.

use core::arch::x86_64::_rdtsc;

/// Nothing to set up; always true.
pub fn init_instructions() -> bool {
    true
}

/// Instructions so far. Wraps.
#[inline(always)]
pub fn instructions() -> u32 {
    // SAFETY: every x86_64 processor has the counter.
    unsafe { _rdtsc() as u32 }
}

/// Runs two instructions `turns` times (at least once). Not inlined, so that
/// the surrounding code is the same for any number of turns.
#[inline(never)]
pub fn counted_loop(turns: u64) {
    // SAFETY: counts down a register.
    unsafe {
        core::arch::asm!("2: dec {0}", "jnz 2b", inout(reg) turns => _, options(nomem, nostack));
    }
}
