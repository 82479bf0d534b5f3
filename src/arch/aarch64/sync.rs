//! Publishing code: cache maintenance to the point of unification (Arm ARM,
//! B2.4.4 "Concurrent modification and execution of instructions").

use core::arch::asm;

/// See [`crate::arch::synchronize_code`].
///
/// # Safety
/// As there: the range is mapped.
pub unsafe fn synchronize_code(base: *const u8, len: usize) {
    let cache_type: usize;
    // SAFETY: only reads a register; readable at EL1, and at EL0 where the
    // system allows it, as Linux does.
    unsafe { asm!("mrs {}, ctr_el0", out(reg) cache_type, options(nomem, nostack)) };
    // Line sizes as log2 of 4-byte words: DminLine bits 16–19, IminLine 0–3.
    let data_line = 4usize << (cache_type >> 16 & 0xf);
    let instruction_line = 4usize << (cache_type & 0xf);
    let end = base.addr().wrapping_add(len);

    let mut line = base.addr() & !(data_line - 1);
    while line < end {
        // SAFETY: cleans a line that holds part of the mapped range.
        unsafe { asm!("dc cvau, {}", in(reg) line, options(nostack, preserves_flags)) };
        line += data_line;
    }
    // SAFETY: barriers have no preconditions.
    unsafe { asm!("dsb ish", options(nostack, preserves_flags)) };
    let mut line = base.addr() & !(instruction_line - 1);
    while line < end {
        // SAFETY: invalidates a line that holds part of the mapped range.
        unsafe { asm!("ic ivau, {}", in(reg) line, options(nostack, preserves_flags)) };
        line += instruction_line;
    }
    // SAFETY: as above.
    unsafe { asm!("dsb ish", "isb", options(nostack, preserves_flags)) };
}

/// See [`crate::arch::synchronize_fetch`] (Arm ARM, B2.4.4: a context
/// synchronization event on the processor that executes the code).
pub fn synchronize_fetch() {
    // SAFETY: a barrier has no preconditions.
    unsafe { asm!("isb", options(nostack, preserves_flags)) };
}
