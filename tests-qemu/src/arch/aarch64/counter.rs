//! Counting executed instructions: the performance monitor's "retired" event,
//! which QEMU provides when run with `-icount`.
//!
//! Source: Arm ARM (DDI 0487), D11 and D19.5.

use core::arch::asm;

const INSTRUCTIONS_RETIRED: u64 = 8;

/// Starts counting. False if the machine cannot count instructions.
pub fn init_instructions() -> bool {
    let events: u64;
    // SAFETY: sets up the monitor's first counter, which nothing else uses.
    unsafe {
        asm!("mrs {}, pmceid0_el0", out(reg) events, options(nomem, nostack));
        if events >> INSTRUCTIONS_RETIRED & 1 == 0 {
            return false;
        }
        asm!(
            "msr pmevtyper0_el0, {event}",
            "msr pmcntenset_el0, {one}",
            "mrs {control}, pmcr_el0",
            "orr {control}, {control}, #1",
            "msr pmcr_el0, {control}",
            "isb",
            event = in(reg) INSTRUCTIONS_RETIRED,
            one = in(reg) 1_u64,
            control = out(reg) _,
            options(nomem, nostack)
        );
    }
    true
}

/// Instructions so far. Wraps.
#[inline(always)]
pub fn instructions() -> u32 {
    let count: u64;
    // SAFETY: reads a counter.
    unsafe { asm!("mrs {}, pmevcntr0_el0", out(reg) count, options(nomem, nostack)) };
    count as u32
}

/// Runs two instructions `turns` times (at least once). Not inlined, so that
/// the surrounding code is the same for any number of turns.
#[inline(never)]
pub fn counted_loop(turns: u64) {
    // SAFETY: counts down a register.
    unsafe {
        asm!("2: subs {0}, {0}, #1", "b.ne 2b", inout(reg) turns => _, options(nomem, nostack));
    }
}
